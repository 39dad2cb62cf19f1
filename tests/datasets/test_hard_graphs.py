from itertools import combinations

import networkx as nx
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.utils import to_networkx, to_undirected

from fa_pyg.datasets import cfi_pair, csl, rook, shrikhande, strongly_regular_pair

CYCLE = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
TREE = torch.tensor([[0, 1, 1], [1, 2, 3]])
LOLLIPOP = torch.tensor([[0, 1, 2, 2], [1, 2, 0, 3]])  # a triangle with a leaf


def complete(n):
    return torch.combinations(torch.arange(n)).t()


def plain_cfi(base, twist):
    """Node by node, as the definition reads: nodes are (v, "S", even set) and (v, edge, bit)."""
    edges = sorted(tuple(sorted(edge)) for edge in base.edges)
    graph = nx.Graph()
    for v in base:
        own = [e for e in edges if v in e]
        for size in range(0, len(own) + 1, 2):
            for inside in combinations(own, size):
                graph.add_edges_from(((v, "S", inside), (v, e, e in inside)) for e in own)
    for e in edges:
        graph.add_edges_from(((e[0], e, b), (e[1], e, b != (e == twist))) for b in (False, True))
    return graph


def named(data, base):
    """Our graph with the names of the definition: first come the nodes (v, edge, bit)."""
    edges = sorted(tuple(sorted(edge)) for edge in base.edges)
    names = dict(enumerate((e[side], e, b) for side in (0, 1) for e in edges for b in (False, True)))
    neighbors = to_networkx(data, to_undirected=True).adj
    ends = len(names)
    for i in range(ends, data.num_nodes):
        inside = tuple(sorted(names[j][1] for j in neighbors[i] if names[j][2]))
        names[i] = (int(data.base[i]), "S", inside)
    assert all(names[i][0] == v for i, v in enumerate(data.base.tolist()))
    return nx.Graph({names[i]: [names[j] for j in neighbors[i]] for i in names})


def check(data, nodes, edges):
    data.validate()
    assert (data.num_nodes, data.num_edges) == (nodes, 2 * edges)
    assert torch.equal(data.x, torch.ones(nodes, 1))
    assert data.is_undirected()
    assert data.is_coalesced()
    assert not data.has_self_loops()


@pytest.mark.parametrize("base", [complete(4), complete(5), complete(3), CYCLE, LOLLIPOP, TREE])
def test_cfi_graphs_are_the_definition(base):
    plain = nx.Graph(base.t().tolist())
    for data, twist in zip(cfi_pair(base), (None, (0, 1)), strict=True):
        expected = plain_cfi(plain, twist)
        check(data, expected.number_of_nodes(), expected.number_of_edges())
        ours = named(data, plain)
        assert set(ours) == set(expected)
        assert set(map(frozenset, ours.edges)) == set(map(frozenset, expected.edges))


@pytest.mark.parametrize("base", [complete(3), CYCLE, LOLLIPOP, TREE])
def test_small_cfi_pairs_are_not_isomorphic(base):
    plain = nx.Graph(base.t().tolist())
    one, other, moved = (plain_cfi(plain, twist) for twist in (None, (0, 1), (1, 2)))
    assert not nx.is_isomorphic(one, other)
    assert nx.is_isomorphic(other, moved)  # any edge may be the twisted one


@pytest.mark.parametrize(("n", "nodes"), [(4, 40), (5, 80)])
def test_cfi_pairs_are_the_same_to_1_wl_and_not_isomorphic(n, nodes, oracle):
    one, other = cfi_pair(complete(n))
    assert one.num_nodes == other.num_nodes == nodes
    assert oracle.refine(one, other)
    # One node (v, S) of each of n - 2 base nodes: what is left of the base has no cycle, where 1-WL succeeds.
    chosen = [(one.base == v).nonzero()[-1].item() for v in range(n - 2)]
    assert len(oracle.matches(one, other, chosen)) == 0
    order = torch.randperm(nodes)
    assert len(oracle.matches(one, Data(edge_index=order[one.edge_index], num_nodes=nodes), chosen)) > 0


def test_over_a_tree_1_wl_tells_them_apart(oracle):
    """Negative control."""
    assert not oracle.refine(*cfi_pair(TREE))
    assert oracle.refine(*cfi_pair(LOLLIPOP))


