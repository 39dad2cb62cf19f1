"""Canonical labelling against brute force over all permutations, and against networkx."""

from itertools import permutations

import networkx as nx
import pytest
import torch

from fa_pyg.canonical import canonical_labelling, cells, orbits, partition, twins

COLORS = 3


def random_graph(most):
    """A directed multigraph with loops and colors, or with less of them: edge_index, size, colors."""
    n = int(torch.randint(0, most + 1, ()))
    edge_index = torch.randint(0, max(n, 1), (2, int(torch.randint(0, 2 * n + 2, ())) if n else 0))
    kind = torch.rand(4) < 0.5
    if kind[0]:
        edge_index = torch.cat([edge_index, edge_index.flip(0)], dim=1)
    if kind[1]:
        edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    if kind[2]:
        edge_index = edge_index.unique(dim=1)
    edge_color = torch.randint(0, COLORS if kind[3] else 1, (edge_index.size(1),))
    node_color = torch.randint(0, int(torch.randint(1, 3, ())), (n,))
    return edge_index, torch.tensor([n]), node_color, edge_color


def together(graphs):
    """Several graphs as one batch."""
    sizes = torch.cat([graph[1] for graph in graphs])
    first = (sizes.cumsum(0) - sizes).tolist()
    ends = torch.cat([graph[0] + f for graph, f in zip(graphs, first, strict=True)], dim=1)
    return ends, sizes, torch.cat([graph[2] for graph in graphs]), torch.cat([graph[3] for graph in graphs])


def brute_force(edge_index, sizes, node_color, edge_color):
    """The least of all forms, and the orbits of nodes and edges, from all n! permutations."""
    n = int(sizes)
    every = torch.tensor(list(permutations(range(n))), dtype=torch.long).reshape(-1 if n else 1, n)
    matrix = torch.zeros(n, n, COLORS, dtype=torch.long)
    matrix.index_put_((*edge_index, edge_color), torch.ones_like(edge_color), accumulate=True)
    rows = torch.cat([node_color[every], matrix[every[:, :, None], every[:, None, :]].flatten(1)], dim=1)
    kept = every[(rows == torch.cat([node_color, matrix.flatten()])).all(dim=1)]
    edges = list(zip(*edge_index.tolist(), edge_color.tolist(), strict=True))
    image = [{(int(p[u]), int(p[v]), c) for p in kept} for u, v, c in edges]
    edge_orbit = [min(i for i, edge in enumerate(edges) if edge in images) for images in image]
    return (n, *min(map(tuple, rows.tolist()))), kept.amin(dim=0), torch.tensor(edge_orbit).long()


def test_brute_force(make):
    graphs = [random_graph(5 + (i % 8 == 0)) for i in range(1200)]
    found = canonical_labelling(*together(graphs))
    forms = make.forms(*together(graphs), labelling=found)
    least, inverse, node, edge = {}, {}, 0, 0
    for graph, form in zip(graphs, forms, strict=True):
        key, orbit, edge_orbit = brute_force(*graph)
        assert least.setdefault(key, form) == form  # isomorphic: identical
        assert inverse.setdefault(form, key) == key  # identical: isomorphic
        assert torch.equal(found.orbit[node : node + len(orbit)], orbit + node)
        assert torch.equal(found.edge_orbit[edge : edge + len(edge_orbit)], edge_orbit + edge)
        node, edge = node + len(orbit), edge + len(edge_orbit)
    assert 100 < len(least) < len(graphs)  # many are isomorphic, many are not


@pytest.mark.parametrize("bits", [0, 1, 2, 3])
def test_poor_hashes_never_make_a_wrong_form(make, monkeypatch, bits):
    """Whatever is equal has been verified: a hash of a few bits costs time, or an error, never the truth."""

    def poor(*numbers):
        return sum(number * (i + 1) ** 2 for i, number in enumerate(numbers)) % 2**bits

    for module in (cells, orbits, partition, twins):
        monkeypatch.setattr(module, "hash_rows", poor)
    least, errors = {}, 0
    for _ in range(200):
        graph = random_graph(4)
        try:
            form, other = make.forms(*graph)[0], make.forms(*make.relabelled(*graph))[0]
        except RuntimeError as error:
            errors += "hashes" in str(error)
        else:
            assert least.setdefault(brute_force(*graph)[0], form) == form == other
    assert errors
    assert errors + len(least) > 100


def test_a_graph_does_not_depend_on_the_batch():
    graphs = [random_graph(9) for _ in range(60)]
    found = canonical_labelling(*together(graphs))
    node = edge = 0
    for graph in graphs:
        alone, n, m = canonical_labelling(*graph), int(graph[1]), graph[0].size(1)
        assert torch.equal(alone.order + node, found.order[node : node + n])
        assert torch.equal(alone.orbit + node, found.orbit[node : node + n])
        assert torch.equal(alone.edge_orbit + edge, found.edge_orbit[edge : edge + m])
        node, edge = node + n, edge + m


