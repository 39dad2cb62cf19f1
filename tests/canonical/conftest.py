"""Graphs of networkx as batches, and canonical forms of batches."""

import networkx as nx
import pytest
import torch

from fa_pyg.canonical import canonical_labelling


def batched(graphs):
    """The undirected graphs as one batch: edge_index, sizes."""
    edges, first = [], 0
    for graph in graphs:
        numbers = {node: first + i for i, node in enumerate(graph)}
        edges += [(numbers[a], numbers[b]) for u, v in graph.edges() for a, b in ((u, v), (v, u))]
        first += len(graph)
    edge_index = torch.tensor(edges, dtype=torch.long).view(-1, 2).t().contiguous()
    return edge_index, torch.tensor([len(graph) for graph in graphs], dtype=torch.long)


def forms(edge_index, sizes, node_color=None, edge_color=None, labelling=None):
    """Of each graph a tuple that equals another's if, and only if, their canonical forms are identical."""
    found = labelling or canonical_labelling(edge_index, sizes, node_color, edge_color)
    nodes, count = len(found.order), len(sizes)
    color = torch.zeros(nodes, dtype=torch.long) if node_color is None else node_color
    edge_color = torch.zeros_like(edge_index[0]) if edge_color is None else edge_color
    place = torch.empty_like(found.order).scatter_(0, found.order, torch.arange(nodes))
    graph, first = torch.repeat_interleave(sizes), sizes.cumsum(0) - sizes
    assert torch.equal(graph[found.order], graph)
    place -= first[graph]
    colors = color[found.order].split(sizes.tolist())
    own = graph[edge_index[0]]
    rows = torch.stack([own, *place[edge_index], edge_color], dim=1).tolist()
    edges = [[] for _ in range(count)]
    for row in sorted(rows):
        edges[row[0]].append(tuple(row[1:]))
    return [(tuple(c.tolist()), tuple(e)) for c, e in zip(colors, edges, strict=True)]


def relabelled(edge_index, sizes, node_color=None, edge_color=None):
    """The same graphs with other numbers for their nodes, and their edges in another order."""
    graph = torch.repeat_interleave(sizes)
    old = (graph + torch.rand(len(graph), dtype=torch.float64)).argsort()
    new = torch.empty_like(old).scatter_(0, old, torch.arange(len(old)))
    edge = torch.randperm(edge_index.size(1))
    colors = (
        None if node_color is None else node_color[old],
        None if edge_color is None else edge_color[edge],
    )
    return new[edge_index][:, edge], sizes, *colors


def same_form(edge_index, sizes, node_color=None, edge_color=None, times=20):
    """The form of one graph; that as many relabellings have it too is asserted."""
    one = edge_index, sizes, node_color, edge_color
    every = [one, *(relabelled(*one) for _ in range(times))]
    ends = torch.cat([graph[0] + i * int(sizes) for i, graph in enumerate(every)], dim=1)
    colors = (None if one[i] is None else torch.cat([graph[i] for graph in every]) for i in (2, 3))
    form, *others = forms(ends, sizes.repeat(times + 1), *colors)
    assert all(other == form for other in others)
    return form


def shrikhande():
    steps = ((0, 1), (1, 0), (1, 1))
    ends = [((i, j), ((i + a) % 4, (j + b) % 4)) for i in range(4) for j in range(4) for a, b in steps]
    return nx.Graph(ends)


def cfi(base, twisted):
    """Cai, Fuerer and Immerman 1992: a node for each even set of edges at a node; one edge twisted."""
    ends = [tuple(sorted(edge)) for edge in base.edges()]
    graph = nx.Graph()
    for node in base:
        at = [edge for edge in ends if node in edge]
        for chosen in range(2 ** len(at)):
            inside = [edge for i, edge in enumerate(at) if chosen >> i & 1]
            if len(inside) % 2 == 0:
                for edge in at:
                    twist = twisted and edge == ends[0] and node == edge[0]
                    graph.add_edge((node, chosen), (edge, (edge in inside) != twist))
    return graph


def formula(variables, clauses):
    """The graph of a random formula: literals (color 0) and clauses (color 1)."""
    literal = torch.stack([torch.randperm(2 * variables)[:3] for _ in range(clauses)]).view(-1)
    clause = 2 * variables + torch.arange(clauses).repeat_interleave(3)
    pair = torch.arange(variables) * 2
    row, col = torch.cat([literal, pair]), torch.cat([clause, pair + 1])
    color = (torch.arange(2 * variables + clauses) >= 2 * variables).long()
    ends = torch.stack([torch.cat([row, col]), torch.cat([col, row])])
    return ends, torch.tensor([len(color)]), color


@pytest.fixture
def make():
    """The functions of this file, under one name."""

    class Make:
        batched, forms, relabelled = staticmethod(batched), staticmethod(forms), staticmethod(relabelled)
        same_form = staticmethod(same_form)
        shrikhande, cfi, formula = staticmethod(shrikhande), staticmethod(cfi), staticmethod(formula)

    return Make
