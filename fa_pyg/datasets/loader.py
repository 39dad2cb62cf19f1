"""Mini-batches of a data set in memory, fast enough for graphs of five nodes."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import torch
from torch.utils.data import DistributedSampler, RandomSampler, Sampler
from torch_geometric.data import Batch, InMemoryDataset

from fa_pyg.datasets.collated import CollatedGraphs, select_graphs

__all__ = ["InMemoryLoader", "select_graphs"]


class InMemoryLoader:
    """The batches of :class:`torch_geometric.loader.DataLoader`, without collating graph by graph.

    The graphs of an :class:`~torch_geometric.data.InMemoryDataset` lie end to end in memory already, so a
    batch is one gather per attribute. It follows ``__cat_dim__`` and ``__inc__`` of the data class and is a
    PyG ``Batch`` with ``batch``, ``ptr`` and ``to_data_list()``.

    The order is a function of ``seed`` and the epoch alone. Every iteration is the next epoch, unless
    :meth:`set_epoch` says which (a Lightning trainer does). :meth:`state_dict` holds the place within an
    epoch: a run resumed from a checkpoint goes on with the very next batch.

    Args:
        dataset: an ``InMemoryDataset`` of ``Data``, whole or a part (``dataset[:100]``), or a ``Batch``, e.g.
            of graphs that were transformed together.
        batch_size: graphs per batch and process.
        shuffle: a new order every epoch.
        generator: what orders are drawn from, as in ``RandomSampler``, instead of from ``seed`` and epoch.
        drop_last: leave out an incomplete last batch.
        device: where the data set is kept and the batches are made.
        seed: of the orders.
        rank, world_size: the share of this process, by the rule of ``DistributedSampler``: a new split every
            epoch, equal lengths by repeating some graphs. None: as in the process group, if there is one.
        sampler: any sampler of positions, in place of ``shuffle``, ``generator``, ``rank``, ``world_size``.

    Raises ValueError for what cannot be gathered: a transform of single graphs, heterogeneous graphs, nested
    or sparse attributes.

    Not guaranteed: changes to graphs taken out of the data set (``dataset[0].y = ...``) do not show; averages
    over graphs that are repeated to even out the processes count those twice.
    """

    batch_sampler = None  # Lightning asks for it wherever there is a `sampler`

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
            found = type(dataset).__name__
            raise ValueError(f"dataset is a {found}, expected an InMemoryDataset or a Batch")
        _check_transform(dataset)
        _check_whole("batch_size", batch_size, 1)
        _check_whole("seed", seed, 0)
        for name, value, least in (("rank", rank, 0), ("world_size", world_size, 1)):
            _check_whole(name, least if value is None else value, least)
        if generator is not None and not isinstance(generator, torch.Generator):
            raise ValueError(f"generator is {generator!r}, expected a torch.Generator")
        if sampler is not None and not (hasattr(sampler, "__iter__") and hasattr(sampler, "__len__")):
            raise ValueError(f"sampler is {sampler!r}, expected positions with a length")
        self.graphs, self._indices = _graphs(dataset, device)
        places = range(len(self._indices))
        if sampler is None and shuffle and generator is not None:
            sampler = RandomSampler(places, generator=generator)
        if sampler is None:
            sampler = _distributed_sampler(places, rank, world_size, shuffle, seed)
        self.dataset, self.batch_size, self.drop_last, self.sampler = dataset, batch_size, drop_last, sampler
        self._position, self._resume = {"epoch": None, "batches": 0}, None

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        _check_transform(self.dataset)  # it may have been set since
        # A generator: all of this runs at the first `next`, after a trainer has set the epoch of the sampler.
        epoch = getattr(self.sampler, "epoch", None)
        order = self._indices[torch.tensor(list(self.sampler), dtype=torch.long)]
        first = self._resume["batches"] if self._resume and self._resume["epoch"] == epoch else 0
        self._resume = None
        if epoch is not None:
            self.set_epoch(epoch + 1)
        for i in range(first, len(self)):
            self._position = {"epoch": epoch, "batches": i + 1}
            yield self.graphs.select(order[i * self.batch_size : (i + 1) * self.batch_size])

    def set_epoch(self, epoch: int) -> None:
        """Which epoch the next iteration is."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The epoch and the number of its batches that were handed out."""
        return dict(self._position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration, if it is of that epoch, begin after those batches."""
        self._position, self._resume = dict(state), dict(state)
        if state["epoch"] is not None:
            self.set_epoch(state["epoch"])


def _check_whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r}, expected a whole number, {least} or more")


def _graphs(dataset: InMemoryDataset | Batch, device: Any) -> tuple[CollatedGraphs, torch.Tensor]:
    """The graphs end to end, and which of them are the data set's."""
    if isinstance(dataset, Batch):
        graphs = CollatedGraphs(dataset, dataset._slice_dict, dataset._inc_dict, device)
        return graphs, torch.arange(dataset.num_graphs)
    graphs = CollatedGraphs(dataset._data, dataset.slices, device=device)
    return graphs, torch.as_tensor(dataset.indices())


def _check_transform(dataset: InMemoryDataset | Batch) -> None:
    if isinstance(dataset, InMemoryDataset) and dataset.transform is not None:
        raise ValueError("dataset.transform is set, expected None: transform the batches instead")


def _distributed_sampler(dataset, rank, world_size, shuffle: bool, seed: int) -> DistributedSampler:
    group = torch.distributed.is_available() and torch.distributed.is_initialized()
    if world_size is None:
        world_size = torch.distributed.get_world_size() if group else 1
    if rank is None:
        rank = torch.distributed.get_rank() if group else 0
    return DistributedSampler(dataset, world_size, rank, shuffle, seed)
