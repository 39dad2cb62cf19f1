"""Points by graph, from positions and batch vectors as users have them."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks

# Between these the largest coordinate has a square, and so have small parts of it.
RANGE = {torch.float32: (1e-12, 1e18), torch.float64: (1e-145, 1e150)}


class Points(NamedTuple):
    """Finite points by graph: `axes` [d, N] (one row an axis), `batch` [N] ascending, `ptr` [B + 1]."""

    axes: Tensor
    batch: Tensor
    ptr: Tensor

    @property
    def size(self) -> Tensor:
        return self.ptr.diff()

    def select(self, index: Tensor) -> "Points":
        """Some of the points, by an ascending index."""
        batch = self.batch[index]
        graphs = torch.arange(self.ptr.numel(), device=batch.device)
        return Points(self.axes[:, index], batch, torch.searchsorted(batch, graphs))


def checked(x: Tensor, batch: Tensor | None, name: str, batch_name: str) -> tuple[Tensor, Tensor]:
    """Positions [N, d] in single or double precision, and the graph [N] of each."""
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
            f"{batch_name}: expected an integer tensor [{x.size(0)}], one entry a node of {name}, "
            f"found {list(batch.shape)} {batch.dtype}"
        )
    if x.dtype not in (torch.float32, torch.float64):
        x = x.to(torch.float32 if x.is_floating_point() else torch.float64)
    return x, batch.to(x.device, torch.long)


def directions(x: Tensor) -> Tensor:
    """Unit vectors, whose squared distance is 2 (1 - cos); the last axis is that of the zero vectors."""
    zero = (x == 0).all(dim=1, keepdim=True)
    x = x / x.abs().amax(dim=1, keepdim=True).masked_fill(zero, 1)  # first, or squares might overflow
    return torch.cat([x / x.norm(dim=1, keepdim=True).masked_fill(zero, 1), zero.to(x)], dim=1)


def in_range(x: Tensor, y: Tensor, r: float | None) -> tuple[Tensor, Tensor]:
    """Positions whose squared differences neither overflow nor vanish, in double precision where need be.

    Squares that overflow do no harm below a small radius r: they are those of points further away.

    Raises ValueError for positions that double precision has no squares of.
    """
    most = max(float(one.abs().nan_to_num(0, 0, 0).amax()) if one.numel() else 0.0 for one in (x, y))
    low, high = RANGE[x.dtype]
    high = high if r is None or r >= high else math.inf
    if most == 0 or low < most < high:
        return x, y
    if x.dtype == torch.float32:
        wide = x.double()
        return wide, wide if x is y else y.double()
    raise ValueError(f"x must have its largest coordinate between {low:g} and {high:g}, got {most:g}")


def numbered(batch_x: Tensor, batch_y: Tensor, batch_size: int | None) -> tuple[Tensor, Tensor, int]:
    """The graph of each node, and the number of graphs, at least 1.

    Where most graphs are empty they are numbered anew, those with nodes only: memory is that of the nodes.
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
    """The finite points sorted by graph, and their indices."""
    node = x.isfinite().all(dim=1).nonzero().view(-1)
    node = node[batch[node].argsort(stable=True)]
    batch = batch[node]
    ptr = torch.searchsorted(batch, torch.arange(graphs + 1, device=x.device))
    return Points(x[node].t().contiguous(), batch, ptr), node