def test_a_base_edge_may_come_in_both_directions():
    for one, other in zip(cfi_pair(complete(4)), cfi_pair(to_undirected(complete(4))), strict=True):
        assert torch.equal(one.edge_index, other.edge_index)
        assert torch.equal(one.base, other.base)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ([[0, 1], [1, 2]], "int64 of shape"),
        (torch.zeros(2, 0, dtype=torch.long), "with an edge"),
        (torch.rand(2, 3), "int64"),
        (torch.tensor([[0, 1], [1, 1]]), "no self-loops"),
        (torch.tensor([[0, -1], [1, 1]]), "no negative numbers"),
        (torch.tensor([[0, 2], [1, 3]]), "a connected graph"),
        (torch.tensor([[0, 1], [1, 3]]), "a connected graph"),  # node 2 is alone
    ],
)
def test_no_base(base, expected):
    with pytest.raises(ValueError, match=rf"base_edge_index: expected .*{expected}.*, found [^$]*"):
        cfi_pair(base)


def common_neighbors(data):
    a = torch.zeros(data.num_nodes, data.num_nodes, dtype=torch.long)
    a[tuple(data.edge_index)] = 1
    shared = a @ a
    return set(shared[a == 1].tolist()), set(shared[(a == 0) & ~torch.eye(len(a), dtype=torch.bool)].tolist())


def test_strongly_regular_pair(oracle):
    one, other = strongly_regular_pair()
    for data in (one, other):
        check(data, 16, 48)
        assert (data.edge_index[0].bincount() == 6).all()
        assert common_neighbors(data) == ({2}, {2})
    assert oracle.refine(one, other)
    assert not oracle.isomorphic(one, other)
    assert oracle.isomorphic(other, rook(4))
    assert oracle.isomorphic(one, shrikhande())


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_rook_is_the_line_graph_of_the_complete_bipartite_graph(m, oracle):
    data = rook(m)
    check(data, m * m, m * m * (m - 1))
    assert nx.is_isomorphic(oracle.as_networkx(data), nx.line_graph(nx.complete_bipartite_graph(m, m)))


def test_shrikhande_has_hexagons_around_each_node(oracle):
    """In the rook's graph the neighbors of a node are two triangles."""
    for data, cycles in ((shrikhande(), [6]), (rook(4), [3, 3])):
        graph = oracle.as_networkx(data)
        around = [graph.subgraph(graph[i]) for i in graph]
        assert all(sorted(map(len, nx.connected_components(part))) == cycles for part in around)


def closed_walks(graph):
    """Numbers that isomorphic graphs share, exact."""
    a = nx.to_numpy_array(graph, dtype=object).astype(int).astype(object)
    power, traces = a, []
    for _ in range(12):
        power = power @ a
        traces.append(power.trace())
    return tuple(traces)


def test_csl_has_ten_classes(oracle):
    graphs = csl()
    for graph in graphs:
        check(graph, 41, 82)
        assert (graph.edge_index[0].bincount() == 4).all()
    assert [int(graph.y) for graph in graphs] == list(range(10))
    assert len({closed_walks(oracle.as_networkx(graph)) for graph in graphs}) == 10
    assert all(oracle.refine(graphs[0], graph) for graph in graphs[1:])


def test_csl_is_a_circulant_graph(oracle):
    for skip, graph in zip((2, 3), csl(11, (2, 3)), strict=True):
        assert set(oracle.as_networkx(graph).edges) == set(nx.circulant_graph(11, [1, skip]).edges)


@pytest.mark.parametrize("other", [6, 9])
def test_the_same_class_under_another_skip(other, oracle):
    """Negative control: 1 / 2 = 6 and -2 = 9 modulo 11."""
    one, two = csl(11, (2, other))
    assert oracle.isomorphic(one, two)
    assert closed_walks(oracle.as_networkx(one)) == closed_walks(oracle.as_networkx(two))


def test_copies_are_numbered_at_random(oracle):
    graphs = csl(11, (2, 3), copies=3, seed=1)
    assert [int(graph.y) for graph in graphs] == [0, 0, 0, 1, 1, 1]
    assert torch.equal(graphs[3].edge_index, csl(11, (2, 3))[1].edge_index)
    assert not torch.equal(graphs[0].edge_index, graphs[1].edge_index)
    assert all(oracle.isomorphic(graphs[0], graph) for graph in graphs[1:3])
    assert len(csl(copies=15)) == 150


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (csl, {"n": 4}, "n: expected an integer >= 5, found 4"),
        (csl, {"skips": (1,)}, "skips: expected integers coprime to 41, from 2 to 39.*, found 1"),
        (csl, {"n": 10, "skips": (5,)}, "skips: expected integers coprime to 10.*, found 5"),
        (csl, {"skips": (2.0,)}, r"skips: expected .*, found 2.0"),
        (csl, {"copies": 0}, "copies: expected a positive integer, found 0"),
        (rook, {"m": 1}, "m: expected an integer >= 2, found 1"),
    ],
)
def test_bad_arguments(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)
