"""Radius graphs and k-nearest-neighbor graphs in plain PyTorch.

With the signatures of :mod:`torch_geometric.nn`, which needs a compiled library for them, on any device of
PyTorch. Compiled libraries are not used even if installed: torch_cluster was about as fast on a CPU, and it
keeps other neighbors if ``max_num_neighbors`` or equal distances leave a choice.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.neighbors.points import by_graph, checked, directions, in_range, numbered
from fa_pyg.neighbors.search import search

__all__ = ["RadiusInteractionGraph", "find_pairs", "knn", "knn_graph", "radius", "radius_graph"]


def radius_graph(
    x: Tensor,
    r: float,
    batch: Tensor | None = None,
    loop: bool = False,
    max_num_neighbors: int | None = 32,
    flow: str = "source_to_target",
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    r"""Build the radius graph of each point cloud: edges between points closer than ``r``.

    .. math:: E = \{(j, i) : \sum_a (x_{ja} - x_{ia})^2 < r^2\}

    The inequality is strict, as in torch_cluster and pyg-lib: points at a distance of exactly r are not
    connected. Squares are compared in the precision of ``x`` (half precision in float32, integers in
    float64).

    Args:
        x: positions; nodes with a NaN or infinite coordinate have no edges.
        r: cutoff in the unit of ``x``, may be infinite.
        batch: the graph of each node, in any order.
        loop: add self-loops, which count in ``max_num_neighbors``.
        max_num_neighbors: keep the nearest so many neighbors of each node, of equally distant ones those of
            lower index; None for all. The graph may then be directed, and energies are discontinuous.
        flow: ``"source_to_target"`` for neighbors in the first row, ``"target_to_source"`` in the second.
        num_workers: ignored.
        batch_size: the number of graphs; default from ``batch``.

    Shapes: ``x [N, d]`` or ``[N]``, ``batch [N]``; returns ``[2, E]``, int64, sorted by node, then by
    neighbor.

    Raises:
        ValueError: for wrong shapes, types or values, and more than 5e8 edges.

    Memory is bounded by a few times the result, plus some hundred bytes per node and some tens of megabytes.
    Time scales with N if d <= 3 and r is small compared with the extent of the cloud (or few neighbors are
    kept), and with N^2 otherwise. Edges have no gradients.

    Not guaranteed: the same graph for a rotated cloud if a distance equals r up to rounding, or a limit
    leaves a choice between equal distances.
    """
    row, col = find_pairs(x, None, batch, None, max_num_neighbors, _radius(r), bool(loop), batch_size)
    return _flow(row, col, flow)


def knn_graph(
    x: Tensor,
    k: int,
    batch: Tensor | None = None,
    loop: bool = False,
    flow: str = "source_to_target",
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Build the exact k-nearest-neighbor graph of each point cloud.

    Nodes of graphs with fewer than k other points are connected to all of them. Of points at the k-th
    distance, those of lower index are kept. Coincident points are neighbors like any others.

    Args:
        x: positions or features; nodes with an entry that is NaN or infinite have no edges.
        k: the number of neighbors.
        batch: the graph of each node, in any order.
        loop: count the node itself as its nearest neighbor.
        flow: ``"source_to_target"`` for neighbors in the first row, ``"target_to_source"`` in the second.
        cosine: compare by 1 - cos of the angle between vectors; zero vectors are orthogonal to all others.
        num_workers: ignored.
        batch_size: the number of graphs; default from ``batch``.

    Shapes: ``x [N, d]`` or ``[N]``, ``batch [N]``; returns ``[2, E]``, int64, sorted by node, then by
    distance.

    Raises:
        ValueError: for wrong shapes, types or values.

    Memory, time and what is not guaranteed are as for :func:`radius_graph`. Squared distances are compared:
    in float32, differences 1e22 times smaller than the largest coordinate underflow.
    """
    row, col = find_pairs(x, None, batch, None, k, None, bool(loop), batch_size, cosine)
    return _flow(row, col, flow)


