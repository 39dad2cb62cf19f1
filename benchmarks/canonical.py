"""Canonical labelling: time on the sets and graphs of the literature, and whether relabelled copies agree.

Every graph is labelled as it is and in ``--copies`` random relabellings (nodes and edges shuffled), whose
canonical forms must be identical. Times are those of one labelling, one thread. With pynauty or igraph
installed, the same graphs are labelled by them, one by one.

    python benchmarks/canonical.py [--copies 20] [--exp data/EXP]
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Iterator

import torch
from families import latin_square, repeat
from markdown_table import table
from networkx import convert_node_labels_to_integers
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.utils import to_undirected

from fa_pyg import CanonicalFrame
from fa_pyg.canonical.backends import BACKENDS
from fa_pyg.datasets import EXP, GRAPH8c, cfi_pair, csl, rook, shrikhande


def of_pairs(pairs: Tensor, n: int) -> Data:
    return Data(edge_index=to_undirected(pairs), x=torch.ones(n, 1))


def complete(n: int) -> Data:
    return of_pairs(torch.triu_indices(n, n, 1), n)


def path(n: int) -> Data:
    return of_pairs(torch.stack([torch.arange(n - 1), torch.arange(1, n)]), n)


def star(n: int) -> Data:
    return of_pairs(torch.stack([torch.zeros(n - 1, dtype=torch.long), torch.arange(1, n)]), n)


def tree(depth: int) -> Data:
    child = torch.arange(1, 2 ** (depth + 1) - 1)
    return of_pairs(torch.stack([(child - 1) // 2, child]), 2 ** (depth + 1) - 1)


def hypercube(dim: int) -> Data:
    node = torch.arange(2**dim)
    pairs = torch.cat([torch.stack([node, node ^ (1 << k)]) for k in range(dim)], 1)
    return of_pairs(pairs, 2**dim)


def paley(q: int) -> Data:
    """Of a prime q = 1 mod 4."""
    squares = (torch.arange(1, q) ** 2 % q).unique()
    node = torch.arange(q)
    pairs = torch.cat([torch.stack([node, (node + s) % q]) for s in squares.tolist()], 1)
    return of_pairs(pairs, q)


def latin_squares(order: int, count: int) -> list[Data]:
    """Strongly regular graphs, most without symmetries."""
    graphs = map(convert_node_labels_to_integers, repeat(count, latin_square, order))
    return [of_pairs(torch.tensor(list(graph.edges())).t(), order * order) for graph in graphs]


def triangles(k: int) -> Data:
    return Batch.from_data_list([complete(3)] * k)


def cases(root: str) -> Iterator[tuple[str, list[Data]]]:
    yield "GRAPH8c, 11 117 graphs", list(GRAPH8c("data/GRAPH8c"))
    yield "EXP, 1200 graphs", list(EXP(root))
    yield "CSL, 10 graphs of 41 nodes", csl()
    yield "Shrikhande and rook 4x4", [shrikhande(), rook(4)]
    yield "CFI pair over K4", list(cfi_pair(complete(4).edge_index))
    yield "CFI pair over K5", list(cfi_pair(complete(5).edge_index))
    yield "Paley 101", [paley(101)]
    yield "10 Latin squares of order 7", latin_squares(7, 10)
    yield "Latin square of order 10", latin_squares(10, 1)
    yield "hypercube, 256 nodes", [hypercube(8)]
    yield "K 20", [complete(20)]
    yield "K 200", [complete(200)]
    yield "star of 500 nodes", [star(500)]
    yield "50 triangles", [Data(edge_index=triangles(50).edge_index, x=torch.ones(150, 1))]
    yield "binary tree, 1023 nodes", [tree(9)]
    yield "path of 10 000 nodes", [path(10_000)]


def relabelled(graphs: list[Data]) -> list[Data]:
    moved = []
    for one in graphs:
        order, mix = torch.randperm(one.num_nodes), torch.randperm(one.num_edges)
        moved.append(Data(x=one.x[order], edge_index=torch.argsort(order)[one.edge_index][:, mix]))
    return moved


def labelled(graphs: list[Data], frame: CanonicalFrame) -> tuple[Tensor, float]:
    """Edges and features in canonical places, and the time."""
    batch = Batch.from_data_list(graphs)
    begin = time.perf_counter()
    frames = frame(batch.edge_index, batch.x, batch=batch.batch, num_graphs=len(graphs))
    seconds = time.perf_counter() - begin
    return torch.cat([frames.edges_in_frame().flatten(), frames.to_frame(batch.x).flatten()]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, default=20, help="relabellings of every graph (20)")
    parser.add_argument("--exp", default="data/EXP", help="folder of the EXP data set")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    others = [name for name in BACKENDS if importlib.util.find_spec(name)]
    rows = (row(name, graphs, given.copies, others) for name, graphs in cases(given.exp))
    for line in table(["graphs", "seconds", "identical forms", *others], rows):
        print(line, flush=True)


def row(name: str, graphs: list[Data], copies: int, others: list[str]) -> list[str]:
    form, seconds = labelled(graphs, CanonicalFrame())
    forms = (labelled(relabelled(graphs), CanonicalFrame())[0] for _ in range(copies))
    same = sum(torch.equal(other, form) for other in forms)
    times = [f"{labelled(graphs, CanonicalFrame(backend=other))[1]:.2f}" for other in others]
    return [name, f"{seconds:.2f}", f"{same} of {copies}", *times]


if __name__ == "__main__":
    main()
