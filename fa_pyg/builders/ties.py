"""Orders that sort nodes by rank: all of them if some tie, or a random sample if they are too many."""

from __future__ import annotations

import itertools
import math
from typing import TypedDict

import torch
from torch import Tensor

from fa_pyg.frames.local_index import LocalIndex

__all__ = ["Orders", "orders"]


class Orders(TypedDict):
    """Fields of permutation frames: :func:`orders`."""

    order: Tensor
    body: Tensor
    weight: Tensor
    exact: Tensor


def orders(rank: Tensor, numbers: LocalIndex, most: int, generator: torch.Generator | None = None) -> Orders:
    """Return the frames of all orders that sort the nodes by rank, with ties in every order.

    Args:
        rank: the number of nodes of the graph before each node, equal for ties.
        numbers: the indices of the nodes within their graphs.
        most: graphs with more orders than this have this many drawn at random.
        generator: for the draws.

    Shapes:
        rank ``[N]``; ``order``, ``body``, ``weight`` and ``exact`` (whether all orders are included) as in
        :class:`~fa_pyg.PermutationFrames`, slot by slot.

    Raises:
        ValueError: for ranks that are not numbers of nodes of the graph.
    """
    if rank.shape != numbers.body.shape or bool(((rank < 0) | (rank >= numbers.counts[numbers.body])).any()):
        raise ValueError("rank: expected the number of nodes of the graph before each node, found others")
    by_rank = torch.argsort(numbers.body * len(rank) + rank, stable=True)  # the nodes in one of the orders
    body, start = numbers.body[by_rank], rank[by_rank]
    whole = numbers.start[body] + start  # identifies the class of nodes that tie
    ties = torch.bincount(whole, minlength=len(rank))
    size, member = ties[whole], torch.arange(len(rank), device=rank.device) - whole
    logs = torch.where(member == 0, torch.lgamma(size.double() + 1), 0.0)
    total = torch.zeros(len(numbers.counts), dtype=torch.double, device=rank.device).index_add_(0, body, logs)
    exact = total < math.log(most + 0.5)
    count = torch.where(exact, total.exp().round(), most).long()
    # Frames slot by slot: their graph, and the index of the order among those of the graph.
    graph = torch.arange(len(count), device=rank.device).repeat_interleave(count)
    slot = torch.arange(len(graph), device=rank.device) - (count.cumsum(0) - count)[graph]
    by_slot = torch.argsort(slot, stable=True)
    graph, slot = graph[by_slot], slot[by_slot]
    # One row per node and frame.
    length = numbers.counts[graph]
    frame = torch.arange(len(graph), device=rank.device).repeat_interleave(length)
    first = length.cumsum(0) - length
    at = numbers.start[graph][frame] + torch.arange(len(frame), device=rank.device) - first[frame]
    place = first[frame] + start[at] + member[at]
    few = exact[body][at].nonzero().squeeze(1)
    stride = _strides(logs, body, numbers, exact)[whole[at[few]]]
    number = torch.div(slot[frame[few]], stride, rounding_mode="floor")
    place[few] += _nth(number, size[at[few]], member[at[few]], most) - member[at[few]]
    many = (~exact[body][at]).nonzero().squeeze(1)
    place[many] = _shuffled(place[many], (place - member[at])[many], generator)
    order = torch.empty_like(place)
    order[place] = numbers.local[by_rank][at]
    return {"order": order, "body": graph, "weight": 1 / count.double()[graph], "exact": exact}


def _strides(logs: Tensor, body: Tensor, numbers: LocalIndex, exact: Tensor) -> Tensor:
    """The number of orders of the nodes before each node at the start of a class, if there are few."""
    logs = torch.where(exact[body], logs, 0.0)  # so that the sum stays small, and with it the rounding
    before = logs.cumsum(0) - logs
    first = numbers.start.clamp(max=max(len(logs) - 1, 0))[body]
    return (before - before[first]).exp().round().long()


def _nth(number: Tensor, size: Tensor, member: Tensor, most: int) -> Tensor:
    """The position of a member of a class in the permutation of given index of the class."""
    sizes = list(itertools.takewhile(lambda n: math.factorial(n) <= most, itertools.count(1)))
    table = [torch.tensor(list(itertools.permutations(range(n)))).flatten() for n in sizes]
    begin = torch.tensor([0, 0, *(len(part) for part in table)]).cumsum(0).to(size.device)
    factorial = torch.tensor([1, *(math.factorial(n) for n in sizes)], device=size.device)
    row = number % factorial[size]
    return torch.cat(table).to(size.device)[begin[size] + row * size + member]


def _shuffled(place: Tensor, group: Tensor, generator: torch.Generator | None) -> Tensor:
    """The positions of every group, randomly permuted among its members."""
    where = generator.device if generator is not None else place.device
    key = torch.rand(len(place), generator=generator, device=where, dtype=torch.double).to(place.device)
    by_key = torch.argsort(key)
    by_group = by_key[torch.argsort(group[by_key], stable=True)]
    return torch.empty_like(place).scatter_(0, by_group, place[torch.argsort(group, stable=True)])
