"""Points sorted by graph, from unsorted positions and batch vectors, checked."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks

__all__ = ["Points", "by_graph", "checked", "directions", "in_range", "numbered"]

# Squares of coordinates between these, and of small fractions of them, neither overflow nor underflow.
RANGE = {torch.float32: (1e-12, 1e18), torch.float64: (1e-145, 1e150)}


class Points(NamedTuple):
    """Finite points sorted by graph: ``axes [d, N]``, ``batch [N]``, ``ptr [B + 1]``."""

    axes: Tensor
    batch: Tensor
    ptr: Tensor

    @property
    def size(self) -> Tensor:
        return self.ptr.diff()

    def select(self, index: Tensor) -> Points:
        """Return the points of an ascending index."""
        batch = self.batch[index]
        graphs = torch.arange(self.ptr.numel(), device=batch.device)
        return Points(self.axes[:, index], batch, torch.searchsorted(batch, graphs))


def checked(x: Tensor, batch: Tensor | None, name: str, batch_name: str) -> tuple[Tensor, Tensor]:
    """Return positions ``[N, d]`` in single or double precision, and the graph of each, ``[N]``.

    Raises:
        ValueError: naming the argument, for wrong types and shapes.
    """
    checks.instance(name, x, Tensor, "a tensor")
    checks.instance(batch_name, batch, Tensor, "a tensor", optional=True)
    if x.layout != torch.strided:
        raise ValueError(f"{name}: expected a dense tensor [N, d] or [N], found {x.layout}")
    x = x.detach().unsqueeze(1) if x.dim() == 1 else x.detach()
    if x.dim() != 2 or x.is_complex():
        raise ValueError(f"{name}: expected a real tensor [N, d] or [N], found {list(x.shape)} {x.dtype}")
    if batch is None:
        batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
    if batch.shape != x.shape[:1] or batch.is_floating_point() or batch.dtype == torch.bool:
        raise ValueError(
            f"{batch_name}: expected an integer tensor [{x.size(0)}], an entry per node of {name}, "
            f"found {list(batch.shape)} {batch.dtype}"
        )
    if x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32 if x.is_floating_point() else torch.float64)
    return x, batch.to(x.device, torch.long)


def directions(x: Tensor) -> Tensor:
    """Normalize vectors: squared distances are 2 (1 - cos). Zero vectors lie on an additional axis."""
    zero = (x == 0).all(dim=1, keepdim=True)
    x = x / x.abs().amax(dim=1, keepdim=True).masked_fill(zero, 1)  # squares might overflow
    return torch.cat([x / x.norm(dim=1, keepdim=True).masked_fill(zero, 1), zero.to(x)], dim=1)


def in_range(x: Tensor, y: Tensor, r: float | None) -> tuple[Tensor, Tensor]:
    """Return positions whose squared differences neither overflow nor underflow, if needed in float64.

    With a small radius r squares may overflow: these points are further away.

    Raises:
        ValueError: for positions out of the range of float64.
    """
    most = max(float(p.abs().nan_to_num(0, 0, 0).amax()) if p.numel() else 0.0 for p in (x, y))
    low, high = RANGE[x.dtype]
    high = high if r is None or r >= high else math.inf
    if most == 0 or low < most < high:
        return x, y
    if x.dtype == torch.float32:
        wide = x.double()
        return wide, wide if x is y else y.double()
    raise ValueError(f"x: expected the largest coordinate between {low:g} and {high:g}, found {most:g}")


def numbered(batch_x: Tensor, batch_y: Tensor, batch_size: int | None) -> tuple[Tensor, Tensor, int]:
    """Return the graph of each node, and the number of graphs, at least 1.

    If most graphs are empty, the others are renumbered: memory scales with the number of nodes.

    Raises:
        ValueError: for graphs out of range.
    """
    checks.integer("batch_size", batch_size, 0, checks.MOST, optional=True)
    batch = torch.cat([batch_x, batch_y]) if batch_x is not batch_y else batch_x
    least, most = (int(v) for v in batch.aminmax()) if batch.numel() else (0, -1)
    graphs = most + 1 if batch_size is None else batch_size
    if least < 0 or most >= graphs:
        raise ValueError(
            f"batch: expected numbers from 0 to {graphs - 1} (batch_size), found {least} to {most}"
        )
    if graphs > 4 * len(batch) + 1000:
        found, batch = batch.unique(return_inverse=True)
        batch_x, batch_y = batch[: len(batch_x)], batch[-len(batch_y) :] if len(batch_y) else batch_y
        graphs = len(found)
    return batch_x, batch_y, max(graphs, 1)


def by_graph(x: Tensor, batch: Tensor, graphs: int) -> tuple[Points, Tensor]:
    """Sort the finite points by graph, and return their indices."""
    node = x.isfinite().all(dim=1).nonzero().view(-1)
    node = node[batch[node].argsort(stable=True)]
    batch = batch[node]
    ptr = torch.searchsorted(batch, torch.arange(graphs + 1, device=x.device))
    return Points(x[node].t().contiguous(), batch, ptr), node
