"""The base of the loaders: an order that is a function of seed and epoch, and a position to resume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler, RandomSampler, Sampler

from fa_pyg import checks

__all__ = ["EpochLoader"]


class EpochLoader(ABC):
    """Batches of ``size`` graphs; a subclass defines ``_batches`` and documents the arguments."""

    batch_sampler = None  # Lightning reads it wherever there is a `sampler`

    def __init__(
        self,
        size: int,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        *,
        generator: torch.Generator | None = None,
        seed: int,
        rank: int | None,
        world_size: int | None,
        sampler: Sampler | None,
    ) -> None:
        checks.integer("batch_size", batch_size)
        checks.integer("seed", seed, 0, checks.MOST)
        checks.flag("shuffle", shuffle)
        checks.flag("drop_last", drop_last)
        for name, value, least in (("rank", rank, 0), ("world_size", world_size, 1)):
            checks.integer(name, value, least, optional=True)
        if generator is not None and not isinstance(generator, torch.Generator):
            checks.refuse("generator", "a torch.Generator or None", generator)
        listed = hasattr(sampler, "__iter__") and hasattr(sampler, "__len__") and not isinstance(sampler, str)
        if sampler is not None and not listed:
            checks.refuse("sampler", "an iterable of positions with a length, or None", sampler)
        if sampler is None and shuffle and generator is not None:
            sampler = RandomSampler(range(size), generator=generator)
        if sampler is None:
            sampler = _distributed_sampler(range(size), rank, world_size, shuffle, seed)
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler: Any = sampler  # an iterable of positions with a length
        self._position, self._resume = {"epoch": None, "batches": 0}, None

    @abstractmethod
    def _batches(self, places: Iterator[Tensor], epoch: int | None) -> Iterator[Any]:
        """Return the batches of the graphs at these positions, given as a tensor per batch."""

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:  # PyG makes the class of a batch at run time, with its attributes
        # A generator runs at the first `next`, after a trainer has set the epoch of the sampler.
        epoch = getattr(self.sampler, "epoch", None)
        order = torch.tensor(list(self.sampler), dtype=torch.long)
        first = self._resume["batches"] if self._resume and self._resume["epoch"] == epoch else 0
        self._resume = None
        if epoch is not None:
            self.set_epoch(epoch + 1)
        starts = range(first * self.batch_size, len(self) * self.batch_size, self.batch_size)
        places = (order[start : start + self.batch_size] for start in starts)
        for i, batch in enumerate(self._batches(places, epoch), first):
            self._position = {"epoch": epoch, "batches": i + 1}
            yield batch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch and the number of its batches that were returned."""
        return dict(self._position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Begin the next iteration, if it is of that epoch, after those batches."""
        self._position, self._resume = dict(state), dict(state)
        if state["epoch"] is not None:
            self.set_epoch(state["epoch"])


def _distributed_sampler(dataset, rank, world_size, shuffle: bool, seed: int) -> DistributedSampler:
    group = torch.distributed.is_available() and torch.distributed.is_initialized()
    if world_size is None:
        world_size = torch.distributed.get_world_size() if group else 1
    if rank is None:
        rank = torch.distributed.get_rank() if group else 0
    return DistributedSampler(dataset, world_size, rank, shuffle, seed)
