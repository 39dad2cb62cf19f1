"""Graphs that are hard to distinguish by construction: circular skip links, strongly regular, CFI."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce

from fa_pyg import checks

__all__ = ["cfi_pair", "csl", "rook", "shrikhande", "strongly_regular_pair"]

SKIPS = (2, 3, 4, 5, 6, 9, 11, 12, 13, 16)


def csl(n: int = 41, skips: Sequence[int] = SKIPS, copies: int = 1, seed: int = 0) -> list[Data]:
    r"""Circular skip link graphs, from "Relational Pooling for Graph Representations" (Murphy et al. 2019).

    .. math:: i \sim i \pm 1, \quad i \sim i \pm R \pmod n

    All are 4-regular and equal under 1-WL; the task is to tell R.

    **Card.** Source: generated; no license applies. Size: the published set is ten classes of 15 copies,
    ``csl(copies=15)``, with other random node orders. Protocol: classify R.

    Args:
        n: number of nodes.
        skips: R of each class, coprime to n and above 1. R, n - R and 1 / R modulo n give the same graph.
        copies: graphs of each class: the first in the order of the ring, the others in random node order.
        seed: of the random node orders.

    Shapes: ``x [n, 1]`` (ones), ``edge_index [2, 4 n]`` (both directions, sorted), ``y [1]`` (the index
    in ``skips``).

    Raises:
        ValueError: for arguments out of range.
    """
    checks.integer("n", n, 5)
    checks.integer("copies", copies)
    checks.integer("seed", seed, 0, checks.MOST)
    checks.instance("skips", skips, Sequence, "a list of numbers")
    for skip in skips:
        if not checks.is_integer(skip, 2, n - 2) or math.gcd(skip, n) != 1:
            checks.refuse("skips", f"integers coprime to {n}, from 2 to {n - 2}", skip)
    random, ring = torch.Generator().manual_seed(seed), torch.arange(n)
    graphs = []
    for label, skip in enumerate(skips):
        edges = torch.stack([ring.repeat(2), torch.cat([ring + 1, ring + skip]) % n])
        for copy in range(copies):
            order = torch.randperm(n, generator=random) if copy else ring
            graphs.append(_graph(order[edges], n, y=torch.tensor([label])))
    return graphs


def shrikhande() -> Data:
    """Return the Shrikhande graph (1959), strongly regular with parameters (16, 6, 2, 2).

    Its nodes are the points of a 4 x 4 torus, adjacent if they differ by ±(1, 0), ±(0, 1) or ±(1, 1).

    Shapes: ``x [16, 1]`` (ones), ``edge_index [2, 96]`` (both directions, sorted).
    """
    row, col = torch.arange(16) // 4, torch.arange(16) % 4
    ends = [(row + r) % 4 * 4 + (col + c) % 4 for r, c in ((1, 0), (0, 1), (1, 1))]
    return _graph(torch.stack([torch.arange(16).repeat(3), torch.cat(ends)]), 16)


def rook(m: int = 4) -> Data:
    """Return the m x m rook's graph: squares of a board, adjacent if in one row or column.

    It is strongly regular with parameters (m², 2 (m - 1), m - 2, 2).

    Shapes: ``x [m², 1]`` (ones), ``edge_index [2, 2 m² (m - 1)]`` (both directions, sorted).

    Raises:
        ValueError: for m below 2.
    """
    checks.integer("m", m, 2)
    row, col = torch.arange(m * m) // m, torch.arange(m * m) % m
    lines = (row[:, None] == row) ^ (col[:, None] == col)  # on the diagonal both hold
    return _graph(lines.nonzero().t(), m * m)


def strongly_regular_pair() -> tuple[Data, Data]:
    """Return the Shrikhande and the 4 x 4 rook's graph, which 1-WL and 2-FWL do not distinguish.

    They are not isomorphic, but both are strongly regular with parameters (16, 6, 2, 2). 2-FWL is the
    folklore test on pairs of nodes, as strong as 3-WL.
    """
    return shrikhande(), rook(4)


def cfi_pair(base_edge_index: Tensor) -> tuple[Data, Data]:
    r"""Return the CFI pair over a base graph (Cai, Fürer, Immerman 1992).

    The construction is that of "An Optimal Lower Bound on the Number of Variables for
    Graph Identification".

    A base edge e at its end v becomes two nodes (v, e, 0) and (v, e, 1), a base node v one node (v, S) for
    every even set S of its edges:

    .. math:: (v, S) \sim (v, e, [e \in S]), \qquad (u, e, b) \sim (v, e, b \oplus t_e)

    without a twist (t = 0) in the first graph and with one twisted edge in the second; all choices of that
    edge are isomorphic. 1-WL fails if the base has a cycle; the larger the treewidth of the base, the higher
    the k of the k-WL that fails.

    Args:
        base_edge_index: [2, E], a connected graph without self-loops; edges in one direction or both.

    Shapes: both have n = sum of 2^(d - 1) + 2 d over base nodes of degree d; ``x [n, 1]`` (ones),
    ``edge_index`` (both directions, sorted), ``base [n]``: the base node of every node.

    Raises:
        ValueError: for another shape, self-loops, or a base that is not connected.

    Not guaranteed: that the two differ without ``base`` as colors, for every base; over K4 and K5 they do.
    """
    edges = _base_edges(base_edge_index)
    ends = torch.arange(2 * edges.numel()).view(*edges.shape, 2)  # [its end, e, b]
    links = torch.stack([ends[0], ends[1]]).flatten(1)
    twisted = links.clone()
    twisted[1, :2] = links[1, :2].flip(0)
    owners, sets = _even_sets(edges, ends)
    base = torch.cat([edges.unsqueeze(2).expand_as(ends).flatten(), owners])
    first, second = (torch.cat([some, sets], dim=1) for some in (links, twisted))
    return _graph(first, len(base), base=base), _graph(second, len(base), base=base)


def _even_sets(edges: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Return the base nodes of the nodes (v, S), which follow the ``ends``, and the edges between the two."""
    owners, pairs = [], []
    for v in range(int(edges.max()) + 1):
        at_v = ends[edges == v]  # [d, 2]
        inside = torch.cartesian_prod(*[torch.arange(2)] * len(at_v)).view(-1, len(at_v))
        inside = inside[inside.sum(1) % 2 == 0]
        numbers = ends.numel() + len(owners) + torch.arange(len(inside))
        chosen = at_v[torch.arange(len(at_v)), inside]  # [sets, d]
        pairs.append(torch.stack([numbers[:, None].expand_as(chosen), chosen]).flatten(1))
        owners += [v] * len(inside)
    return torch.tensor(owners), torch.cat(pairs, dim=1)


