"""The published EXP data set: pairs of graphs that message passing cannot tell apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from torch_geometric.data import InMemoryDataset

from fa_pyg.datasets.collation import collated, require
from fa_pyg.datasets.generators.graphsat import parse
from fa_pyg.files import write_atomically

__all__ = ["EXP"]

URL = "https://raw.githubusercontent.com/ralphabb/GNN-RNI/main/Data/EXP/GRAPHSAT.txt"
SHA256 = "16f24a5ad96400b2d53eb5cd2843fb2006e50ed67821f6c4abe5ae23100bf899"
SPLITS = {"val": (0, 200), "test": (200, 400), "train": (400, 1200), None: (0, None)}
TIMEOUT = 30  # seconds without an answer


class EXP(InMemoryDataset):
    r"""600 pairs of graphs that 1-WL cannot tell apart, of which one encodes a satisfiable formula and the
    other an unsatisfiable one, from "The Surprising Power of Graph Neural Networks with Random Node
    Initialization" (Abboud et al. 2021).

    A formula in conjunctive normal form is a graph: a node for each literal and each clause, an edge from
    each clause to its literals and from each variable to its negation.

    **Card.** Source: the text file of the authors' repository, https://github.com/ralphabb/GNN-RNI, under
    GPL-3: it is downloaded for the user and no part of this package. Size: 1200 graphs of 33 to 73 nodes in
    644 kB of text, which is read each time (0.3 s). Protocol: graphs 2i and 2i + 1 are a pair, the
    satisfiable one first; how many of the 600 pairs are not told apart by 100 untrained models, counted as
    for :class:`~fa_pyg.datasets.GRAPH8c`; EXP-classify: predict ``y``, graphs 0 to 199 validate, 200 to 399
    test, 400 to 1199 train.

    Args:
        root: the file is looked for at ``root/raw/GRAPHSAT.txt``, and downloaded to there where missing.
        split: ``"train"``, ``"val"``, ``"test"`` of EXP-classify, or None: all graphs in their order.
        checksum: SHA-256 that the file must have; None: any file that is there and has the format. What is
            downloaded must be the published file in any case.
        transform: called on each ``Data`` as it is taken out.

    Shapes: ``x [n, 2]`` (clause, literal: one-hot, float32), ``edge_index [2, E]`` (both directions),
    ``y [1]`` (1: satisfiable).

    Raises ValueError for another file than the checksum says, for a line that is not as described (with the
    file and the line) and for bad arguments; ConnectionError where there is neither file nor network.

    Not guaranteed: pairs, labels and splits of a file read with ``checksum=None``.
    """

    def __init__(
        self,
        root: str,
        split: str | None = None,
        *,
        checksum: str | None = SHA256,
        transform: Callable | None = None,
    ) -> None:
        require(isinstance(root, (str, os.PathLike)), "EXP", "root", root, "a path")
        require(split in list(SPLITS), "EXP", "split", split, f"one of {list(SPLITS)}")
        super().__init__(root, transform)
        path = Path(self.raw_paths[0])
        if not path.exists():
            _download(path)
        content = path.read_bytes()
        if checksum is not None:
            _check(str(path), content, checksum, "the published file; checksum=None takes any")
        graphs = parse(str(path), content)
        if split is not None and len(graphs["y"]) != 1200:
            raise ValueError(f"{path}: found {len(graphs['y'])} graphs, expected 1200 for split {split!r}")
        self.data, self.slices = collated(graphs, *SPLITS[split])

    @property
    def raw_file_names(self) -> list[str]:
        return ["GRAPHSAT.txt"]


def _download(path: Path) -> None:
    try:
        with urlopen(URL, timeout=TIMEOUT) as answer:
            content = answer.read()
    except (OSError, HTTPException) as problem:
        raise ConnectionError(
            f"{path}: not found, and {URL} could not be read ({problem}). Put the file there by hand, or use "
            "fa_pyg.datasets.EXPLike, which makes such pairs without a network"
        ) from problem
    _check(URL, content, SHA256, "the published file; nothing was written")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _check(source: str, content: bytes, checksum: str, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != checksum.lower():
        raise ValueError(f"{source}: found the SHA-256 {found}, expected {checksum} ({expected})")
