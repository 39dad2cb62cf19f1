"""All connected graphs of a few nodes, one of each isomorphism class, by arithmetic on whole arrays.

A graph is a bit mask: bit j (j - 1) / 2 + i is set where nodes i < j are neighbours. So a further node only
adds bits on top, and nine nodes need 36 of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise, permutations

import numpy as np
from tqdm import tqdm

CHUNK = 1 << 13  # graphs looked at together: their [n, n] matrices stay in the cache
PRODUCTS = 1 << 21  # masks made at a time
POPCOUNT = np.array([bin(i).count("1") for i in range(1 << 9)])
SALT = np.random.Generator(np.random.PCG64(8)).integers(1 << 63, size=18).astype(np.uint64) | np.uint64(1)


def connected_graphs(n: int, progress: bool = False) -> np.ndarray:
    """The masks (int64) of all connected graphs of n <= 9 nodes, by number of edges, then by mask.

    A connected graph has a node whose removal leaves it connected: each graph of n nodes is one of n - 1 with
    a further node, whose neighbours are any set but the empty one.
    """
    masks = np.zeros(1, np.int64)
    with tqdm(range(2, n + 1), desc="connected graphs", unit="nodes", disable=not progress) as sizes:
        for size in sizes:
            masks = _one_per_class(masks, size)
            sizes.set_postfix(graphs=len(masks))
    return masks[np.argsort(bits(masks, n).sum(1), kind="stable")]


def bits(masks: np.ndarray, n: int) -> np.ndarray:
    """Whether the two nodes of each pair are neighbours [G, n (n - 1) / 2], as 0 and 1."""
    return masks[:, None] >> np.arange(n * (n - 1) // 2) & 1


def adjacency(masks: np.ndarray, n: int) -> np.ndarray:
    """The adjacency matrices [G, n, n], as 0 and 1."""
    low, high = _pairs(n)
    matrices = np.zeros((len(masks), n, n), np.int64)
    matrices[:, low, high] = matrices[:, high, low] = bits(masks, n)
    return matrices


def canonical_masks(masks: np.ndarray, n: int) -> np.ndarray:
    """The same mask for two graphs of n <= 9 nodes if and only if they are isomorphic.

    It is the smallest over all orderings of the nodes that go up in colour, where colours do not depend on
    the numbering; so it is a mask of the graph itself, and the same for each of its numberings.
    """
    masks, classes = _sorted_by_colour(masks, n)
    smallest = np.empty_like(masks)
    for pattern in np.unique(classes):
        rows = np.flatnonzero(classes == pattern)
        smallest[rows] = _smallest(masks[rows], _orderings(pattern, n))
    return smallest


def _one_per_class(smaller: np.ndarray, n: int) -> np.ndarray:
    """Add the node n - 1 in every way and keep one graph of each class, in increasing order."""
    neighbours = np.arange(1, 1 << (n - 1)) << ((n - 1) * (n - 2) // 2)
    step = max(1, CHUNK * 16 >> n)
    parts = (smaller[i : i + step, None] | neighbours for i in range(0, len(smaller), step))
    # Most numberings of a graph agree once its nodes stand in the order of colours: only few are left.
    masks = np.unique(np.concatenate([np.unique(_sorted_by_colour(part.ravel(), n)[0]) for part in parts]))
    return np.unique(canonical_masks(masks, n))


def _sorted_by_colour(masks: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The graphs with their nodes numbered by colour, and where the colour changes (bit i: after node i)."""
    parts = [_sort_chunk(masks[i : i + CHUNK], n) for i in range(0, len(masks), CHUNK)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _sort_chunk(masks: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    matrices = adjacency(masks, n)
    colours = _colours(matrices)
    order = np.argsort(colours, axis=1, kind="stable")
    graph = np.arange(len(masks))[:, None]
    colours = colours[graph, order]
    low, high = _pairs(n)
    edges = matrices[graph, order[:, low], order[:, high]]
    changes = colours[:, 1:] != colours[:, :-1]
    return edges @ (1 << np.arange(len(low))), changes @ (1 << np.arange(n - 1))


def _colours(matrices: np.ndarray) -> np.ndarray:
    """Numbers of nodes [G, n] that do not depend on the numbering: 1-WL on pairs, told apart by whether they
    are neighbours and how many neighbours they share.

    Products wrap around. Where two different nodes get one number by chance, there is only more to try.
    """
    rows = matrices @ (1 << np.arange(matrices.shape[1]))
    shared = POPCOUNT[rows[:, :, None] & rows[:, None]]  # on the diagonal: the degree
    kind = SALT[2 * shared + matrices]
    colours = kind.sum(2)
    for _ in range(3):
        mixed = (colours ^ colours >> np.uint64(29)) * SALT[0]
        mixed ^= mixed >> np.uint64(32)
        colours = mixed * SALT[1] + (kind * mixed[:, None]).sum(2)
    return colours


def _orderings(pattern: int, n: int) -> np.ndarray:
    """The places of nodes [K, n] in all orderings that keep each class of colours where it is."""
    starts = [0, *(i + 1 for i in range(n - 1) if pattern >> i & 1), n]
    blocks = [np.array(list(permutations(range(a, b)))) for a, b in pairwise(starts)]
    return reduce(_all_combinations, blocks)


def _all_combinations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([left.repeat(len(right), axis=0), np.tile(right, (len(left), 1))], axis=1)


def _smallest(masks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The smallest mask of each graph over all these orderings.

    One matrix product per block: each edge gives the power of two of its new bit; exact in float64, whose 53
    digits hold the 36 bits.
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
    """The nodes i < j of each bit."""
    high, low = np.tril_indices(n, -1)
    return low, high
