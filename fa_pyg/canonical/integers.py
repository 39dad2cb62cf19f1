"""Vectorized integer tools: ranks, ragged ranges, hashes, union of sets."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["flatnonzero", "hash_rows", "lexsort", "ragged_arange", "ranks", "run_starts", "sum_by", "union"]

FACTORS = (0x1B873593CC9E2D51, 0x27D4EB2F165667C5, 0x3C6EF372FE94F82B)  # odd, arbitrary


def hash_rows(number: Tensor, *others: Tensor) -> Tensor:
    """A hash of each row of up to three columns of int64; sums of hashes wrap, the same in any order."""
    x = number * FACTORS[0] + 0x165667B19E3779F9
    for other, factor in zip(others, FACTORS[1:], strict=False):
        x.add_(other, alpha=factor)
    x = (x ^ (x >> 32)).mul_(0x2545F4914F6CDD1D)
    x = (x ^ (x >> 29)).mul_(0x369DEA0F31A53F85)
    return x ^ (x >> 32)


def sum_by(index: Tensor, value: Tensor, size: int) -> Tensor:
    """Sum the integers that share an index."""
    return value.new_zeros(size).index_add_(0, index, value)


def lexsort(*keys: Tensor) -> Tensor:
    """The stable order of the rows of some columns; the first column counts most."""
    order = keys[-1].argsort(stable=True)
    for key in reversed(keys[:-1]):
        order = order[key[order].argsort(stable=True)]
    return order


def run_starts(*sorted_keys: Tensor) -> Tensor:
    """Mark the rows that differ from the previous row, and the first row."""
    head = torch.ones_like(sorted_keys[0], dtype=torch.bool)
    head[1:] = False
    for key in sorted_keys:
        head[1:] |= key[1:] != key[:-1]
    return head


def ranks(*keys: Tensor) -> Tensor:
    """The rank of each row among the different rows: 0, 1, 2, ... without gaps."""
    order = lexsort(*keys)
    return torch.empty_like(order).scatter_(0, order, run_starts(*(key[order] for key in keys)).cumsum(0) - 1)


def ragged_arange(first: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The ranges first, ..., first + count - 1 of all rows, concatenated, and the row of each number."""
    row = torch.repeat_interleave(count)
    return torch.arange(len(row)) + (first - count.cumsum(0) + count)[row], row


def flatnonzero(mask: Tensor) -> Tensor:
    """The indices where a mask holds."""
    return mask.nonzero().view(-1)


def union(label: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Union of the sets of a[i] and b[i], for all i; ``label`` is the smallest member of an element's set."""
    while True:
        low, high = label[a], label[b]
        differ = flatnonzero(low != high)
        if not len(differ):
            return label
        a, b, low, high = a[differ], b[differ], low[differ], high[differ]
        low, high = torch.minimum(low, high), torch.maximum(low, high)
        label = label.scatter_reduce(0, high, low, "amin")
        while not torch.equal(shorter := label[label], label):
            label = shorter
