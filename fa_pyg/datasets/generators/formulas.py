"""Formulas in conjunctive normal form, and their graphs. Literal 2 v is variable v, 2 v + 1 its negation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Clause = tuple[int, ...]
CLAUSE, LITERAL = 0, 1  # the kinds of nodes


def core(length: int, first: int, satisfiable: bool) -> list[Clause]:
    """A ring of variables, ``first`` to ``first + length - 1``: each equals the next, except that the last
    is the negation of the first where the formula shall not be satisfiable.

    Both are the same to 1-WL: each literal is in two clauses, each clause has two literals. Along the clauses
    the literals form two rings if that is consistent, else a single one of twice the length, or the other way
    round: ``a = b`` is (¬a ∨ b)(a ∨ ¬b), which leads from a literal to the next one's *negation*, so that an
    odd number of such steps swaps the sides.
    """
    clauses = []
    for i in range(length):
        a, b = 2 * (first + i), 2 * (first + (i + 1) % length)
        differ = int(i == length - 1 and not satisfiable)
        clauses += [(a + 1, b + differ), (a, b + 1 - differ)]
    return clauses


def planar(variables: int, random: np.random.RandomState) -> list[Clause]:
    """Random clauses of two or three literals, satisfied by some assignment, with a planar graph.

    Planar because the variables stand in a row, the literals 2 v above it and 2 v + 1 below, and clauses are
    triangles that do not cross, above and below; without those that a random assignment violates.
    """
    truth = random.randint(2, size=variables)  # 1 where the literal above is the true one
    clauses = set()
    for side in (0, 1):
        for corners in _triangles(0, variables - 1, random):
            some = [v for v in corners if random.rand() < 0.8]
            if len(some) > 1 and any(truth[v] != side for v in some):
                clauses.add(tuple(2 * v + side for v in some))
    return sorted(clauses)


def _triangles(first: int, last: int, random: np.random.RandomState) -> Iterator[Clause]:
    """A random triangulation of the polygon with these corners."""
    if last - first > 1:
        middle = random.randint(first + 1, last)
        yield first, middle, last
        yield from _triangles(first, middle, random)
        yield from _triangles(middle, last, random)


def graph(variables: int, clauses: list[Clause], order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The kinds of nodes [n] and the edges [2, E] of a formula, sorted, with the node i called ``order[i]``.

    Nodes: the literals, then the clauses. Edges: variable to negation, clause to its literals, both ways.
    """
    literals = np.arange(2 * variables)
    pairs = [literals.reshape(-1, 2)]
    pairs += [[(2 * variables + c, literal) for literal in clause] for c, clause in enumerate(clauses)]
    row, col = order[np.concatenate(pairs)].T
    row, col = np.concatenate([row, col]), np.concatenate([col, row])
    kinds = np.full(len(order), CLAUSE)
    kinds[order[literals]] = LITERAL
    return kinds, np.stack([row, col])[:, np.lexsort((col, row))]