def _base_edges(edge_index: Tensor) -> Tensor:
    """Return every edge once, checked."""
    is_index = isinstance(edge_index, Tensor) and edge_index.dtype == torch.long and edge_index.dim() == 2
    if not is_index or len(edge_index) != 2 or not edge_index.numel():
        checks.refuse("base_edge_index", "int64 of shape [2, E] with an edge", edge_index)
    edge_index = edge_index.cpu()
    low, high = edge_index.min(0).values, edge_index.max(0).values
    if not bool(((low >= 0) & (low < high)).all()):
        checks.refuse("base_edge_index", "no self-loops, no negative numbers", edge_index)
    edges = torch.stack([low, high]).unique(dim=1)
    reached = torch.zeros(int(high.max()) + 1, dtype=torch.bool)
    reached[0] = True
    for _ in range(len(reached)):
        reached[edges[:, reached[edges].any(0)].flatten()] = True
    if not bool(reached.all()):
        checks.refuse("base_edge_index", "a connected graph", edge_index)
    return edges


def _graph(edges: Tensor, n: int, **attributes: Tensor) -> Data:
    """Return the graph of some edges, in one direction or both, with or without repetitions."""
    edge_index = coalesce(torch.cat([edges, edges.flip(0)], dim=1), num_nodes=n)
    return Data(x=torch.ones(n, 1), edge_index=edge_index, **attributes)
