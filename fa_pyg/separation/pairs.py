"""Pairs of graphs that a model does not distinguish, from its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fa_pyg import checks

__all__ = ["check_pairs", "pairs_not_told_apart"]

BLOCK = 1 << 22  # pairs compared at once


def pairs_not_told_apart(
    outputs: Tensor | Sequence[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3
) -> Tensor:
    r"""Find pairs of graphs whose outputs are close for every initialization of a model.

    Their number is the figure of "Breaking the Limits of Message Passing Graph Neural Networks" (Balcilar et
    al. 2021).

    .. math:: \{ (i, j) : \| y^{(m)}_i - y^{(m)}_j \|_1 \le \epsilon \text{ for all } m \}

    Distances are computed in blocks for the first m, and then for the remaining pairs, so that memory scales
    with the number of these and not of all pairs.

    Args:
        outputs: y, a tensor per initialization, for the same graphs.
        pairs: the pairs to compare; default all, i < j.
        threshold: epsilon; published: 1e-3, with 100 initializations and 10 outputs in [-1, 1].

    Shapes:
        outputs ``[M, G, C]`` (or M times ``[G, C]``), pairs ``[P, 2]``; returns ``[Q, 2]`` in their order.

    Raises:
        ValueError: for outputs of different shapes or that are not finite, no outputs, or wrong pairs.

    Not guaranteed: that distinguished graphs are different. A model that draws random numbers distinguishes
    a graph from itself, which :func:`~fa_pyg.separation.separation` measures.
    """
    checks.instance("outputs", outputs, (Tensor, Sequence), "tensors [G, C]")
    outputs = list(outputs)
    for y in outputs:
        checks.instance("outputs", y, Tensor, "tensors [G, C]")
    _check(outputs, pairs, threshold)
    if pairs is not None:
        return _filtered(outputs, pairs, threshold)
    size = len(outputs[0])
    step = max(1, BLOCK // max(size, 1))
    blocks = (range(first, min(first + step, size)) for first in range(0, size, step))
    found = [_filtered(outputs[1:], _near(outputs[0], rows, threshold), threshold) for rows in blocks]
    return torch.cat([torch.zeros(0, 2, dtype=torch.long, device=outputs[0].device), *found])


def _near(y: Tensor, rows: range, threshold: float) -> Tensor:
    """Close pairs of these rows with later ones."""
    first = rows.start
    distance = torch.cdist(y[first : rows.stop], y[first:], p=1)
    return (distance <= threshold).triu(1).nonzero() + first


def _filtered(outputs: Sequence[Tensor], pairs: Tensor, threshold: float) -> Tensor:
    for y in outputs:
        if not len(pairs):
            break
        parts = pairs.split(BLOCK)
        near = [(y[part[:, 0]] - y[part[:, 1]]).abs().sum(1) <= threshold for part in parts]
        pairs = pairs[torch.cat(near)]
    return pairs


def _check(outputs: list[Tensor], pairs: Tensor | None, threshold: float) -> None:
    if not outputs:
        raise ValueError("outputs: expected a tensor per initialization, found none")
    for m, y in enumerate(outputs):
        if y.dim() != 2 or y.shape != outputs[0].shape:
            expected = f"[G, C] as the first, {list(outputs[0].shape)}"
            raise ValueError(f"outputs[{m}]: expected {expected}, found {list(y.shape)}")
        if not y.isfinite().all():
            raise ValueError(f"outputs[{m}]: expected finite numbers, found {y[~y.isfinite()][0].item()}")
    checks.number("threshold", threshold, 0)
    check_pairs(pairs, len(outputs[0]))


def check_pairs(pairs: Tensor | None, size: int) -> None:
    """Check that these are pairs ``[P, 2]`` of ``size`` graphs, or None.

    Raises:
        ValueError: for a wrong type or shape, and graphs out of range.
    """
    checks.instance("pairs", pairs, Tensor, "a tensor", optional=True)
    if pairs is not None and (pairs.dim() != 2 or pairs.size(1) != 2 or pairs.dtype != torch.long):
        raise ValueError(f"pairs: expected int64 [P, 2], found {pairs.dtype} {list(pairs.shape)}")
    if pairs is not None and pairs.numel():
        low, high = int(pairs.min()), int(pairs.max())
        if low < 0 or high >= size:
            raise ValueError(f"pairs: expected graphs from 0 to {size - 1}, found {low} to {high}")
