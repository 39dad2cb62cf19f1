"""Graphs from positions: edges within a radius and to the nearest neighbours, with nothing but PyTorch.

They have the signatures of :mod:`torch_geometric.nn`, whose own versions need a compiled library, and run
wherever PyTorch runs. A compiled library is not used where there is one: torch_cluster was about as fast on a
CPU, and it keeps other neighbours where `max_num_neighbors` or equal distances leave a choice.
"""

import math

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.neighbors.points import by_graph, checked, directions, in_range, numbered
from fa_pyg.neighbors.search import search


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
    r"""Edges between all points of a graph that are closer than `r`.

    .. math:: E = \{(j, i) : \sum_a (x_{ja} - x_{ia})^2 < r^2\}

    The inequality is strict, as in torch_cluster and pyg-lib: a distance of exactly r is no edge, and r = 0
    gives none. Squares are compared in the precision of `x` (half precision in float32, integers in
    float64).

    Args:
        x: positions; a node with a NaN or infinite coordinate gets no edge, the others are unaffected.
        r: cutoff in the unit of `x`, may be infinite.
        batch: the graph of each node, in any order.
        loop: adds an edge from each node to itself, which counts in `max_num_neighbors` and as the nearest.
        max_num_neighbors: keep the nearest so many of each node (of equally far ones those of lower index);
            None keeps all. A cut graph need not be symmetric, and energies jump where the cut changes.
        flow: `"source_to_target"` puts the neighbours in the first row, `"target_to_source"` in the second.
        num_workers: ignored.
        batch_size: the number of graphs, if known.

    Shapes: `x` [N, d] or [N], `batch` [N]; the result is [2, E] in int64, sorted by node, then by neighbour.

    Raises:
        ValueError: if an argument has the wrong shape, type or range.

    Memory is bounded by a few times the result, some hundred bytes a node and some tens of megabytes. Time
    is about proportional to N where d <= 3 and r is small against the extent of the cloud (or few
    neighbours are kept), and quadratic otherwise. Gradients do not flow through edges. Not guaranteed: the
    same graph for a rotated cloud where a distance equals r up to rounding, or a cut leaves a choice
    between equal distances. More than 5e8 edges are refused as soon as they are found.
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
    """Edges from the k nearest other points of its graph to each point, exactly.

    A node of a graph with fewer than k other points gets all of them. Of points as far as the k-th, those
    of lower index are kept. Nodes with coincident points get k edges like any other.

    Args:
        x: positions or features; a node with an entry that is NaN or infinite gets no edge.
        k: the number of neighbours.
        batch: the graph of each node, in any order.
        loop: counts each node as its own nearest neighbour.
        flow: `"source_to_target"` puts the neighbours in the first row, `"target_to_source"` in the second.
        cosine: compares 1 - cos of the angle between vectors; a zero vector is at right angles to all others.
        num_workers: ignored.
        batch_size: the number of graphs, if known.

    Shapes: `x` [N, d] or [N], `batch` [N]; the result is [2, E] in int64, sorted by node, then by distance.

    Raises:
        ValueError: if an argument has the wrong shape, type or range.

    For memory, time and what is not guaranteed see :func:`radius_graph`. Distances are told apart by their
    squares: in float32, differences 1e22 times smaller than the largest coordinate are out of range.
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
    """For each point of `y` the points of `x` in the same graph that are closer than `r`.

    Shapes: `x` [N, d], `y` [M, d]; the result is [2, E], the index in `y` above that in `x`. Otherwise as
    :func:`radius_graph`.
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
    """For each point of `y` the k nearest points of `x` in the same graph, nearest first.

    Shapes: `x` [N, d], `y` [M, d]; the result is [2, E], the index in `y` above that in `x`. Otherwise as
    :func:`knn_graph`.
    """
    checks.instance("y", y, Tensor, "a tensor")
    return torch.stack(find_pairs(x, y, batch_x, batch_y, k, None, None, batch_size, cosine))


class RadiusInteractionGraph(torch.nn.Module):
    r"""The radius graph of positions with the lengths of its edges: an interaction graph for PyG's SchNet.

    .. math:: E = \{(j, i) : d_{ij} < r_c\}, \qquad d_{ij} = |x_j - x_i|

    PyG's SchNet runs without a compiled library when it is given this module (both cutoffs must be equal)::

        model = SchNet(cutoff=10.0, interaction_graph=RadiusInteractionGraph(cutoff=10.0))

    Lengths are differentiable in `pos`, any number of times, so that forces and training on forces work;
    where two nodes coincide the derivative is 0.

    Args:
        cutoff: in the unit of `pos`.
        max_num_neighbors: see :func:`radius_graph`; None, unlike 32, keeps the energy a continuous function.

    Shapes: `pos` [N, d], `batch` [N] or None; the result is `edge_index` [2, E] and `edge_weight` [E].
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
    zero = square == 0  # the square root has no derivative there, and 0 * inf would be NaN
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
    """Node (in y, or in x if y is None) and neighbour (in x).

    With `r` None the k nearest wherever they are, nearest first; `loop` is None for two sets of points.
    """
    k = _limit(k, r)
    x, batch_x = checked(x, batch_x, "x", "batch" if y is None else "batch_x")
    y, batch_y = (x, batch_x) if y is None else checked(y, batch_y, "y", "batch_y")
    if y.size(1) != x.size(1) or y.device != x.device or y.dtype != x.dtype:
        raise ValueError(
            "x and y must agree in dimension, device and dtype, got "
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
    """A radius, which is not left out: without one the nearest are searched."""
    if isinstance(r, Tensor) and r.dim() == 0 and not r.is_complex() and r.dtype != torch.bool:
        r = r.item()
    if isinstance(r, float) and r == math.inf:
        return r
    return checks.number("r", r, 0)


def _limit(k: int | None, r: float | None) -> int | None:
    """The most neighbors of a node, as an integer that tensors can hold."""
    name = "k" if r is None else "max_num_neighbors"
    k = checks.integer(name, k, 0, checks.MOST, optional=r is not None)
    return None if k is None else min(k, 2**31)