def radius(
    x: Tensor,
    y: Tensor,
    r: float,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    max_num_neighbors: int | None = 32,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Find the points of ``x`` closer than ``r`` to each point of ``y``, within each graph.

    Shapes: ``x [N, d]``, ``y [M, d]``; returns ``[2, E]``, indices in ``y`` in the first row, in ``x`` in the
    second. Otherwise as :func:`radius_graph`.

    Raises:
        ValueError: for wrong shapes, types or values, and more than 5e8 edges.
    """
    checks.instance("y", y, Tensor, "a tensor")
    return torch.stack(find_pairs(x, y, batch_x, batch_y, max_num_neighbors, _radius(r), None, batch_size))


def knn(
    x: Tensor,
    y: Tensor,
    k: int,
    batch_x: Tensor | None = None,
    batch_y: Tensor | None = None,
    cosine: bool = False,
    num_workers: int = 1,
    batch_size: int | None = None,
) -> Tensor:
    """Find the k points of ``x`` nearest to each point of ``y``, within each graph, nearest first.

    Shapes: ``x [N, d]``, ``y [M, d]``; returns ``[2, E]``, indices in ``y`` in the first row, in ``x`` in the
    second. Otherwise as :func:`knn_graph`.

    Raises:
        ValueError: for wrong shapes, types or values.
    """
    checks.instance("y", y, Tensor, "a tensor")
    return torch.stack(find_pairs(x, y, batch_x, batch_y, k, None, None, batch_size, cosine))


class RadiusInteractionGraph(torch.nn.Module):
    r"""Radius graph with the lengths of its edges: an interaction graph for PyG's SchNet.

    .. math:: E = \{(j, i) : d_{ij} < r_c\}, \qquad d_{ij} = |x_j - x_i|

    With this module PyG's SchNet runs without a compiled library (both cutoffs must be equal)::

        model = SchNet(cutoff=10.0, interaction_graph=RadiusInteractionGraph(cutoff=10.0))

    Lengths are infinitely differentiable in ``pos``, so that forces and training on forces work; derivatives
    between coincident nodes are 0.

    Args:
        cutoff: in the unit of ``pos``.
        max_num_neighbors: as in :func:`radius_graph`; the energy is continuous for None, not for 32.

    Shapes: ``pos [N, d]``, ``batch [N]`` or None; returns ``edge_index [2, E]`` and ``edge_weight [E]``.
    """

    def __init__(self, cutoff: float = 10.0, max_num_neighbors: int | None = 32) -> None:
        super().__init__()
        self.cutoff = checks.number("cutoff", cutoff, above=0)
        checks.integer("max_num_neighbors", max_num_neighbors, 0, optional=True)
        self.max_num_neighbors = max_num_neighbors

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        edge_index = radius_graph(pos, self.cutoff, batch, max_num_neighbors=self.max_num_neighbors)
        return edge_index, _length(pos[edge_index[0]] - pos[edge_index[1]])

    def extra_repr(self) -> str:
        return f"cutoff={self.cutoff}, max_num_neighbors={self.max_num_neighbors}"


def _length(vector: Tensor) -> Tensor:
    square = vector.square().sum(dim=-1)
    zero = square == 0  # the square root has no derivative at 0, and 0 * inf would be NaN
    return square.masked_fill(zero, 1).sqrt().masked_fill(zero, 0)


def _flow(row: Tensor, col: Tensor, flow: str) -> Tensor:
    checks.one_of("flow", flow, ("source_to_target", "target_to_source"))
    return torch.stack([col, row] if flow == "source_to_target" else [row, col])


@torch.no_grad()
def find_pairs(
    x: Tensor,
    y: Tensor | None,
    batch_x: Tensor | None,
    batch_y: Tensor | None,
    k: int | None,
    r: float | None,
    loop: bool | None,
    batch_size: int | None = None,
    cosine: bool = False,
) -> tuple[Tensor, Tensor]:
    """Find pairs of nodes (in y, or in x if y is None) and neighbors (in x).

    With ``r=None`` the k nearest at any distance, nearest first; ``loop=None`` for two sets of points.

    Raises:
        ValueError: for wrong shapes, types or values.
    """
    k = _limit(k, r)
    x, batch_x = checked(x, batch_x, "x", "batch" if y is None else "batch_x")
    y, batch_y = (x, batch_x) if y is None else checked(y, batch_y, "y", "batch_y")
    if y.size(1) != x.size(1) or y.device != x.device or y.dtype != x.dtype:
        raise ValueError(
            "x, y: expected the same dimension, device and dtype, found "
            f"{list(x.shape)} {x.dtype} on {x.device} and {list(y.shape)} {y.dtype} on {y.device}"
        )
    if cosine:
        x, y = directions(x), directions(y)
        if not (x[:, -1].any() or y[:, -1].any()):  # no zero vectors
            x, y = x[:, :-1], y[:, :-1]
    batch_x, batch_y, graphs = numbered(batch_x, batch_y, batch_size)
    x, y = in_range(x, y, r)
    points, node_x = by_graph(x, batch_x, graphs)
    queries, node_y = (points, node_x) if loop is not None else by_graph(y, batch_y, graphs)
    if k == 0 or r == 0 or not (points.batch.numel() and queries.batch.numel()):
        return node_x[:0], node_x[:0]
    row, col = search(queries, points, k, math.inf if r is None else r, loop, nearest_first=r is None)
    row, col = node_y[row], node_x[col]
    if (row[1:] < row[:-1]).any():  # the batch was not sorted
        order = row.argsort(stable=True)
        row, col = row[order], col[order]
    return row, col


def _radius(r: float) -> float:
    """Check a radius; None is not allowed, as it would mean a search for the nearest."""
    if isinstance(r, Tensor) and r.dim() == 0 and not r.is_complex() and r.dtype != torch.bool:
        r = r.item()
    if isinstance(r, float) and r == math.inf:
        return r
    return checks.number("r", r, 0)


def _limit(k: int | None, r: float | None) -> int | None:
    """Check the largest number of neighbors of a node, and bound it to what tensors can hold."""
    name = "k" if r is None else "max_num_neighbors"
    k = checks.integer(name, k, 0, checks.MOST, optional=r is not None)
    return None if k is None else min(k, 2**31)
