"""Which pairs of graphs a model does not tell apart, from its outputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fa_pyg import checks

__all__ = ["pairs_not_told_apart"]

BLOCK = 1 << 22  # pairs looked at together


def pairs_not_told_apart(
    outputs: Tensor | Sequence[Tensor], pairs: Tensor | None = None, threshold: float = 1e-3
) -> Tensor:
    r"""Returns the pairs of graphs whose outputs are near each other for every initialisation of a model, the
    count of "Breaking the Limits of Message Passing Graph Neural Networks" (Balcilar et al. 2021).

    .. math:: \{ (i, j) : \| y^{(m)}_i - y^{(m)}_j \|_1 \le \epsilon \text{ for all } m \}

    Distances are computed for the first m block by block, and for the others of the pairs that are left, so
    that memory follows the number of these and not that of all pairs.

    Args:
        outputs: y, one tensor an initialisation, of the same graphs.
        pairs: the pairs to look at; default all, i < j.
        threshold: epsilon; published: 1e-3, with 100 initialisations and 10 outputs in [-1, 1].

    Shapes:
        outputs ``[M, G, C]`` (or M times ``[G, C]``), pairs ``[P, 2]``; returns ``[Q, 2]`` in their order.

    Raises:
        ValueError: for outputs of different shapes or that are not finite, no outputs, or wrong pairs.

    Not guaranteed: that two graphs told apart are different. A model that draws random numbers tells a graph
    from itself: see :func:`~fa_pyg.testing.separation`, which measures that.
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
    """The pairs of these rows with later ones."""
    first = rows.start
    distance = torch.cdist(y[first : rows.stop], y[first:], p=1)
    return (distance <= threshold).triu(1).nonzero() + first


def _filtered(outputs: Sequence[Tensor], pairs: Tensor, threshold: float) -> Tensor:
    for y in outputs:
        if not len(pairs):
            break
        parts = pairs.split(BLOCK)
        near = [(y[one[:, 0]] - y[one[:, 1]]).abs().sum(1) <= threshold for one in parts]
        pairs = pairs[torch.cat(near)]
    return pairs


def _check(outputs: list[Tensor], pairs: Tensor | None, threshold: float) -> None:
    if not outputs:
        raise ValueError("outputs: expected one tensor an initialisation, found none")
    for m, y in enumerate(outputs):
        if y.dim() != 2 or y.shape != outputs[0].shape:
            expected = f"[G, C] as the first, {list(outputs[0].shape)}"
            raise ValueError(f"outputs[{m}]: expected {expected}, found {list(y.shape)}")
        if not y.isfinite().all():
            raise ValueError(f"outputs[{m}]: expected finite numbers, found {y[~y.isfinite()][0].item()}")
    checks.number("threshold", threshold, 0)
    check_pairs(pairs, len(outputs[0]))


def check_pairs(pairs: Tensor | None, size: int) -> None:
    """Raises ValueError unless these are pairs ``[P, 2]`` of so many graphs, or None."""
    checks.instance("pairs", pairs, Tensor, "a tensor", optional=True)
    if pairs is not None and (pairs.dim() != 2 or pairs.size(1) != 2 or pairs.dtype != torch.long):
        raise ValueError(f"pairs: expected int64 [P, 2], found {pairs.dtype} {list(pairs.shape)}")
    if pairs is not None and pairs.numel():
        low, high = int(pairs.min()), int(pairs.max())
        if low < 0 or high >= size:
            raise ValueError(f"pairs: expected graphs from 0 to {size - 1}, found {low} to {high}")
