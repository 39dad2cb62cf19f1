"""Slow, plain answers about graphs: satisfiability, color refinement, isomorphism; what needs xTB."""

from collections import Counter

import networkx as nx
import pytest
import torch
from torch_geometric.utils import to_networkx


def as_networkx(data):
    """With the row of ``x`` as color."""
    graph = to_networkx(data, to_undirected=True)
    nx.set_node_attributes(graph, {i: tuple(row) for i, row in enumerate(data.x.tolist())}, "x")
    return graph


def decode(data):
    """The clauses of a formula's graph, as sets of whole numbers, where -v is the negation of v."""
    graph, literal = as_networkx(data), {}
    literals = {i for i, row in enumerate(data.x.tolist()) if row == [0.0, 1.0]}
    for i in literals:
        (negation,) = literals & set(graph[i])
        literal[i] = i + 1 if i < negation else -(negation + 1)
    clauses = set(graph) - literals
    assert all(set(graph[c]) <= literals for c in clauses)
    return [frozenset(literal[i] for i in graph[c]) for c in clauses]


def solve(clauses):
    """Davis, Putnam, Logemann, Loveland: set a literal of the shortest clause, then its negation."""
    if not clauses:
        return True
    shortest = min(clauses, key=len)
    if not shortest:
        return False
    literal = min(shortest)
    choices = [literal] if len(shortest) == 1 else [literal, -literal]
    return any(solve([c - {-choice} for c in clauses if choice not in c]) for choice in choices)


def refine(one, other):
    """Whether 1-WL gives both graphs the same colors, by dictionaries."""
    graph = nx.disjoint_union(as_networkx(one), as_networkx(other))
    colors, number = nx.get_node_attributes(graph, "x"), 0
    while len(set(colors.values())) > number:
        number = len(set(colors.values()))
        words = {i: (colors[i], tuple(sorted(map(str, (colors[j] for j in graph[i]))))) for i in graph}
        names = {word: k for k, word in enumerate(sorted(set(words.values()), key=str))}
        colors = {i: names[word] for i, word in words.items()}
    first, second = ([colors[i] for i in graph if (i < one.num_nodes) is side] for side in (True, False))
    return Counter(first) == Counter(second)


def isomorphic(one, other):
    """Component by component, each by VF2."""
    left, right = (components(as_networkx(data)) for data in (one, other))
    for part in left:
        same = [i for i, p in enumerate(right) if nx.is_isomorphic(part, p, node_match=lambda a, b: a == b)]
        if not same:
            return False
        right.pop(same[0])
    return not right


def components(graph):
    return [graph.subgraph(nodes) for nodes in nx.connected_components(graph)]


def matches(one, other, chosen):
    """The choices of nodes of the other graph that 1-WL cannot tell from these of the first: with none, the
    graphs are not isomorphic, as an isomorphism would lead to one."""
    found = torch.zeros(1, 0, dtype=torch.long)
    for k in range(len(chosen)):
        everywhere = torch.arange(other.num_nodes).repeat(len(found), 1).view(-1, 1)
        found = torch.cat([found.repeat_interleave(other.num_nodes, dim=0), everywhere], dim=1)
        target = marked(one, torch.tensor([chosen[: k + 1]]))
        found = torch.cat([part[(marked(other, part) == target).all(1)] for part in found.split(1 << 12)])
    return found


def marked(data, chosen, rounds=10):
    """Sorted colors [C, n] of 1-WL where each choice [C, k] of nodes has colors of its own. Hashed: two
    colors may agree by chance, but never differ by chance."""
    colors = torch.zeros(len(chosen), data.num_nodes, dtype=torch.long)
    for k in range(chosen.shape[1]):
        colors.scatter_(1, chosen[:, k : k + 1], k + 1, reduce="add")
    row, col = data.edge_index
    for _ in range(rounds):
        mixed = (colors + 12345) * 6364136223846793005
        mixed = (mixed ^ mixed >> 31) * 2685821657736338717
        colors = mixed.clone().mul_(31).index_add_(1, col, mixed[:, row] ^ mixed[:, row] >> 29)
    return colors.sort(dim=1).values


@pytest.fixture(scope="session")
def oracle():
    """The functions above by name."""

    class Oracle:
        pass

    for function in (as_networkx, components, decode, solve, refine, isomorphic, matches):
        setattr(Oracle, function.__name__, staticmethod(function))
    return Oracle


@pytest.fixture
def tblite():
    pytest.importorskip("tblite", reason="GFN2-xTB: pip install 'fa_pyg[chem]'")
