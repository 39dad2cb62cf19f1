"""Families of graphs for tests of canonical labelling: all small graphs of a kind, and hard ones.

Graphs are networkx graphs, directed or not, with an attribute "color" on nodes and edges if they are colored.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator

import networkx as nx

__all__ = ["FAMILIES", "REGULAR", "TREES", "regular_graphs"]

TREES = dict(enumerate([1, 1, 2, 3, 6, 11, 23, 47, 106, 235, 551, 1301, 3159], start=2))  # A000055
REGULAR = {  # connected ones, by degree and nodes: A002851, A006820, A006821, A006822
    3: {4: 1, 6: 2, 8: 5, 10: 19, 12: 85},
    4: {5: 1, 6: 1, 7: 2, 8: 6, 9: 16, 10: 59, 11: 265, 12: 1544},
    5: {6: 1, 8: 3, 10: 60, 12: 7848},
    6: {7: 1, 8: 1, 9: 4, 10: 21, 11: 266, 12: 7849},
}


def regular_graphs(
    degree: int, nodes: int, forms: Callable[[list[nx.Graph]], list], seed: int = 0, tries: int = 40
) -> list[nx.Graph]:
    """All connected regular graphs, by random switches of two edges; distinguished by canonical forms.

    The walk ends where there are as many as are known, or more: a form that depends on the numbering gives
    more, a form that two graphs share gives fewer, and then it ends after 30 rounds without a new one.
    """
    draw, wanted, idle = random.Random(seed), REGULAR[degree][nodes], 0
    first = nx.random_regular_graph(degree, nodes, seed=draw)
    known = {forms([first])[0]: first} if nx.is_connected(first) else {}
    fresh = [first]
    while len(known) < wanted and idle < 30:
        tried = [switched(graph, draw) for graph in fresh for _ in range(tries)]
        tried = [graph for graph in tried if nx.is_connected(graph)]
        before = len(known)
        for form, graph in zip(forms(tried), tried, strict=True):
            known.setdefault(form, graph)
        idle = 0 if len(known) > before else idle + 1
        fresh = (
            list(known.values())[before:] or draw.sample(list(known.values()), min(len(known), 50)) or [first]
        )
    return list(known.values())


def switched(graph: nx.Graph, draw: random.Random) -> nx.Graph:
    """The graph with two edges a-b, c-d replaced by a-c, b-d, where that gives a simple graph."""
    other, edges = graph.copy(), list(graph.edges())
    (a, b), (c, d) = draw.sample(edges, 2)
    if draw.random() < 0.5:
        c, d = d, c
    if len({a, b, c, d}) == 4 and not (other.has_edge(a, c) or other.has_edge(b, d)):
        other.remove_edges_from([(a, b), (c, d)])
        other.add_edges_from([(a, c), (b, d)])
    return other


def alike(nodes: Iterable, related: Callable) -> nx.Graph:
    """The graph of a symmetric relation."""
    nodes, graph = list(nodes), nx.Graph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from((a, b) for a, b in itertools.combinations(nodes, 2) if related(a, b))
    return graph


def hamming(length: int, letters: int, distances: tuple[int, ...] = (1,)) -> nx.Graph:
    words = itertools.product(range(letters), repeat=length)
    return alike(words, lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)) in distances)


def johnson(n: int, k: int, common: int) -> nx.Graph:
    """Subsets of k of n that share so many: Johnson (k - 1), Kneser (0) and triangular (k = 2) graphs."""
    return alike(itertools.combinations(range(n), k), lambda a, b: len(set(a) & set(b)) == common)


def paley(q: int) -> nx.Graph:
    return nx.circulant_graph(q, {i * i % q for i in range(1, q)})


def latin_square(order: int, draw: random.Random) -> nx.Graph:
    """Cells of a random Latin square that share a row, a column or a symbol: strongly regular."""
    square = [[-1] * order for _ in range(order)]

    def fill(place: int) -> bool:
        if place == order * order:
            return True
        i, j = divmod(place, order)
        free = [s for s in range(order) if s not in square[i] and all(square[k][j] != s for k in range(i))]
        draw.shuffle(free)
        for symbol in free:
            square[i][j] = symbol
            if fill(place + 1):
                return True
        square[i][j] = -1
        return False

    fill(0)
    cells = [(i, j, square[i][j]) for i in range(order) for j in range(order)]
    return alike(cells, lambda a, b: sum(x == y for x, y in zip(a, b, strict=True)) == 1)


def seidel(graph: nx.Graph, part: Iterable) -> nx.Graph:
    """Switches all pairs between a part and the rest (Seidel): from T(8) to the Chang graphs."""
    part = set(part)
    return alike(graph, lambda a, b: graph.has_edge(a, b) != ((a in part) != (b in part)))


def chang() -> list[nx.Graph]:
    """T(8) switched by four disjoint edges of K8, an 8-cycle, or a triangle and a 5-cycle (Chang 1959)."""
    cycle = [*((i, i + 1) for i in range(7)), (0, 7)]
    parts = [
        [(0, 1), (2, 3), (4, 5), (6, 7)],
        cycle,
        [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (5, 6), (6, 7), (3, 7)],
    ]
    return [seidel(johnson(8, 2, 1), part) for part in parts]


def shrikhande() -> nx.Graph:
    places = itertools.product(range(4), repeat=2)
    steps = {(0, 1), (0, 3), (1, 0), (3, 0), (1, 1), (3, 3)}
    return alike(places, lambda a, b: ((a[0] - b[0]) % 4, (a[1] - b[1]) % 4) in steps)


def cfi(base: nx.Graph, twisted: bool) -> nx.Graph:
    """Cai, Fuerer and Immerman 1992: a node for each even set of edges at a node; one edge twisted."""
    ends = [tuple(sorted(edge)) for edge in base.edges()]
    graph = nx.Graph()
    for node in base:
        at = [edge for edge in ends if node in edge]
        for number in range(0, len(at) + 1, 2):
            for inside in itertools.combinations(at, number):
                for edge in at:
                    twist = twisted and edge == ends[0] and node == edge[0]
                    graph.add_edge((node, inside), (edge, (edge in inside) != twist))
    return graph


def lift(base: nx.Graph, sheets: int, draw: random.Random) -> nx.Graph:
    """A random covering: each node so many times, each edge as a matching of the copies of its ends."""
    graph = nx.Graph()
    for u, v in base.edges():
        image = draw.sample(range(sheets), sheets)
        graph.add_edges_from(((u, i), (v, image[i])) for i in range(sheets))
    return graph


def cayley(orders: tuple[int, ...], steps: int, draw: random.Random) -> nx.Graph:
    """Of an abelian group, with random generators."""
    group = list(itertools.product(*map(range, orders)))
    chosen = draw.sample([g for g in group if any(g)], steps)
    chosen += [tuple(-x % n for x, n in zip(g, orders, strict=True)) for g in chosen]
    return alike(
        group, lambda a, b: tuple((x - y) % n for x, y, n in zip(a, b, orders, strict=True)) in chosen
    )


def dihedral(n: int, draw: random.Random) -> nx.Graph:
    """A random cubic Cayley graph of a dihedral group, by three reflections (a Haar graph)."""
    chosen = draw.sample(range(n), 3)
    return nx.Graph([((0, i), (1, (i + s) % n)) for i in range(n) for s in chosen])


def necklace(beads: int, bead: nx.Graph) -> nx.Graph:
    """Copies of a graph in a ring, each joined to the next by one edge."""
    graph = nx.disjoint_union_all([bead] * beads)
    ends = [(i * len(bead), i * len(bead) + len(bead) - 1) for i in range(beads)]
    graph.add_edges_from((ends[i][1], ends[(i + 1) % beads][0]) for i in range(beads))
    return graph


def colored(directed: bool, draw: random.Random) -> nx.Graph:
    """A random graph of up to 9 nodes, with colors on nodes and edges, sometimes a loop."""
    n, kinds = draw.randint(2, 9), draw.choice([1, 2, 3])
    base = nx.random_regular_graph(
        2 if n < 4 else draw.choice([2, 3]) if n % 2 == 0 else 2, max(n, 3), seed=draw
    )
    graph = nx.DiGraph(base) if directed else base
    for edge in list(graph.edges()):
        if directed and draw.random() < 0.4:
            graph.remove_edge(*edge)
        else:
            graph.edges[edge]["color"] = draw.randrange(kinds)
    for node in graph:
        graph.nodes[node]["color"] = draw.randrange(draw.choice([1, 2]))
    if draw.random() < 0.3:
        graph.add_edge(0, 0, color=0)
    return graph


def repeat(count: int, make: Callable[..., nx.Graph], *arguments, seed: int = 0) -> list[nx.Graph]:
    draw = random.Random(seed)
    return [make(*arguments, draw) for _ in range(count)]


def strongly_regular() -> Iterator[nx.Graph]:
    yield from (shrikhande(), hamming(2, 4), hamming(2, 5), hamming(2, 7), johnson(7, 2, 1), johnson(8, 2, 1))
    yield from chang()
    yield from map(paley, (13, 17, 29, 37))
    yield from (nx.complement(shrikhande()), hamming(4, 2, (1, 4)))  # the latter is Clebsch's
    for order, count in ((5, 6), (6, 6), (7, 3), (8, 1)):
        yield from repeat(count, latin_square, order)


def distance_regular() -> Iterator[nx.Graph]:
    yield from (johnson(5, 2, 0), johnson(7, 3, 2), johnson(7, 3, 0), johnson(8, 3, 2), johnson(8, 4, 3))
    yield from (hamming(3, 3), hamming(3, 4), hamming(5, 2), hamming(6, 2), hamming(5, 2, (2,)))
    yield from (nx.heawood_graph(), nx.pappus_graph(), nx.desargues_graph(), nx.dodecahedral_graph())
    yield from (nx.icosahedral_graph(), nx.LCF_graph(30, [-13, -9, 7, -7, 9, 13], 5))  # Tutte's 8-cage
    yield nx.cartesian_product(shrikhande(), nx.complete_graph(4))  # a Doob graph, and H(3, 4) is like it


def transitive() -> Iterator[nx.Graph]:
    for n in range(5, 14):
        for steps in itertools.chain.from_iterable(
            itertools.combinations(range(1, n // 2 + 1), k) for k in (1, 2, 3)
        ):
            yield nx.circulant_graph(n, steps)
    for orders in ((2, 2, 2, 2), (4, 4), (3, 6), (2, 3, 4)):
        yield from repeat(5, cayley, orders, 3)
    for n in (7, 9, 12):
        yield from repeat(5, dihedral, n)


def coverings() -> Iterator[nx.Graph]:
    for base, sheets in ((nx.complete_graph(4), 3), (nx.complete_graph(5), 2), (nx.petersen_graph(), 2)):
        yield from repeat(20, lift, base, sheets)


def cfi_graphs() -> list[nx.Graph]:
    bases = [nx.complete_graph(n) for n in (4, 5, 6)] + [nx.petersen_graph(), nx.circular_ladder_graph(4)]
    return [cfi(base, twisted) for base in bases for twisted in (False, True)]


def jointed() -> list[nx.Graph]:
    """Graphs that fall apart once a node is taken out: the search goes on in the pieces."""
    beads = [nx.cubical_graph(), nx.frucht_graph(), shrikhande(), nx.from_graph6_bytes(b"K?`@E`gFCKEO")]
    beads.append(nx.from_graph6_bytes(b"IQyvux||_"))
    return [necklace(n, nx.convert_node_labels_to_integers(bead)) for bead in beads for n in (1, 2, 3, 5)]


def reported() -> list[nx.Graph]:
    """Graphs whose forms once depended on the numbering; the last two are one graph."""
    return [nx.from_graph6_bytes(x) for x in (b"K?`@E`gFCKEO", b"IQyvux||_", b"ITxumvl^_", rb"ITtv~H\yW")]


FAMILIES: dict[str, Callable[[], Iterable[nx.Graph]]] = {
    "strongly regular": strongly_regular,
    "distance regular": distance_regular,
    "vertex transitive": transitive,
    "coverings": coverings,
    "CFI": cfi_graphs,
    "rings of pieces": jointed,
    "once wrong": reported,
    "colored": lambda: repeat(300, colored, False),
    "directed, colored": lambda: repeat(300, colored, True),
}
