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

    def interrupted(checkpoint, target):
        target.write_bytes(b"half a checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            io.save_checkpoint({"epoch": 2}, path)
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 1}
    io.save_checkpoint({"epoch": 3}, path)  # what was left behind does no harm
    assert io.load_checkpoint(path, weights_only=True) == {"epoch": 3}
