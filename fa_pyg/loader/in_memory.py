"""Mini-batches of an in-memory data set, fast also for graphs of five nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Sampler
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg import checks
from fa_pyg.loader.collated import CollatedGraphs, select_graphs
from fa_pyg.loader.epochs import EpochLoader

__all__ = ["InMemoryLoader", "select_graphs"]


class InMemoryLoader(EpochLoader):
    """Load the batches of :class:`torch_geometric.loader.DataLoader`, without collating graph by graph.

    The graphs of an :class:`~torch_geometric.data.InMemoryDataset` are collated already, so a batch is one
    gather per attribute. It follows ``__cat_dim__`` and ``__inc__`` of the data class and is a PyG ``Batch``
    with ``batch``, ``ptr`` and ``to_data_list()``.

    The order is a function of ``seed`` and the epoch alone. Every iteration is the next epoch, unless
    :meth:`set_epoch` sets it (as a Lightning trainer does). :meth:`state_dict` has the position within an
    epoch: a run resumed from a checkpoint continues with the next batch.

    Args:
        dataset: an ``InMemoryDataset`` of ``Data``, whole or in part (``dataset[:100]``), or a ``Batch``,
            e.g. of graphs that were transformed together.
        batch_size: graphs per batch and process.
        shuffle: draw a new order every epoch.
        generator: of the orders, as in ``RandomSampler``, instead of ``seed`` and epoch.
        drop_last: leave out an incomplete last batch.
        device: of the data set and the batches.
        seed: of the orders.
        rank, world_size: the share of this process, as by ``DistributedSampler``: another split every epoch,
            of equal lengths by repeating some graphs. None: those of the process group, if any.
        sampler: any sampler of positions, in place of ``shuffle``, ``generator``, ``rank``, ``world_size``.

    Raises:
        ValueError: for data that cannot be gathered: a transform of single graphs, heterogeneous graphs,
            nested or sparse attributes.

    Not guaranteed: that changes to single graphs (``dataset[0].y = ...``) show; that averages over several
    processes are exact, as repeated graphs count twice.
    """

    def __init__(
        self,
        dataset: InMemoryDataset | Batch,
        batch_size: int = 1,
        shuffle: bool = False,
        generator: torch.Generator | None = None,
        drop_last: bool = False,
        device: torch.device | str | None = None,
        *,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        if not isinstance(dataset, InMemoryDataset | Batch):
            checks.refuse("dataset", "an InMemoryDataset or a Batch", type(dataset).__name__)
        _check_transform(dataset)
        self.graphs, self._indices = _graphs(dataset, device)
        self.dataset = dataset
        shares = {"seed": seed, "rank": rank, "world_size": world_size, "sampler": sampler}
        super().__init__(len(self._indices), batch_size, shuffle, drop_last, generator=generator, **shares)

    def _batches(self, places: Iterator[Tensor], epoch: int | None) -> Iterator[Any]:
        _check_transform(self.dataset)  # it may have been set meanwhile
        return (self.graphs.select(self._indices[some]) for some in places)


def _graphs(dataset: InMemoryDataset | Batch, device: Any) -> tuple[CollatedGraphs, torch.Tensor]:
    """Return the collated graphs, and the positions of the data set in them."""
    if isinstance(dataset, Batch):
        batch: Any = dataset  # PyG does not declare the slices and increments
        graphs = CollatedGraphs(batch, batch._slice_dict, batch._inc_dict, device)
        return graphs, torch.arange(dataset.num_graphs)
    data: Any = dataset._data
    graphs = CollatedGraphs(data, dataset.slices, device=device)
    return graphs, torch.as_tensor(dataset.indices())


def _check_transform(dataset: InMemoryDataset | Batch) -> None:
    if isinstance(dataset, InMemoryDataset) and dataset.transform is not None:
        raise ValueError(
            "dataset.transform: expected None, found a transform: apply it to the batches instead"
        )
