"""EXP-like pairs of graphs that message passing cannot distinguish, generated offline."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.collation import collate_graphs
from fa_pyg.datasets.generators.formulas import core, graph, planar
from fa_pyg.datasets.generators.graphsat import one_hot
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.files.tensors import Spec, Tensors, cached

__all__ = ["EXPLike"]

PLANAR_VARIABLES = (6, 11)


class EXPLike(InMemoryDataset):
    r"""Generated pairs of graphs of satisfiable and unsatisfiable formulas that 1-WL cannot distinguish.

    The idea is that of EXP, from "The Surprising Power of Graph Neural
    Networks with Random Node Initialization" (Abboud et al. 2021), with other formulas.

    .. math:: (a_1 = a_2)(a_2 = a_3) \cdots (a_m = a_1) \wedge P
        \qquad \text{and} \qquad (a_1 = a_2)(a_2 = a_3) \cdots (a_m \ne a_1) \wedge P

    Both are in conjunctive normal form, with a node for every literal and clause, as in
    :class:`~fa_pyg.datasets.EXP`. P is a random satisfiable planar formula, the same for both, in other
    variables. 1-WL gives all literals of the ring one color, and all its clauses another; but the ring is a
    prism in one graph and a Möbius ladder in the other, with a clause in the middle of every edge along it.

    **Card.** Source: generated; no license applies. Size: 600 pairs of about 30 to 70 nodes in a
    tenth of a second. Protocol: that of EXP. Figures are *not* comparable with those published for
    EXP.

    Args:
        root: folder of the cache; None writes nothing.
        num_pairs: graphs 2i and 2i + 1 are a pair, the satisfiable one first.
        seed: of all random choices.
        split: ``"val"``, the first sixth of the pairs, ``"test"``, the second sixth, ``"train"``, the rest,
            or None for all.
        lengths: the numbers m of variables in a ring, drawn for every pair. For even m the satisfiable graph
            is the prism, for odd m the Möbius ladder: with both, the label is harder to learn.
        transform: called on each ``Data`` at access.
        force_reload: generate again even where a cache exists.

    Shapes: ``x [n, 2]`` (clause, literal: one-hot, float32), ``edge_index [2, E]`` (both directions, sorted),
    ``y [1]`` (1: satisfiable). The order of the nodes is random and carries no information.

    Raises:
        ValueError: for arguments out of range. A damaged cache file is named in a warning and generated
            again.

    Not guaranteed: that two pairs differ from each other.
    """

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        num_pairs: int = 600,
        seed: int = 0,
        *,
        split: str | None = None,
        lengths: Sequence[int] = (4, 6, 8),
        transform: Callable | None = None,
        force_reload: bool = False,
    ) -> None:
        _check(root, num_pairs, seed, split, lengths)
        self.name = f"pairs{num_pairs}_seed{seed}_lengths{'-'.join(map(str, lengths))}"
        super().__init__(None if root is None else os.fspath(root), transform)

        def make() -> Tensors:
            return _generate(num_pairs, seed, lengths)

        spec = _spec(2 * num_pairs)
        tensors = make() if root is None else cached(self.processed_paths[0], spec, make, force_reload)
        self.data, self.slices = collate_graphs(tensors, _graphs_of(split, num_pairs))

    @property
    def processed_file_names(self) -> list[str]:
        return [f"{self.name}.pt"]


def _spec(graphs: int) -> Spec:
    """Return type and shape of the sizes [G] and of the concatenated graphs."""
    sizes = dict.fromkeys(("nodes", "edges", "y"), (torch.long, (graphs,)))
    return {**sizes, "x": (torch.float32, (None, 2)), "edge_index": (torch.long, (2, None))}


def _graphs_of(split: str | None, num_pairs: int) -> range:
    """Return the graphs of a split, in whole pairs."""
    sixth = 2 * max(1, num_pairs // 6)
    return consecutive_parts({"val": sixth, "test": sixth, "train": None}, 2 * num_pairs)[split]


def _generate(num_pairs: int, seed: int, lengths: Sequence[int]) -> Tensors:
    random = np.random.RandomState(seed)  # a stream that no version of NumPy changes
    graphs = [graph for _ in range(num_pairs) for graph in _pair(random, lengths)]
    kinds, edges = zip(*graphs, strict=True)
    return {
        "nodes": torch.tensor([len(kind) for kind in kinds]),
        "edges": torch.tensor([edge.shape[1] for edge in edges]),
        "x": one_hot(torch.from_numpy(np.concatenate(kinds))),
        "edge_index": torch.from_numpy(np.concatenate(edges, axis=1)),
        "y": torch.tensor([1, 0] * num_pairs),
    }


def _pair(random: np.random.RandomState, lengths: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return node kinds and edges of a satisfiable and of an unsatisfiable formula."""
    length, others = lengths[random.randint(len(lengths))], random.randint(*PLANAR_VARIABLES)
    variables, rest = others + length, planar(others, random)
    pair = []
    for satisfiable in (True, False):
        clauses = rest + core(length, others, satisfiable)
        pair.append(graph(variables, clauses, random.permutation(2 * variables + len(clauses))))
    return pair


def _check(root: Any, num_pairs: Any, seed: Any, split: Any, lengths: Any) -> None:
    checks.instance("root", root, (str, os.PathLike), "a path", optional=True)
    checks.one_of("split", split, PARTS, optional=True)
    checks.integer("num_pairs", num_pairs, 1 if split is None else len(PARTS))
    checks.integer("seed", seed, 0, 2**32 - 1)
    is_list = isinstance(lengths, Sequence) and len(lengths) > 0
    if not is_list or not all(checks.is_integer(length, 3) for length in lengths):
        checks.refuse("lengths", "integers of 3 or more", lengths)
