"""Base of the Lightning data modules: loaders of training, validation and test split."""

from __future__ import annotations

from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg import checks
from fa_pyg.loader import InMemoryLoader, OnDiskLoader

__all__ = ["SplitData"]


class SplitData(LightningDataModule):
    """Loaders of splits; a subclass has one method, :meth:`split`.

    Splits in memory stay on the device that trains; others are read on access.

    Args:
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; default ``batch_size``.
        seed: of the order of the training graphs.
        num_workers: processes that read what is not in memory.

    Raises:
        ValueError: for sizes below 1 and a negative number of workers.
    """

    def __init__(self, batch_size: int, eval_batch_size: int | None, seed: int, num_workers: int = 0) -> None:
        super().__init__()
        self.batch_size = checks.integer("batch_size", batch_size)
        checks.integer("eval_batch_size", eval_batch_size, optional=True)
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.seed, self.num_workers = seed, checks.integer("num_workers", num_workers, 0)

    def split(self, name: str) -> InMemoryDataset | Batch | Dataset:
        """Return the graphs of ``"train"``, ``"val"`` or ``"test"``."""
        raise NotImplementedError

    def _loader(self, name: str, batch_size: int) -> InMemoryLoader | OnDiskLoader:
        graphs, order = self.split(name), {"shuffle": name == "train", "seed": self.seed}
        if not isinstance(graphs, InMemoryDataset | Batch):
            return OnDiskLoader(graphs, batch_size, num_workers=self.num_workers, **order)
        device = self.trainer.strategy.root_device if self.trainer else None
        return InMemoryLoader(graphs, batch_size, device=device, **order)

    def train_dataloader(self) -> InMemoryLoader | OnDiskLoader:
        return self._loader("train", self.batch_size)

    def val_dataloader(self) -> InMemoryLoader | OnDiskLoader:
        return self._loader("val", self.eval_batch_size)

    def test_dataloader(self) -> InMemoryLoader | OnDiskLoader:
        return self._loader("test", self.eval_batch_size)
