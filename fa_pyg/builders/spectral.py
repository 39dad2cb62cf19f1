"""Spectral frames: node orders by the eigenspaces of the graph Laplacian."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import PermutationFrame
from fa_pyg.builders.graphs import Graphs
from fa_pyg.builders.ties import orders
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.groups import GroupLike
from fa_pyg.typed import eigh, integers, unique, unique_with_inverse

__all__ = ["SpectralFrame"]

_ENTRIES = 1 << 23  # of the matrices in one call of the eigensolver
_NODES = 1 << 13  # of the largest graph: its matrix takes minutes and gigabytes


class SpectralFrame(PermutationFrame):
    r"""Spectral frame: all orders that sort the nodes by Laplacian eigenspaces (Puny et al. 2022, 3.2).

    .. math:: S_{ik} = \| P_k e_i \|, \qquad F(x) = \{ g \in S_n : \rho(g)^{-1} S
              \text{ is sorted lexicographically} \}

    with :math:`P_k` the projection on the k-th eigenspace: :math:`|v_i|` if the eigenvalue is simple. Nodes
    with equal rows tie and appear in every order. Because of rounding, equal numbers are found by grouping:
    eigenvalues, and then the entries of each column, belong to one group if they are nearer than ``tol`` to
    their neighbor in sorted order. Node features come first in the sort; edges with different features have
    different weights in the Laplacian; direction (out- minus in-degree) and self-loops are further columns.

    Args:
        group: ``"S(n)"``.
        tol: eigenvalues (relative to the largest) and coordinates nearer than this are equal.
        max_frames: if ties leave more orders than this, this many are drawn at random.
        generator: for reproducible draws; default the global generator of torch.

    Raises:
        ValueError: for a ``tol`` outside (0, 1), ``max_frames`` that is not a positive integer, and graphs of
            more than 8192 nodes.

    Not guaranteed: invariance where orders are drawn (``frames.exact_for()`` reports it for each graph), or
    where numbers are within rounding of ``tol``. Time grows as the cube of the largest graph.
    """

    def __init__(
        self,
        group: GroupLike = "S(n)",
        tol: float = 1e-6,
        max_frames: int = 120,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(group)
        self.tol = checks.number("tol", tol, above=0, below=1)
        self.max_frames = checks.integer("max_frames", max_frames)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    def build(self, graphs: Graphs) -> PermutationFrames:
        return PermutationFrames.ragged(
            **orders(self.ranks(graphs), graphs.numbers, self.max_frames, self.generator),
            numbers=graphs.numbers,
            edge_index=graphs.edge_index,
            edge_color=graphs.edge_color,
            edge_orbit=graphs.equal_edges,
        )

    def ranks(self, graphs: Graphs) -> Tensor:
        """Return the rank of each node in its graph, equal for ties, ``[N]``."""
        numbers = graphs.numbers
        rank = torch.zeros_like(graphs.batch)
        # By size classes: graphs are padded to the largest of their class, not of the batch.
        size_class = torch.ceil(torch.log2(numbers.counts.clamp(min=1).double())).long()
        for exponent in integers(unique(size_class)):
            members = (size_class == exponent).nonzero().squeeze(1)
            for part in torch.split(members, max(1, _ENTRIES // 4**exponent)):
                _ranks_of(graphs, part, self.tol, rank)
        return rank

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, tol={self.tol:g}, max_frames={self.max_frames}"


def _ranks_of(graphs: Graphs, part: Tensor, tol: float, rank: Tensor) -> None:
    """Write the ranks of the nodes of some graphs."""
    numbers = graphs.numbers
    place = torch.full_like(numbers.counts, -1)
    place[part] = torch.arange(len(part), device=part.device)
    node = (place[graphs.batch] >= 0).nonzero().squeeze(1)
    at = (place[graphs.batch[node]], numbers.local[node])
    n = int(numbers.counts[part].max())
    if not n:
        return
    if n > _NODES:
        raise ValueError(
            f"SpectralFrame: expected graphs of at most {_NODES} nodes, since it decomposes dense matrices, "
            f"found {n}: use CanonicalFrame()"
        )
    real = torch.zeros(len(part), n, dtype=torch.bool, device=part.device)
    real[at] = True
    weight = _weights(graphs, place, n)
    color = torch.zeros_like(real, dtype=torch.double)
    if graphs.node_color is not None:
        color[at] = graphs.node_color[node].double()
    columns = torch.cat([color.unsqueeze(-1), _asymmetry(weight), _coordinates(weight, real, tol)], -1)
    rank[node] = _lexicographic(columns, real, tol)[at]


def _weights(graphs: Graphs, place: Tensor, n: int) -> Tensor:
    """The weighted adjacency matrices ``[b, n, n]``: 1, 2, ... for edges of the first, second, ... color."""
    numbers, edges = graphs.numbers, graphs.edge_numbers
    edge = (place[edges.body] >= 0).nonzero().squeeze(1)
    tail, head = numbers.local[graphs.edge_index[:, edge]]
    weight = torch.ones(len(edge), dtype=torch.double, device=edge.device)
    if graphs.edge_color is not None:
        weight = 1 + _dense(graphs.edge_color, edges.body)[edge].double()
    found = torch.zeros(int((place >= 0).sum()), n, n, dtype=torch.double, device=edge.device)
    return found.index_put_((place[edges.body[edge]], tail, head), weight, accumulate=True)


def _dense(color: Tensor, body: Tensor) -> Tensor:
    """The rank of each color within its graph, independent of other graphs."""
    pairs, place = unique_with_inverse(torch.stack([body, color], 1))
    counts = torch.bincount(pairs[:, 0])
    return place - (counts.cumsum(0) - counts)[body]


def _asymmetry(weight: Tensor) -> Tensor:
    """Features that the symmetric Laplacian does not depend on: direction and self-loops, ``[b, n, 2]``."""
    return torch.stack([weight.sum(2) - weight.sum(1), weight.diagonal(dim1=1, dim2=2)], -1)


def _coordinates(weight: Tensor, real: Tensor, tol: float) -> Tensor:
    """The norm of each node's projection on each eigenspace, ``[b, n, n]``."""
    both = (weight + weight.mT) / 2
    degree = both.sum(-1)
    # Padding has an eigenvalue above all others.
    bound = 2 * degree.amax(1, keepdim=True) + 1
    laplacian = torch.diag_embed(torch.where(real, degree, 2 * bound)) - both
    values, vectors = eigh(laplacian)
    apart = values.diff(dim=1) > tol * bound
    space = torch.nn.functional.pad(apart.long().cumsum(1), (1, 0)).unsqueeze(1).expand_as(vectors)
    return torch.zeros_like(vectors).scatter_add_(2, space, vectors.square()).sqrt()


