"""All orders of the nodes that sort them, where some tie; or some of them, drawn, where they are too many."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from fa_pyg.frames.local_index import LocalIndex

__all__ = ["orders"]


def orders(
    rank: Tensor, numbers: LocalIndex, most: int, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return the frames of nodes sorted by rank: those that tie take their places in every order.

    Args:
        rank: where each node stands in its graph: how many nodes of the graph are before it, equal for ties.
        numbers: of the nodes within their graphs.
        most: graphs with more orders than this have so many drawn at random instead.
        generator: of the draws.

    Shapes:
        rank ``[N]``; ``order``, ``body``, ``weight`` and ``exact`` (where all orders are there) as in
        :class:`~fa_pyg.PermutationFrames`, slot by slot.
    """
    if rank.shape != numbers.body.shape or bool(((rank < 0) | (rank >= numbers.counts[numbers.body])).any()):
        raise ValueError("rank: expected for each node how many nodes of its graph come before it")
    by_rank = torch.argsort(numbers.body * len(rank) + rank, stable=True)  # the nodes in one of the orders
    body, start = numbers.body[by_rank], rank[by_rank]
    whole = numbers.start[body] + start  # names the class of nodes that tie
    ties = torch.bincount(whole, minlength=len(rank))
    size, member = ties[whole], torch.arange(len(rank), device=rank.device) - whole
    logs = torch.where(member == 0, torch.lgamma(size.double() + 1), 0.0)
    total = torch.zeros(len(numbers.counts), dtype=torch.double, device=rank.device).index_add_(0, body, logs)
    exact = total < math.log(most + 0.5)
    count = torch.where(exact, total.exp().round(), most).long()
    # Frames slot by slot, and which of its graph's orders each is.
    graph = torch.arange(len(count), device=rank.device).repeat_interleave(count)
    slot = torch.arange(len(graph), device=rank.device) - (count.cumsum(0) - count)[graph]
    by_slot = torch.argsort(slot, stable=True)
    graph, slot = graph[by_slot], slot[by_slot]
    # One row for each node in each frame.
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
    """In how many orders the nodes before each can be, where a class begins; of graphs with few orders."""
    logs = torch.where(exact[body], logs, 0.0)  # the sum stays small, and its rounding
    before = logs.cumsum(0) - logs
    first = numbers.start.clamp(max=max(len(logs) - 1, 0))[body]
    return (before - before[first]).exp().round().long()


def _nth(number: Tensor, size: Tensor, member: Tensor, most: int) -> Tensor:
    """The place of a member of a class of a size in the numbered one of its permutations."""
    sizes = list(itertools.takewhile(lambda n: math.factorial(n) <= most, itertools.count(1)))
    table = [torch.tensor(list(itertools.permutations(range(n)))).flatten() for n in sizes]
    begin = torch.tensor([0, 0, *(len(part) for part in table)]).cumsum(0).to(size.device)
    factorial = torch.tensor([1, *(math.factorial(n) for n in sizes)], device=size.device)
    row = number % factorial[size]
    return torch.cat(table).to(size.device)[begin[size] + row * size + member]


def _shuffled(place: Tensor, group: Tensor, generator: torch.Generator | None) -> Tensor:
    """The places of every group, ascending, dealt out at random among its members."""
    where = generator.device if generator is not None else place.device
    key = torch.rand(len(place), generator=generator, device=where, dtype=torch.double).to(place.device)
    by_key = torch.argsort(key)
    by_group = by_key[torch.argsort(group[by_key], stable=True)]
    return torch.empty_like(place).scatter_(0, by_group, place[torch.argsort(group, stable=True)])
