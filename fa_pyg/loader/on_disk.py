"""Mini-batches of a data set that does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Sampler, get_worker_info
from torch.utils.data import Dataset as Graphs
from torch_geometric.data import Batch, Data, OnDiskDataset

from fa_pyg import checks
from fa_pyg.loader.epochs import EpochLoader

__all__ = ["OnDiskLoader"]


class OnDiskLoader(EpochLoader):
    """Load the batches of :class:`~fa_pyg.datasets.InMemoryLoader`, reading graphs as they are needed.

    Batches, order, shares of processes and resumption are the same; memory holds the batches in progress and
    8 bytes per graph, the order.

    Args:
        dataset: any with a length whose items are ``Data``: :class:`~fa_pyg.datasets.LazyXYZ`,
            :class:`~fa_pyg.datasets.OnDiskXYZ`, a PyG ``OnDiskDataset``.
        batch_size, shuffle, drop_last, seed, rank, world_size, sampler: as in ``InMemoryLoader``.
        num_workers: processes that prefetch; 0 reads in this one. Batches do not depend on it.

    Raises:
        ValueError: for data sets without a length, for graphs whose attributes differ from those of the first
            in the batch, and any ValueError of the data set, in workers too.

    Not guaranteed: the same random numbers of a transform for another number of workers, or when an epoch is
    resumed.
    """

    def __init__(
        self,
        dataset: Graphs,
        batch_size: int = 1,
        shuffle: bool = False,
        drop_last: bool = False,
        *,
        num_workers: int = 0,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            checks.refuse("dataset", "a data set with a length, to be indexed", type(dataset).__name__)
        checks.integer("num_workers", num_workers, 0, checks.DEEP)
        self.dataset, self.num_workers, self.seed = dataset, num_workers, seed
        shares = {"seed": seed, "rank": rank, "world_size": world_size, "sampler": sampler}
        sized: Any = dataset
        super().__init__(len(sized), batch_size, shuffle, drop_last, **shares)

    def _batches(self, places: Iterator[Tensor], epoch: int | None) -> Iterator[Any]:
        loader = DataLoader(
            _Reader(self.dataset),
            batch_size=None,  # an item is a batch already
            sampler=(some.tolist() for some in places),
            num_workers=self.num_workers,
            worker_init_fn=_reopen,
            generator=self._generator(epoch or 0),
        )
        for batch in loader:
            if isinstance(batch, ValueError):
                raise batch
            yield batch

    def _generator(self, epoch: int) -> torch.Generator:
        """Return the generator for workers, apart from the random stream of this process."""
        key = np.random.SeedSequence((self.seed, epoch, getattr(self.sampler, "rank", 0)))
        return torch.Generator().manual_seed(int(key.generate_state(1)[0]))


class _Reader(Graphs):
    """A data set of batches."""

    def __init__(self, dataset: Graphs) -> None:
        self.dataset = dataset

    def __getitem__(self, places: list[int]) -> Batch | ValueError:
        try:
            # A data set may read the graphs of a batch together (``MoleculesOnDisk``).
            several = getattr(self.dataset, "read_together", None)
            graphs = [self.dataset[place] for place in places] if several is None else several(places)
            _check_alike(graphs, places)
            return Batch.from_data_list(graphs)
        except ValueError as error:  # as a value: raised in a worker it would lose type and text
            return ValueError(str(error))


def _check_alike(graphs: list[Data], places: list[int]) -> None:
    """Raise ValueError where attributes differ: PyG silently drops attributes that the first graph lacks."""
    expected = set(graphs[0].keys())
    for graph, place in zip(graphs, places, strict=True):
        if set(graph.keys()) != expected:
            raise ValueError(
                f"dataset: expected {sorted(expected)} as in graph {places[0]}, "
                f"found {sorted(graph.keys())} in graph {place}"
            )


def _reopen(worker: int) -> None:
    """Let a worker open databases again: forked connections share a file position."""
    info: Any = get_worker_info()
    dataset = info.dataset
    while dataset is not None:
        if isinstance(dataset, OnDiskDataset):
            dataset._db = None
        dataset = getattr(dataset, "dataset", None)
