"""Pairs of graphs like those of EXP, made without a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg.datasets.collation import Tensors, collated, is_whole, require
from fa_pyg.datasets.generators.formulas import core, graph, planar
from fa_pyg.datasets.generators.graphsat import one_hot
from fa_pyg.files.tensors import Spec, cached

__all__ = ["EXPLike"]

SPLITS = ("train", "val", "test", None)
PLANAR_VARIABLES = (6, 11)


class EXPLike(InMemoryDataset):
    r"""Pairs of graphs that 1-WL cannot tell apart, of which one encodes a satisfiable formula and the other
    an unsatisfiable one: the idea of EXP, from "The Surprising Power of Graph Neural Networks with Random
    Node Initialization" (Abboud et al. 2021), with formulas of our own.

    .. math:: (a_1 = a_2)(a_2 = a_3) \cdots (a_m = a_1) \wedge P
        \qquad \text{and} \qquad (a_1 = a_2)(a_2 = a_3) \cdots (a_m \ne a_1) \wedge P

    Both in conjunctive normal form, with a node for each literal and clause, as :class:`~fa_pyg.datasets.EXP`
    has them. P is a random satisfiable planar formula, the same for both, in other variables. To 1-WL all
    literals of the ring look alike, and so do its clauses; but the ring is a prism in one graph and a Möbius
    ladder in the other, with a clause in the middle of each edge along it.

    **Card.** Source: generated here; no licence applies. Size: 600 pairs of about 30 to 70 nodes in a
    tenth of a second. Protocol: that of EXP, where EXP cannot be downloaded. Figures are *not* comparable
    with those published for EXP.

    Args:
        root: folder of the cache; None: nothing is written.
        num_pairs: graphs 2i and 2i + 1 are a pair, the satisfiable one first.
        seed: of all that is random.
        split: None: all; or a share of the pairs: the first sixth is ``"val"``, the second ``"test"``, the
            rest ``"train"``.
        lengths: the numbers m of variables in a ring, drawn for each pair. For even m the satisfiable graph
            is the prism, for odd m the other one: with both it is harder to learn the label.
        transform: called on each ``Data`` as it is taken out.
        force_reload: generate again even where a cache exists.

    Shapes: ``x [n, 2]`` (clause, literal: one-hot, float32), ``edge_index [2, E]`` (both directions, sorted),
    ``y [1]`` (1: satisfiable). Nodes are numbered at random, so that the numbering tells nothing.

    Raises ValueError for arguments out of range. A cache file that does not check out is named in a warning
    and generated again.

    Not guaranteed: that two pairs differ from each other.
    """

    def __init__(
        self,
        root: str | None = None,
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
        super().__init__(root, transform)

        def make() -> Tensors:
            return _generate(num_pairs, seed, lengths)

        spec = _spec(2 * num_pairs)
        tensors = make() if root is None else cached(self.processed_paths[0], spec, make, force_reload)
        self.data, self.slices = collated(tensors, *_share(split, num_pairs))

    @property
    def processed_file_names(self) -> list[str]:
        return [f"{self.name}.pt"]


def _spec(graphs: int) -> Spec:
    """The sizes [G], then what lies end to end."""
    whole = torch.long
    sizes = dict.fromkeys(("nodes", "edges", "y"), (whole, (graphs,)))
    return {**sizes, "x": (torch.float32, (None, 2)), "edge_index": (whole, (2, None))}


def _share(split: str | None, num_pairs: int) -> tuple[int, int]:
    """First and last graph; whole pairs."""
    sixth = 2 * max(1, num_pairs // 6)
    end = 2 * num_pairs
    return {"val": (0, sixth), "test": (sixth, 2 * sixth), "train": (2 * sixth, end), None: (0, end)}[split]


def _generate(num_pairs: int, seed: int, lengths: Sequence[int]) -> Tensors:
    random = np.random.RandomState(seed)  # a stream that no version of NumPy changes
    graphs = [one for _ in range(num_pairs) for one in _pair(random, lengths)]
    kinds, edges = zip(*graphs, strict=True)
    return {
        "nodes": torch.tensor([len(kind) for kind in kinds]),
        "edges": torch.tensor([edge.shape[1] for edge in edges]),
        "x": one_hot(torch.from_numpy(np.concatenate(kinds))),
        "edge_index": torch.from_numpy(np.concatenate(edges, axis=1)),
        "y": torch.tensor([1, 0] * num_pairs),
    }


def _pair(random: np.random.RandomState, lengths: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kinds and edges of a satisfiable and of an unsatisfiable formula."""
    length, others = lengths[random.randint(len(lengths))], random.randint(*PLANAR_VARIABLES)
    variables, rest = others + length, planar(others, random)
    pair = []
    for satisfiable in (True, False):
        clauses = rest + core(length, others, satisfiable)
        pair.append(graph(variables, clauses, random.permutation(2 * variables + len(clauses))))
    return pair


def _check(root, num_pairs, seed, split, lengths) -> None:
    fewest = 1 if split is None else 3
    is_list = isinstance(lengths, Sequence) and len(lengths) > 0
    for name, value, holds, expected in (
        ("root", root, root is None or isinstance(root, (str, os.PathLike)), "a path or None"),
        ("split", split, split in SPLITS, f"one of {list(SPLITS)}"),
        ("num_pairs", num_pairs, is_whole(num_pairs) and num_pairs >= fewest, f"{fewest} or more"),
        ("seed", seed, is_whole(seed) and 0 <= seed < 2**32, f"0 to {2**32 - 1}"),
        ("lengths", lengths, is_list and all(is_whole(m) and m >= 3 for m in lengths), "numbers, 3 or more"),
    ):
        require(holds, "EXPLike", name, value, expected)