def test_all_small_graphs(make):
    """One node more, joined to any others, of all graphs with n nodes: 1, 2, 4, 11, ... (OEIS A000088)."""
    known, counts = [nx.empty_graph(1)], []
    for n in range(1, 7):
        grown = []
        for graph in known:
            for subset in range(2**n):
                larger = nx.Graph(graph)
                larger.add_node(n)
                larger.add_edges_from((n, i) for i in range(n) if subset >> i & 1)
                grown.append(larger)
        forms = make.forms(*make.batched(grown))
        known = list(dict(zip(forms, grown, strict=True)).values())
        counts.append(len(known))
    assert counts == [2, 4, 11, 34, 156, 1044]


@pytest.mark.parametrize("colored", [False, True])
def test_networkx(make, colored):
    graphs, pairs = [], 1500
    for i in range(pairs):
        graph = nx.gnm_random_graph(4 + i % 8, 3 + i % 11, seed=i)
        other = graph.copy()
        if i % 3 and nx.number_of_edges(graph) > 3:  # the same degrees
            nx.connected_double_edge_swap(other, 2, seed=i) if nx.is_connected(other) else _swap(other, i)
        graphs += [graph, other]
    edge_index, sizes = make.batched(graphs)
    node_color = torch.randint(0, 2, (len(graphs) // 2, 12)) if colored else torch.zeros(pairs, 12).long()
    color = torch.cat([node_color[i // 2, : len(graph)] for i, graph in enumerate(graphs)])
    forms = make.forms(*make.relabelled(edge_index, sizes, color))
    same = 0
    for i in range(pairs):
        for graph in graphs[2 * i : 2 * i + 2]:
            nx.set_node_attributes(graph, dict(enumerate(node_color[i].tolist()[: len(graph)])), "color")
        matches = nx.algorithms.isomorphism.categorical_node_match("color", 0)
        isomorphic = nx.is_isomorphic(*graphs[2 * i : 2 * i + 2], node_match=matches)
        assert (forms[2 * i] == forms[2 * i + 1]) == isomorphic
        same += isomorphic
    assert pairs // 4 < same < pairs - pairs // 10


def _swap(graph, seed):
    try:
        nx.double_edge_swap(graph, 1, max_tries=100, seed=seed)
    except nx.NetworkXException:  # no two edges can be exchanged
        graph.remove_edge(*next(iter(graph.edges())))


def test_only_the_order_of_colors_matters(make):
    edge_index, sizes, node_color, edge_color = together([random_graph(7) for _ in range(50)])
    found = canonical_labelling(edge_index, sizes, node_color, edge_color)
    wide = canonical_labelling(edge_index, sizes, node_color * 2**62 - 2**61, edge_color * 10**18 - 7)
    for name in ("order", "orbit", "edge_orbit"):
        assert torch.equal(getattr(found, name), getattr(wide, name))


def test_no_nodes_no_edges_one_node():
    none = torch.zeros(2, 0, dtype=torch.long)
    empty = canonical_labelling(none, torch.zeros(0, dtype=torch.long))
    assert [len(x) for x in (empty.order, empty.orbit, empty.edge_orbit)] == [0, 0, 0]
    found = canonical_labelling(none, torch.tensor([0, 1, 0, 3, 0]), torch.tensor([5, 2, 1, 2]))
    assert found.order.sort().values.tolist() == [0, 1, 2, 3]
    assert found.order[0] == 0
    assert found.orbit.tolist() == [0, 1, 2, 1]
    loop = canonical_labelling(torch.tensor([[0, 2, 2], [0, 2, 2]]), torch.tensor([3]))
    assert loop.orbit.tolist() == [0, 1, 2]
    assert loop.edge_orbit.tolist() == [0, 1, 1]


def test_another_default_device():
    graph = random_graph(6)
    with torch.device("meta"):  # holds no numbers: nothing must be made there
        found = canonical_labelling(*graph)
    assert torch.equal(found.order, canonical_labelling(*graph).order)


EDGES, SIZES = torch.tensor([[0, 1], [1, 0]]), torch.tensor([2, 1])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"edge_index": EDGES.int()}, r"edge_index: expected int64 \[2, E\], found torch.int32 \[2, 2\]"),
        ({"edge_index": EDGES[0]}, r"edge_index: expected int64 \[2, E\], found torch.int64 \[2\]"),
        ({"edge_index": [[0], [1]]}, "edge_index: expected .*, found a list"),
        ({"edge_index": EDGES + 2}, "edge_index: expected nodes from 0 to 2, found 2 to 3"),
        ({"edge_index": EDGES - 1}, "edge_index: expected nodes from 0 to 2, found -1 to 0"),
        ({"edge_index": EDGES + 1}, "found edge 0 from node 1 of graph 0 to node 2 of graph 1"),
        ({"sizes": 3}, "sizes: expected one int64 for each of the graphs, found a int"),
        ({"sizes": torch.tensor([4, -1])}, "sizes: expected numbers of nodes, found -1 for graph 1"),
        (
            {"node_color": torch.zeros(2).long()},
            r"node_color: .* each of the 3 nodes, found torch.int64 \[2\]",
        ),
        ({"edge_color": torch.zeros(2)}, r"edge_color: .* each of the 2 edges, found torch.float32 \[2\]"),
    ],
)
def test_bad_input(changes, match):
    with pytest.raises(ValueError, match=match):
        canonical_labelling(**{"edge_index": EDGES, "sizes": SIZES, **changes})
