"""EXP: the published pairs of graphs that message passing cannot distinguish."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from torch_geometric.data import InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.collation import collate_graphs
from fa_pyg.datasets.generators.graphsat import parse_graphsat
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.files import write_atomically

__all__ = ["EXP"]

URL = "https://raw.githubusercontent.com/ralphabb/GNN-RNI/main/Data/EXP/GRAPHSAT.txt"
SHA256 = "16f24a5ad96400b2d53eb5cd2843fb2006e50ed67821f6c4abe5ae23100bf899"
SPLITS = consecutive_parts({"val": 200, "test": 200, "train": 800})
TIMEOUT = 30  # seconds without a response


class EXP(InMemoryDataset):
    r"""EXP: pairs of graphs of satisfiable and unsatisfiable formulas that 1-WL cannot distinguish.

    The 600 pairs are those of "The Surprising Power of Graph Neural Networks with Random Node
    Initialization" (Abboud et al. 2021).

    A formula in conjunctive normal form is a graph: a node for each literal and each clause, an edge from
    each clause to its literals and from each variable to its negation.

    **Card.** Source: the text file of the authors' repository, https://github.com/ralphabb/GNN-RNI, under
    GPL-3: it is downloaded for the user and is not part of this package. Size: 1200 graphs of 33 to 73 nodes
    in 644 kB of text, parsed at every construction (0.3 s). Protocol: graphs 2i and 2i + 1 are a pair, the
    satisfiable one first; count the pairs of the 600 that 100 untrained models do not distinguish, as for
    :class:`~fa_pyg.datasets.GRAPH8c`; EXP-classify: predict ``y``; graphs 0 to 199 validate, 200 to 399 test,
    400 to 1199 train.

    Args:
        root: folder of the file, ``root/raw/GRAPHSAT.txt``; downloaded where missing.
        split: ``"train"``, ``"val"``, ``"test"`` of EXP-classify, or None for all graphs in order.
        checksum: SHA-256 that the file must have; None accepts any local file in the format. A download must
            always be the published file.
        transform: called on each ``Data`` at access.

    Shapes: ``x [n, 2]`` (clause, literal: one-hot, float32), ``edge_index [2, E]`` (both directions),
    ``y [1]`` (1: satisfiable).

    Raises:
        ValueError: for a file with another checksum, for a malformed line (with the file and the line), and
            for bad arguments.
        ConnectionError: where there is neither file nor network.

    Not guaranteed: pairs, labels and splits of a file read with ``checksum=None``.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str | None = None,
        *,
        checksum: str | None = SHA256,
        transform: Callable | None = None,
    ) -> None:
        checks.instance("root", root, (str, os.PathLike), "a path")
        checks.one_of("split", split, PARTS, optional=True)
        super().__init__(os.fspath(root), transform)
        path = Path(self.raw_paths[0])
        if not path.exists():
            _download(path)
        content = path.read_bytes()
        if checksum is not None:
            _check(str(path), content, checksum, "the published file; checksum=None accepts any")
        graphs = parse_graphsat(str(path), content)
        total = len(graphs["y"])
        if split is not None and total != len(SPLITS[None]):
            raise ValueError(
                f"{path}: expected {len(SPLITS[None])} graphs for split {split!r}, found {total}"
            )
        self.data, self.slices = collate_graphs(graphs, range(total) if split is None else SPLITS[split])

    @property
    def raw_file_names(self) -> list[str]:
        return ["GRAPHSAT.txt"]


def _download(path: Path) -> None:
    try:
        with urlopen(URL, timeout=TIMEOUT) as answer:
            content = answer.read()
    except (OSError, HTTPException) as problem:
        raise ConnectionError(
            f"{path}: expected the file, or a network to download {URL}, found neither ({problem}). Put the "
            "file there by hand, or use fa_pyg.datasets.EXPLike, which generates such pairs offline"
        ) from problem
    _check(URL, content, SHA256, "the published file; nothing was written")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _check(source: str, content: bytes, checksum: str, expected: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != checksum.lower():
        raise ValueError(f"{source}: expected the SHA-256 {checksum} ({expected}), found {found}")
