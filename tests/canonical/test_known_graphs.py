"""Graphs with many automorphisms, graphs that refinement alone does not tell apart, and large ones."""

import time

import networkx as nx
import pytest
import torch

from fa_pyg.canonical import canonical_labelling, choice
from fa_pyg.canonical.cells import Cells
from fa_pyg.canonical.colors import simple_graphs


def paley(q):
    squares = {i * i % q for i in range(1, q)}
    return nx.circulant_graph(q, squares)


def rook(n):
    return nx.line_graph(nx.complete_bipartite_graph(n, n))


def union(graph, times):
    return nx.disjoint_union_all([graph] * times)


# Graph, orbits of nodes, orbits of directed edges.
KNOWN = {
    "no edges": (nx.empty_graph(30), 1, 0),
    "K_20": (nx.complete_graph(20), 1, 1),
    "K_200": (nx.complete_graph(200), 1, 1),
    "star": (nx.star_graph(499), 2, 2),
    "K_{30,30}": (nx.complete_bipartite_graph(30, 30), 1, 1),
    "K_{30,40}": (nx.complete_bipartite_graph(30, 40), 2, 2),
    "cocktail party": (nx.complete_multipartite_graph(*[2] * 20), 1, 1),
    "triangles": (union(nx.complete_graph(3), 50), 1, 1),
    "Petersen graphs": (union(nx.petersen_graph(), 20), 1, 1),
    "no pentagons": (nx.complement(union(nx.cycle_graph(5), 12)), 1, 2),
    "twins on a cycle": (nx.lexicographic_product(nx.cycle_graph(30), nx.empty_graph(2)), 1, 1),
    "binary tree": (nx.balanced_tree(2, 9), 10, 18),
    "path": (nx.path_graph(101), 51, 100),
    "cycle": (nx.cycle_graph(100), 1, 1),
    "ladder": (nx.circular_ladder_graph(40), 1, 2),
    "Petersen": (nx.petersen_graph(), 1, 1),
    "dodecahedron": (nx.dodecahedral_graph(), 1, 1),
    "Tutte": (nx.tutte_graph(), None, None),
    "Frucht": (nx.frucht_graph(), 12, 36),  # cubic without automorphisms
    "cube": (nx.hypercube_graph(3), 1, 1),
    "6-cube": (nx.hypercube_graph(6), 1, 1),
    "torus": (nx.grid_2d_graph(9, 9, periodic=True), 1, 1),
    "rook": (rook(4), 1, 1),
    "rook 7": (rook(7), 1, 1),
    "Shrikhande": ("shrikhande", 1, 1),
    "Paley": (paley(29), 1, 1),
    "CSL(41, 9)": (nx.circulant_graph(41, [1, 9]), 1, 1),  # 9 * 9 = -1 modulo 41
    "CSL(41, 3)": (nx.circulant_graph(41, [1, 3]), 1, 2),
    "CSL(41, 2)": (nx.circulant_graph(41, [1, 2]), 1, 2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_orbits_and_relabellings(make, name):
    graph, orbits, edge_orbits = KNOWN[name]
    graph = make.shrikhande() if graph == "shrikhande" else graph
    edge_index, sizes = make.batched([graph])
    found = canonical_labelling(edge_index, sizes)
    if orbits is not None:
        assert len(found.orbit.unique()) == orbits
        assert len(found.edge_orbit.unique()) == edge_orbits
    form = make.same_form(edge_index, sizes, times=20 if len(graph) <= 40 else 2)
    assert make.forms(edge_index, sizes, labelling=found) == [form]


def pairs(make):
    k4, k5 = nx.complete_graph(4), nx.complete_graph(5)
    return [
        (make.shrikhande(), rook(4)),
        (make.cfi(k4, False), make.cfi(k4, True)),
        (make.cfi(k5, False), make.cfi(k5, True)),
        (nx.circulant_graph(41, [1, 2]), nx.circulant_graph(41, [1, 3])),
        (union(nx.cycle_graph(3), 2), nx.cycle_graph(6)),
    ]


def test_similar_graphs_differ(make):
    """And the negative control: refinement alone finds the same cells and the same arcs between them."""
    graphs = [graph for pair in pairs(make) for graph in pair]
    edge_index, sizes = make.batched(graphs)
    simple = simple_graphs(
        edge_index, sizes, *(torch.zeros(n).long() for n in (sizes.sum(), edge_index.size(1)))
    )
    score = Cells.of(simple).refine().score()
    assert torch.equal(score[::2], score[1::2])
    forms = make.forms(edge_index, sizes)
    assert all(a != b for a, b in zip(forms[::2], forms[1::2], strict=True))
    for graph, form in zip(graphs, forms, strict=True):
        assert make.same_form(*make.batched([graph])) == form


@pytest.mark.parametrize("colors", [1, 3])
def test_formulas(make, colors):
    for _ in range(3):
        edge_index, sizes, node_color = make.formula(8, 24)
        edge_color = torch.randint(0, colors, (edge_index.size(1),))
        graph = edge_index, sizes, node_color, edge_color
        form = make.same_form(*graph)
        other = edge_color.clone()
        other[0] = 7
        assert make.forms(edge_index, sizes, node_color, other) != [form]


def latin_square():
    """Cells of a square that share a row, a column or a symbol: very regular, with few automorphisms."""
    order = torch.tensor(
        [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 3, 4, 0, 1], [3, 4, 1, 2, 0], [4, 2, 0, 1, 3]]
    )
    cells = [(i, j, int(order[i, j])) for i in range(5) for j in range(5)]
    alike = [
        (a, b) for a in cells for b in cells if a < b and sum(x == y for x, y in zip(a, b, strict=True)) == 1
    ]
    return nx.Graph(alike)


def test_very_regular(make):
    edge_index, sizes = make.batched([latin_square()])
    assert 1 < len(canonical_labelling(edge_index, sizes).orbit.unique()) < 25
    make.same_form(edge_index, sizes)


def test_directed_cycle_and_tournament():
    """Directed edges: a directed cycle has no reflection, so its edges and their reverses are told apart."""
    n = torch.arange(7)
    ends = torch.stack([n, (n + 1) % 7])
    found = canonical_labelling(torch.cat([ends, ends.flip(0)], dim=1), torch.tensor([7]))
    assert (found.orbit.max(), found.edge_orbit.max()) == (0, 0)
    color = torch.arange(2).repeat_interleave(7)
    found = canonical_labelling(torch.cat([ends, ends.flip(0)], dim=1), torch.tensor([7]), edge_color=color)
    assert found.orbit.max() == 0
    assert found.edge_orbit.tolist() == [0] * 7 + [7] * 7


@pytest.mark.parametrize(
    "graph",
    [
        nx.path_graph(10_000),
        nx.star_graph(499),
        nx.complete_graph(200),
        nx.random_labeled_tree(10_000, seed=0),
        union(nx.cubical_graph(), 500),
    ],
    ids=["path", "star", "complete", "tree", "cubes"],
)
def test_large(make, graph):
    edge_index, sizes = make.batched([graph])
    start = time.perf_counter()
    found = canonical_labelling(edge_index, sizes)
    assert time.perf_counter() - start < 20  # 0.1 s and 4 s for the path
    assert torch.equal(found.order.sort().values, torch.arange(len(graph)))


def test_too_hard(make, monkeypatch):
    """A bound on the choices that are kept; one that automorphisms reduce to one is never too much."""
    edge_index, sizes = make.batched([nx.path_graph(3), paley(29), latin_square()])
    canonical_labelling(edge_index, sizes)
    monkeypatch.setattr(choice, "TOO_MANY", 500)
    with pytest.raises(ValueError, match=r"edge_index: expected .* found graph 2 too hard"):
        canonical_labelling(edge_index, sizes)
    canonical_labelling(*make.batched([paley(29)]))
