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


def test_removes_what_it_has_written_and_nothing_else(tmp_path, monkeypatch):
    io, own, other = AtomicCheckpointIO(), tmp_path / "own.ckpt", tmp_path / "other.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, other)
    io.save_checkpoint({"epoch": 1}, own)
    monkeypatch.chdir(tmp_path)
    for path in (
        other,
        "other.ckpt",
        tmp_path,
        ".",
        f"local://{tmp_path}",
        f"local://{own}",
        tmp_path / "no",
    ):
        io.remove_checkpoint(path)
    assert other.exists()
    assert own.exists()
    io.remove_checkpoint("own.ckpt")
    assert not own.exists()
