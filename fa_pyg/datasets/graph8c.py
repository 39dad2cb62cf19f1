"""GRAPH8c: all connected graphs of eight nodes (or fewer, or nine), up to isomorphism."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.collation import collate_graphs
from fa_pyg.datasets.generators.connected import adjacency, connected_graphs
from fa_pyg.files.tensors import Tensors, cached

__all__ = ["GRAPH8c"]

COUNTS = {1: 1, 2: 1, 3: 2, 4: 6, 5: 21, 6: 112, 7: 853, 8: 11_117, 9: 261_080}  # graphs of n nodes


class GRAPH8c(InMemoryDataset):
    r"""GRAPH8c: all connected graphs of eight nodes, one of each isomorphism class.

    It serves to count the pairs of graphs that a model cannot distinguish, as in "Breaking the Limits of
    Message Passing Graph Neural Networks" (Balcilar et al. 2021).

    The number of graphs of n = 1, 2, ..., 9 nodes is 1, 1, 2, 6, 21, 112, 853, 11 117, 261 080.

    **Card.** Source: generated, by adding a node to the graphs of n - 1 nodes in all ways and keeping one of
    each class, decided exactly by canonical forms; nothing is downloaded and no license applies. Size:
    half a second for n = 8, a quarter of a minute for n = 9; 8 bytes a graph in the cache. Protocol: no node
    features, no training; 100 models with fresh weights and 10 outputs; of the 61 788 286 pairs, those are
    *not distinguished* whose outputs are within 1e-3 in L1 distance in all 100. The count proves
    nothing for a model that draws random numbers: it may also distinguish a graph from a relabeled copy.

    Args:
        root: folder of the cache, one file for every n under ``root/processed``; created where missing.
        n: number of nodes, 1 to 9.
        transform: called on each ``Data`` at access.
        log: show a progress bar while generating.
        force_reload: generate again even where a cache exists.

    Shapes: ``x [n, 1]`` (ones, float32), ``edge_index [2, E]`` (both directions, sorted). The order of the
    graphs, by number of edges, and of their nodes is the same on every machine.

    Raises:
        ValueError: for arguments out of range. A damaged cache file is named in a warning and generated
            again.

    Not guaranteed: the order of graphs and nodes in files from other sources.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        n: int = 8,
        *,
        transform: Callable | None = None,
        log: bool = True,
        force_reload: bool = False,
    ) -> None:
        checks.instance("root", root, (str, os.PathLike), "a path")
        checks.integer("n", n, 1, max(COUNTS))
        self.n = n
        super().__init__(os.fspath(root), transform, log=log)

        def make() -> Tensors:
            return {"masks": torch.from_numpy(connected_graphs(n, progress=log))}

        spec = {"masks": (torch.long, (COUNTS[n],))}
        masks = cached(self.processed_paths[0], spec, make, force_reload)["masks"]
        self.data, self.slices = collate_graphs(_graphs(masks, n))

    @property
    def processed_file_names(self) -> list[str]:
        return [f"connected{self.n}.pt"]


def _graphs(masks: torch.Tensor, n: int) -> Tensors:
    graph, row, col = torch.from_numpy(adjacency(masks.numpy(), n)).nonzero().t()
    return {
        "nodes": torch.full_like(masks, n),
        "edges": graph.bincount(minlength=len(masks)),
        "x": torch.ones(n * len(masks), 1),
        "edge_index": torch.stack([row, col]),
    }
