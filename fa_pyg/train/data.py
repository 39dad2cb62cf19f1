"""Lightning data modules: what loads the splits of any data, and the n-body benchmark."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningDataModule
from torch.utils.data import Dataset as Graphs
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg.datasets import InMemoryLoader, NBody, OnDiskLoader


class SplitData(LightningDataModule):
    """Loaders of splits; a subclass has one method, :meth:`split`.

    Splits in memory stay on the device that trains; others are read as they are needed.

    Args:
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; ``batch_size`` where None.
        seed: of the order of the training graphs.
        num_workers: processes that read what is not in memory.
    """

    def __init__(self, batch_size: int, eval_batch_size: int | None, seed: int, num_workers: int = 0) -> None:
        super().__init__()
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size)):
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}, expected a whole number, 1 or more")
        if num_workers < 0:
            raise ValueError(f"num_workers: expected 0 or more, found {num_workers}")
        self.batch_size = batch_size
        self.eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.seed, self.num_workers = seed, num_workers

    def split(self, name: str) -> InMemoryDataset | Batch | Graphs:
        """The graphs of "train", "val" or "test"."""
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


class NBodyData(SplitData):
    """Train, validation and test split of :class:`~fa_pyg.datasets.NBody`, generated once, by one process.

    The splits stay on the device that trains, where batches are gathered. Of several processes each takes an
    equal share of every split; where a split does not divide, shares are filled up with repeated graphs.

    Args:
        root: folder of the cache.
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; ``batch_size`` where None.
        num_samples: the first so many of each split (at most the 2000 of validation and test), for short or
            long trials; 3000 / 2000 / 2000 where None.
        seed: of the order of the training graphs.
    """

    def __init__(
        self,
        root: str | Path = "data/nbody",
        batch_size: int = 100,
        eval_batch_size: int | None = None,
        num_samples: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        self.root, self.num_samples = str(root), num_samples

    def prepare_data(self) -> None:
        for name in ("train", "val", "test"):
            self.split(name)

    def split(self, name: str) -> NBody:
        """One split, from the cache where there is one."""
        number = self.num_samples
        if number is not None and name != "train":
            number = min(number, 2000)  # there are no more
        return NBody(self.root, name, number)
