"""Enumerate connected graphs of a few nodes up to isomorphism, by arithmetic on whole arrays.

A graph is a bit mask: bit j (j - 1) / 2 + i is set where nodes i < j are adjacent. An additional node only
adds bits on top, and nine nodes need 36 bits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise, permutations

import numpy as np

from fa_pyg.progress import bar

__all__ = ["adjacency", "bits", "canonical_masks", "connected_graphs"]

CHUNK = 1 << 13  # graphs at once: their [n, n] matrices stay in the cache
PRODUCTS = 1 << 21  # masks computed at once
POPCOUNT = np.array([bin(i).count("1") for i in range(1 << 9)])
SALT = np.random.Generator(np.random.PCG64(8)).integers(1 << 63, size=18).astype(np.uint64) | np.uint64(1)


def connected_graphs(n: int, progress: bool = False) -> np.ndarray:
    """Return the masks (int64) of all connected graphs of n <= 9 nodes, by number of edges, then by mask.

    A connected graph has a node whose removal leaves it connected: every graph of n nodes is a graph of n - 1
    nodes with an additional node, whose neighbors are any nonempty set.
    """
    masks = np.zeros(1, np.int64)
    with bar(range(2, n + 1), desc="connected graphs", unit="nodes", progress=progress) as sizes:
        for size in sizes:
            masks = _one_per_class(masks, size)
            sizes.set_postfix(graphs=len(masks))
    return masks[np.argsort(bits(masks, n).sum(1), kind="stable")]


def bits(masks: np.ndarray, n: int) -> np.ndarray:
    """Return whether the nodes of each pair are adjacent [G, n (n - 1) / 2], as 0 and 1."""
    return masks[:, None] >> np.arange(n * (n - 1) // 2) & 1


def adjacency(masks: np.ndarray, n: int) -> np.ndarray:
    """Return adjacency matrices [G, n, n], as 0 and 1."""
    low, high = _pairs(n)
    matrices = np.zeros((len(masks), n, n), np.int64)
    matrices[:, low, high] = matrices[:, high, low] = bits(masks, n)
    return matrices


def canonical_masks(masks: np.ndarray, n: int) -> np.ndarray:
    """Return canonical masks: equal for two graphs of n <= 9 nodes if and only if they are isomorphic.

    The canonical mask is the smallest over all node orders of increasing color, where colors do not depend on
    the order; so it is a mask of the graph itself.
    """
    masks, classes = _sorted_by_color(masks, n)
    smallest = np.empty_like(masks)
    for pattern in np.unique(classes):
        rows = np.flatnonzero(classes == pattern)
        smallest[rows] = _smallest(masks[rows], _orderings(pattern, n))
    return smallest


def _one_per_class(smaller: np.ndarray, n: int) -> np.ndarray:
    """Add node n - 1 in all ways and keep one graph of each isomorphism class, in increasing order."""
    neighbors = np.arange(1, 1 << (n - 1)) << ((n - 1) * (n - 2) // 2)
    step = max(1, CHUNK * 16 >> n)
    parts = (smaller[i : i + step, None] | neighbors for i in range(0, len(smaller), step))
    # Most orders of a graph agree once its nodes are sorted by color: few masks are left.
    masks = np.unique(np.concatenate([np.unique(_sorted_by_color(part.ravel(), n)[0]) for part in parts]))
    return np.unique(canonical_masks(masks, n))


def _sorted_by_color(masks: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the graphs with nodes sorted by color, and where the color changes (bit i: after node i)."""
    parts = [_sort_chunk(masks[i : i + CHUNK], n) for i in range(0, len(masks), CHUNK)]
    first, second = (np.concatenate(part) for part in zip(*parts, strict=True))
    return first, second


def _sort_chunk(masks: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    matrices = adjacency(masks, n)
    colors = _colors(matrices)
    order = np.argsort(colors, axis=1, kind="stable")
    graph = np.arange(len(masks))[:, None]
    colors = colors[graph, order]
    low, high = _pairs(n)
    edges = matrices[graph, order[:, low], order[:, high]]
    changes = colors[:, 1:] != colors[:, :-1]
    return edges @ (1 << np.arange(len(low))), changes @ (1 << np.arange(n - 1))


def _colors(matrices: np.ndarray) -> np.ndarray:
    """Return node colors [G, n] that do not depend on the node order, by 1-WL on pairs of nodes.

    Pairs differ by whether they are adjacent and how many neighbors they share. Products wrap around. Where
    two different nodes get equal colors by chance, only more orders are tried.
    """
    rows = matrices @ (1 << np.arange(matrices.shape[1]))
    shared = POPCOUNT[rows[:, :, None] & rows[:, None]]  # on the diagonal: the degree
    kind = SALT[2 * shared + matrices]
    colors = kind.sum(2)
    for _ in range(3):
        mixed = (colors ^ colors >> np.uint64(29)) * SALT[0]
        mixed ^= mixed >> np.uint64(32)
        colors = mixed * SALT[1] + (kind * mixed[:, None]).sum(2)
    return colors


def _orderings(pattern: int, n: int) -> np.ndarray:
    """Return the positions of nodes [K, n] in all orders that keep the color classes in place."""
    starts = [0, *(i + 1 for i in range(n - 1) if pattern >> i & 1), n]
    blocks = [np.array(list(permutations(range(a, b)))) for a, b in pairwise(starts)]
    return reduce(_all_combinations, blocks)


def _all_combinations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left.repeat(len(right), axis=0), np.tile(right, (len(left), 1))], axis=1)


def _smallest(masks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the smallest mask of each graph over these orders.

    One matrix product per block: an edge contributes the power of two of its new bit; exact in float64, whose
    53 digits hold the 36 bits.
    """
    n = places.shape[1]
    low, high = _pairs(n)
    edges = bits(masks, n).astype(np.float64)
    smallest = np.full(len(masks), math.inf)
    for rows, some in _blocks(len(masks), len(places)):
        one, other = places[some][:, low], places[some][:, high]
        first, last = np.minimum(one, other), np.maximum(one, other)
        powers = 2.0 ** (last * (last - 1) // 2 + first)
        smallest[rows] = np.minimum(smallest[rows], (edges[rows] @ powers.T).min(axis=1))
    return smallest.astype(np.int64)


def _blocks(graphs: int, orderings: int) -> Iterator[tuple[slice, slice]]:
    wide = min(orderings, PRODUCTS >> 8)
    high = max(1, PRODUCTS // wide)
    for j in range(0, orderings, wide):
        for i in range(0, graphs, high):
            yield slice(i, i + high), slice(j, j + wide)


def _pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes i < j of each bit."""
    high, low = np.tril_indices(n, -1)
    return low, high
