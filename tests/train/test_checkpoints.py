"""A checkpoint is there as a whole, or the one before it is."""

import pytest
import torch

from fa_pyg.train.checkpoints import AtomicCheckpointIO


def test_replaces(tmp_path):
    path, io = tmp_path / "deep" / "last.ckpt", AtomicCheckpointIO()
    for epoch in (1, 2):
        io.save_checkpoint({"epoch": epoch}, path)
        assert io.load_checkpoint(path, weights_only=True) == {"epoch": epoch}
    assert list(path.parent.iterdir()) == [path]


def test_interrupted_writing_leaves_the_previous_one(tmp_path, monkeypatch):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"epoch": 1}, path)

    def interrupted(checkpoint, file):
        file.write(b"half a checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            io.save_checkpoint({"epoch": 2}, path)
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]
    io.save_checkpoint({"epoch": 3}, path)
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 3}


def test_files_of_likely_names_stay(tmp_path):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "last.ckpt.tmp").symlink_to(victim)
    io.save_checkpoint({"epoch": 1}, path)
    assert victim.read_text() == "precious"
    assert (tmp_path / "last.ckpt.tmp").is_symlink()
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 1}
