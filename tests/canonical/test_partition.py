"""Batched refinement against refinement with dictionaries, and integer tools against loops."""

import pytest
import torch

from fa_pyg.canonical.colors import simple_graphs
from fa_pyg.canonical.integers import heads, join, lexsort, ranks, spans
from fa_pyg.canonical.partition import Partition


def refined(edges, color):
    """Colour refinement of one graph until the number of colours stays."""
    while True:
        new = [(c, sorted((k, color[b]) for a, b, k in edges if a == v)) for v, c in enumerate(color)]
        names = {repr(key): i for i, key in enumerate(sorted(new, key=repr))}
        new = [names[repr(key)] for key in new]
        if len(set(new)) == len(set(color)):
            return new
        color = new


def same_cells(a, b):
    return len(set(a)) == len(set(b)) == len(set(zip(a, b, strict=True)))


@pytest.mark.parametrize("kinds", [1, 3])
def test_refinement(kinds):
    sizes = torch.randint(1, 15, (80,))
    first, graph = sizes.cumsum(0) - sizes, torch.repeat_interleave(sizes)
    own = torch.randint(0, 80, (500,))
    ends = (torch.rand(2, 500) * sizes[own]).long() + first[own]
    node_color, edge_color = torch.randint(0, 2, (len(graph),)), torch.randint(0, kinds, (500,))
    graphs = simple_graphs(ends, sizes, node_color, edge_color)
    partition, edges = Partition(graphs).refine_all(), torch.stack([graphs.row, graphs.col, graphs.kind]).t()
    second = Partition(graphs).refine_all()
    target = second.target()
    second.individualise(torch.stack([(second.color == t).nonzero()[0, 0] for t in target[target >= 0]]))
    for i, (f, n) in enumerate(zip(first.tolist(), sizes.tolist(), strict=True)):
        of_graph = [(a - f, b - f, k) for a, b, k in edges.tolist() if f <= a < f + n]
        found = partition.local[f : f + n].tolist()
        expected = refined(of_graph, graphs.color[f : f + n].tolist())
        assert same_cells(found, expected)
        assert all(found.count(c) == int(partition.size[f + c]) for c in found)
        assert all(sorted(found).index(c) == c for c in found)  # a colour is the first place of its cell
        if target[i] >= 0:
            node = found.index(int(target[i]) - f)
            expected = refined(of_graph, [2 * c + (v == node) for v, c in enumerate(found)])
            assert same_cells(second.local[f : f + n].tolist(), expected)
        else:
            assert len(set(found)) == n


def test_descent_ends_with_one_node_a_cell():
    ring = torch.arange(12)
    graphs = simple_graphs(torch.stack([ring, ring.roll(-1)]), torch.tensor([12]), ring * 0, ring * 0)
    assert Partition(graphs).refine_all().color.max() == 0
    assert torch.equal(Partition(graphs).refine_all().descend().color.sort().values, ring)


def test_integer_tools():
    a, b = torch.randint(-3, 3, (2, 200))
    rows = list(zip(a.tolist(), b.tolist(), strict=True))
    order = lexsort(a, b).tolist()
    assert order == sorted(range(200), key=lambda i: rows[i])
    names = {row: i for i, row in enumerate(sorted(set(rows)))}
    assert ranks(a, b).tolist() == [names[row] for row in rows]
    assert int(heads(a[order], b[order]).sum()) == len(names)
    number, row = spans(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert (number.tolist(), row.tolist()) == ([5, 6, 9, 10, 11], [0, 0, 2, 2, 2])


def test_join():
    ends = torch.randint(0, 100, (2, 70))
    label, expected = join(torch.arange(100), *ends), list(range(100))
    for _ in range(100):
        for a, b in ends.t().tolist():
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert label.tolist() == expected
