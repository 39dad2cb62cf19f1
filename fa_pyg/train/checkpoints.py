"""Checkpoints of a run: the best weights, and the state to resume from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from fa_pyg.files import atomic_write

__all__ = ["AtomicCheckpointIO", "checkpoints"]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint beside the one it replaces, then rename: a kill in between loses nothing.

    Reads tensors and plain Python values only, whoever wrote the checkpoint and whatever the trainer asks
    for. Removes only files that it has written: a checkpoint names the file that its run wrote before, which
    Lightning would remove, even a folder anywhere.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: set[Path] = set()

    def load_checkpoint(self, path: str | Path, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().load_checkpoint(path, *args[:1], **{**kwargs, "weights_only": True})

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, "wb") as file:
            torch.save(checkpoint, file)
        self.written.add(Path(path).resolve())

    def remove_checkpoint(self, path: str | Path) -> None:
        if Path(path).resolve() in self.written:
            super().remove_checkpoint(path)


def checkpoints(folder: str | Path, monitor: str = "val/mse", every: int = 1) -> list[ModelCheckpoint]:
    """Return callbacks that write ``best.ckpt``, of the lowest ``monitor``, and ``last.ckpt`` in a folder.

    Args:
        folder: of the files.
        monitor: name of the validation error.
        every: epochs between two ``last.ckpt``.
    """
    best = ModelCheckpoint(
        folder, "best", monitor=monitor, save_on_train_epoch_end=False, enable_version_counter=False
    )
    # Written after the validation of its epoch, as it records the best checkpoint.
    last = ModelCheckpoint(
        folder, "last", every_n_epochs=every, save_on_train_epoch_end=True, enable_version_counter=False
    )
    return [best, last]
