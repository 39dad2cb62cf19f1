"""Batched refinement in both its ways against dictionaries, and integer tools against loops."""

import networkx as nx
import pytest
import torch

from fa_pyg.canonical import cells
from fa_pyg.canonical.cells import Cells
from fa_pyg.canonical.colors import simple_graphs
from fa_pyg.canonical.integers import lexsort, ragged_arange, ranks, run_starts, union


def refined(edges, color):
    """Color refinement of one graph until the number of colors stays."""
    while True:
        new = [(c, sorted((k, color[b]) for a, b, k in edges if a == v)) for v, c in enumerate(color)]
        names = {repr(key): i for i, key in enumerate(sorted(new, key=repr))}
        new = [names[repr(key)] for key in new]
        if len(set(new)) == len(set(color)):
            return new
        color = new


def same_cells(a, b):
    return len(set(a)) == len(set(b)) == len(set(zip(a, b, strict=True)))


@pytest.mark.parametrize("rounds", [64, 0], ids=["all nodes", "what has changed"])
@pytest.mark.parametrize("kinds", [1, 3])
def test_refinement(monkeypatch, kinds, rounds):
    monkeypatch.setattr(cells, "ROUNDS", rounds)
    sizes = torch.randint(1, 15, (80,))
    first, graph = sizes.cumsum(0) - sizes, torch.repeat_interleave(sizes)
    own = torch.randint(0, 80, (500,))
    ends = (torch.rand(2, 500) * sizes[own]).long() + first[own]
    node_color, edge_color = torch.randint(0, 2, (len(graph),)), torch.randint(0, kinds, (500,))
    graphs = simple_graphs(ends, sizes, node_color, edge_color)
    one, edges = Cells.of(graphs).refine(), torch.stack([graphs.row, graphs.col, graphs.kind]).t()
    target = one.target()
    member = (one.color == target[one.partition]).nonzero().view(-1)
    node = torch.full_like(target, len(graph)).scatter_reduce_(0, one.partition[member], member, "amin")
    some = (target >= 0).nonzero().view(-1)
    part = one.select(some)
    second = part.individualize(node[some] - one.first[some] + part.first).refine()
    parts = dict(zip(some.tolist(), second.color.split(sizes[some].tolist()), strict=True))
    for i, (f, n) in enumerate(zip(first.tolist(), sizes.tolist(), strict=True)):
        of_graph = [(a - f, b - f, k) for a, b, k in edges.tolist() if f <= a < f + n]
        found = one.color[f : f + n].tolist()
        expected = refined(of_graph, graphs.color[f : f + n].tolist())
        assert same_cells(found, expected)
        assert int(one.count[i]) == len(set(found))
        assert all(found.count(c) == int(size) for c, size in zip(found, one.size[f : f + n], strict=True))
        assert all(sorted(found).index(c) == c for c in found)  # a color is the first place of its cell
        if i in parts:
            expected = refined(of_graph, [2 * c + (v == int(node[i]) - f) for v, c in enumerate(found)])
            assert same_cells(parts[i].tolist(), expected)
        else:
            assert len(set(found)) == n


def test_a_partition_does_not_depend_on_the_others():
    """Alone, in a matrix of several partitions of one graph, on copies, and with parallel kinds elsewhere."""
    ring, ladder = nx.cycle_graph(9), nx.circular_ladder_graph(7)
    edges = [torch.tensor(list(graph.edges())).t() for graph in (ring, ladder)]
    zero = torch.zeros(9 + 14 + 3, dtype=torch.long)
    ends = torch.cat([edges[0], edges[1] + 9, torch.tensor([[23, 24], [24, 25]])], dim=1)
    kind = torch.zeros_like(ends[0])
    kind[-1] = 1
    mixed = simple_graphs(torch.cat([ends, ends.flip(0)], 1), torch.tensor([9, 14, 3]), zero, kind.repeat(2))
    plain = simple_graphs(
        torch.cat([ends, ends.flip(0)], 1), torch.tensor([9, 14, 3]), zero, kind.repeat(2) * 0
    )
    assert plain.plain
    assert not mixed.plain

    def below(graphs, graph, node):
        cells = Cells.of(graphs).refine().select(torch.tensor(graph))
        cells = cells.individualize(cells.first + torch.tensor(node)).refine()
        return [part.tolist() for part in cells.color.split(cells.sizes.tolist())], cells.score().tolist()

    graph, node = [1, 0, 1, 1, 1, 0], [3, 2, 9, 13, 0, 8]
    expected = [below(plain, [g], [n]) for g, n in zip(graph, node, strict=True)]
    for graphs in (plain, mixed):
        colors, scores = below(graphs, graph, node)
        assert [([c], [s]) for c, s in zip(colors, scores, strict=True)] == expected


def test_descent_ends_with_one_node_a_cell():
    ring = torch.arange(12)
    graphs = simple_graphs(torch.stack([ring, ring.roll(-1)]), torch.tensor([12]), ring * 0, ring * 0)
    cells = Cells.of(graphs).refine()
    assert cells.color.max() == 0
    assert torch.equal(cells.descend().color.sort().values, ring)


def test_integer_tools():
    a, b = torch.randint(-3, 3, (2, 200))
    rows = list(zip(a.tolist(), b.tolist(), strict=True))
    order = lexsort(a, b).tolist()
    assert order == sorted(range(200), key=lambda i: rows[i])
    names = {row: i for i, row in enumerate(sorted(set(rows)))}
    assert ranks(a, b).tolist() == [names[row] for row in rows]
    assert int(run_starts(a[order], b[order]).sum()) == len(names)
    number, row = ragged_arange(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert (number.tolist(), row.tolist()) == ([5, 6, 9, 10, 11], [0, 0, 2, 2, 2])


def test_union():
    ends = torch.randint(0, 100, (2, 70))
    label, expected = union(torch.arange(100), *ends), list(range(100))
    for _ in range(100):
        for a, b in ends.t().tolist():
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert label.tolist() == expected
