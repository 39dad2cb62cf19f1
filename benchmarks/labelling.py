"""Exactness of canonical labelling: isomorphic graphs get one form, others get different ones.

Every graph is labelled in random relabellings (nodes, edges and directions shuffled), all of a family in a
batch and some alone; a failure is a form that is not that of the first copy. The number of forms is compared
with the number of classes: the published one (trees, regular graphs), igraph's (plain graphs) or networkx's
(colored ones). Times are CPU times of a graph: ours in a batch of 500 or more, and alone; the others' alone.

    python benchmarks/labelling.py [families ...] [--copies 20] [--alone 100] [--seed 0]
    geng -c -d5 -D5 12 graphs.g6; python benchmarks/labelling.py --graph6 graphs.g6     # geng is nauty's
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from importlib import import_module

import families
import networkx as nx
import torch
from markdown_table import table
from torch import Tensor

from fa_pyg.canonical import canonical_labelling
from fa_pyg.canonical.backends import by_igraph, by_pynauty

LARGEST = {3: 12, 4: 12, 5: 10, 6: 10}  # regular graphs of this degree, which switches find in minutes
Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # edge_index, sizes, node colors, edge colors


def batched(graphs: Sequence[nx.Graph]) -> Batch:
    """The graphs as one batch, undirected edges in both directions."""
    edges, node_color, edge_color, first = [], [], [], 0
    for graph in graphs:
        number = {node: first + i for i, node in enumerate(graph)}
        node_color += [color for _, color in graph.nodes(data="color", default=0)]
        for u, v, color in graph.edges(data="color", default=0):
            edges.append((number[u], number[v]))
            edge_color.append(color)
            if u != v and not graph.is_directed():
                edges.append((number[v], number[u]))
                edge_color.append(color)
        first += len(graph)
    ends = torch.tensor(edges, dtype=torch.long).view(-1, 2).t().contiguous()
    return ends, *(
        torch.tensor(x, dtype=torch.long) for x in ([len(g) for g in graphs], node_color, edge_color)
    )


def relabelled(batch: Batch) -> Batch:
    """The same graphs with other numbers for their nodes, and their edges in another order."""
    ends, sizes, node_color, edge_color = batch
    old = (torch.repeat_interleave(sizes) + torch.rand(int(sizes.sum()), dtype=torch.float64)).argsort()
    edge = torch.randperm(ends.size(1))
    return torch.argsort(old)[ends][:, edge], sizes, node_color[old], edge_color[edge]


def forms(batch: Batch) -> list[tuple]:
    """Of each graph in its canonical order the colors of the nodes, and its edges."""
    ends, sizes, node_color, edge_color = batch
    order = canonical_labelling(*batch).order
    place, graph = torch.argsort(order), torch.repeat_interleave(sizes)
    place, colors = place - (sizes.cumsum(0) - sizes)[graph], node_color[order].split(sizes.tolist())
    rows = torch.stack([graph[ends[0]], *place[ends], edge_color]).t()
    edges = [[] for _ in colors]
    for own, *row in sorted(rows.tolist()):
        edges[own].append(tuple(row))
    return [(tuple(c.tolist()), tuple(e)) for c, e in zip(colors, edges, strict=True)]


def failures(graphs: Sequence[nx.Graph], copies: int, alone: int, at_once: int = 2000) -> tuple[int, set]:
    """How many relabellings got another form than the first, and all first forms."""
    failed, found = 0, set()
    for begin in range(0, len(graphs), at_once):
        part = graphs[begin : begin + at_once]
        batch = batched(part)
        first = forms(batch)
        found.update(first)
        for _ in range(copies):
            failed += sum(a != b for a, b in zip(forms(relabelled(batch)), first, strict=True))
        for graph, form in list(zip(part, first, strict=True))[:alone]:
            failed += sum(forms(relabelled(batched([graph])))[0] != form for _ in range(copies))
    return failed, found


def classes(graphs: Sequence[nx.Graph]) -> int:
    """The number of classes of isomorphic graphs by an independent program."""
    if not all(map(plain, graphs)):
        return _by_networkx(graphs)
    igraph = import_module("igraph")
    keys = set()
    for graph in graphs:
        one = igraph.Graph(len(graph), _pairs(graph))
        one = one.permute_vertices(one.canonical_permutation())
        keys.add((len(graph), tuple(sorted(tuple(sorted(pair)) for pair in one.get_edgelist()))))
    return len(keys)


def plain(graph: nx.Graph) -> bool:
    return not (graph.is_directed() or nx.get_node_attributes(graph, "color"))


def _pairs(graph: nx.Graph) -> list[list[int]]:
    return [list(edge) for edge in nx.convert_node_labels_to_integers(graph).edges()]


def _by_networkx(graphs: Sequence[nx.Graph]) -> int:
    same = {"node_match": nx.algorithms.isomorphism.categorical_node_match("color", 0)}
    same["edge_match"] = nx.algorithms.isomorphism.categorical_edge_match("color", 0)
    kinds: dict[tuple, list[nx.Graph]] = {}
    for graph in graphs:
        degrees = zip(graph.degree(), graph.nodes(data="color", default=0), strict=True)
        key = tuple(sorted((d, c) for (_, d), (_, c) in degrees))
        known = kinds.setdefault(key, [])
        if not any(nx.is_isomorphic(graph, other, **same) for other in known):
            known.append(graph)
    return sum(map(len, kinds.values()))


def seconds(graphs: Sequence[nx.Graph]) -> list[float]:
    """CPU time of a graph, its order and automorphisms: ours in a batch, ours alone, pynauty, igraph."""
    times, some = [], list(graphs[:50])
    many = list(graphs) * (1 + 500 // len(graphs))
    for batches in ([batched(many)], [batched([graph]) for graph in some]):
        begin = time.process_time()
        for batch in batches:
            canonical_labelling(*batch)
        times.append((time.process_time() - begin) / (len(many) if len(batches) == 1 else len(some)))
    for program in (by_pynauty, by_igraph):
        pairs = [(len(graph), _pairs(graph)) for graph in graphs]
        begin = time.process_time()
        for size, edges in pairs:
            program(size, edges, [list(range(size))])
        times.append((time.process_time() - begin) / len(graphs))
    return times


def cases(named: Sequence[str], seed: int) -> Iterator[tuple[str, list[nx.Graph], int | None]]:
    """Name, graphs and the published number of classes of the families with these words in their names."""

    def wanted(name: str) -> bool:
        return not named or any(word in name for word in named)

    if wanted("trees"):
        trees = [tree for n in families.TREES for tree in nx.nonisomorphic_trees(n)]
        yield "trees, 2 to 14 nodes", trees, sum(families.TREES.values())
    for degree, largest in LARGEST.items():
        name, counts = f"{degree}-regular, to {largest} nodes", families.REGULAR[degree]
        if wanted(name):
            sizes = [n for n in counts if n <= largest]
            found = [graph for n in sizes for graph in families.regular_graphs(degree, n, forms_of, seed)]
            yield name, found, sum(counts[n] for n in sizes)
    for name, make in families.FAMILIES.items():
        if wanted(name):
            yield name, list(make()), None


def forms_of(graphs: Sequence[nx.Graph]) -> list[tuple]:
    return forms(batched(graphs)) if graphs else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, default=20, help="relabellings of every graph (20)")
    parser.add_argument("families", nargs="*", help="words in the names of families; default all")
    parser.add_argument("--graph6", help="the graphs of this file instead, one a line; none is given twice")
    parser.add_argument("--alone", type=int, default=100, help="graphs of a family labelled alone, too (100)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.manual_seed(given.seed)
    torch.set_num_threads(1)
    header = "family", "graphs", "relabellings", "failures", "forms", "classes", "ms", "alone"
    chosen = cases(given.families, given.seed)
    if given.graph6:
        graphs = nx.read_graph6(given.graph6)
        chosen = [(given.graph6, graphs, len(graphs))]
    for line in table([*header, "pynauty", "igraph"], (row(*case, given) for case in chosen)):
        print(line, flush=True)


def row(name: str, graphs: list[nx.Graph], known: int | None, given: argparse.Namespace) -> list[str | int]:
    failed, found = failures(graphs, given.copies, given.alone)
    alone = min(given.alone, len(graphs))
    times = [f"{1000 * t:.2f}" for t in seconds(graphs)] if all(map(plain, graphs)) else [""] * 4
    labelled = given.copies * (len(graphs) + alone)
    return [name, len(graphs), labelled, failed, len(found), known or classes(graphs), *times]


if __name__ == "__main__":
    main()
