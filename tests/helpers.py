"""Networks and graphs that tests share: ``from helpers import CoordinateMLP, EnergyMLP, relabeled``, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import global_add_pool

__all__ = ["CoordinateMLP", "EnergyMLP", "mlp_by_hand", "particles", "relabeled", "traces_frames"]

traces_frames = pytest.mark.skipif(
    torch.__version__ < "2.13", reason=f"torch 2.13 or newer traces all frames, found {torch.__version__}"
)


class CoordinateMLP(nn.Module):
    """MLP on the coordinates of each node, ``[N, dim]`` to ``[N, out]``, in float64: *not* equivariant."""

    def __init__(
        self,
        dim: int = 3,
        out: int = 3,
        hidden: int = 16,
        act: Callable[[], nn.Module] = nn.SiLU,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(nn.Linear(dim, hidden), act(), nn.Linear(hidden, out)).double()

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.layers(pos)


class EnergyMLP(CoordinateMLP):
    """Sum of :class:`CoordinateMLP` over nodes and outputs: an energy per graph, ``[B]``, *not* invariant."""

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        batch = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
        return global_add_pool(self.layers(pos).sum(1), batch)


def mlp_by_hand(network: nn.Module, x: Tensor, ends_in_silu: bool = False) -> Tensor:
    """Apply the linear maps of a network to one row, with x sigmoid(x) between them, whatever else it has."""
    maps = [part for part in network.modules() if isinstance(part, nn.Linear)]
    for index, part in enumerate(maps, 1):
        x = part.weight @ x + (0.0 if part.bias is None else part.bias)
        x = x * x.sigmoid() if index < len(maps) or ends_in_silu else x
    return x


def particles(
    dim: int = 3, sizes: Sequence[int] = (5, 5, 3, 1, 6), dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Arguments of n-body models for systems of these sizes, with charges of both signs."""
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    same = batch[:, None] == batch[None, :]
    edge_index = (same & ~torch.eye(len(batch), dtype=torch.bool)).nonzero().T
    pos, vel = torch.randn(2, len(batch), dim, dtype=dtype)
    charge = torch.randn(len(batch), 1, dtype=dtype).sign()
    edge_attr = charge[edge_index[0]] * charge[edge_index[1]]
    return {
        "pos": pos,
        "vel": vel,
        "charge": charge,
        "edge_index": edge_index,
        "edge_attr": edge_attr,
        "batch": batch,
    }


def relabeled(data: Data, order: Tensor | None = None) -> Data:
    """A graph with its nodes in another order (default random), and its edges in a random one."""
    order = torch.randperm(data.num_nodes) if order is None else order
    mix = torch.randperm(data.num_edges)
    moved = Data(x=data.x[order], edge_index=torch.argsort(order)[data.edge_index][:, mix])
    if "edge_attr" in data:
        moved.edge_attr = data.edge_attr[mix]
    return moved