def _lexicographic(columns: Tensor, real: Tensor, tol: float) -> Tensor:
    """The lexicographic rank of each row within its graph, the first column first, ``[b, n]``."""
    n = columns.size(1)
    columns = columns.masked_fill(~real.unsqueeze(-1), 1e9)
    ranks = _grouped(columns, tol)
    found, room = ranks[..., 0], n
    for column in ranks.unbind(-1)[1:]:
        if room * n >= 1 << 62:
            found, room = _grouped(found.double().unsqueeze(-1), 0.5).squeeze(-1), n
        found, room = found * n + column, room * n
    ordered, order = found.sort(1)
    start = torch.arange(n, device=found.device).expand_as(ordered)
    new = torch.nn.functional.pad(ordered.diff(dim=1) != 0, (1, 0), value=True)
    start = torch.where(new, start, 0).cummax(1).values
    return torch.empty_like(start).scatter_(1, order, start)


def _grouped(values: Tensor, tol: float) -> Tensor:
    """The group of each number, along the nodes: groups are separated by gaps above ``tol``."""
    ordered, order = values.sort(1)
    group = torch.nn.functional.pad((ordered.diff(dim=1) > tol).long().cumsum(1), (0, 0, 1, 0))
    return torch.empty_like(group).scatter_(1, order, group)
