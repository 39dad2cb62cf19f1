"""Formulas in conjunctive normal form and their graphs; literal 2 v is variable v, 2 v + 1 its negation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["core", "graph", "planar"]

Clause = tuple[int, ...]
CLAUSE, LITERAL = 0, 1  # the kinds of nodes


def core(length: int, first: int, satisfiable: bool) -> list[Clause]:
    """Return a ring of equal variables, ``first`` to ``first + length - 1``.

    To be unsatisfiable, the last variable is the negation of the first.

    1-WL does not distinguish the two: every literal is in two clauses, every clause has two literals. Along
    the clauses the literals form two rings or a single one of twice the length, depending on satisfiability
    and on the parity of the length: ``a = b`` is (¬a ∨ b)(a ∨ ¬b), which leads from a literal to the
    *negation* of the next, so that an odd number of such steps swaps the sides.
    """
    clauses = []
    for i in range(length):
        a, b = 2 * (first + i), 2 * (first + (i + 1) % length)
        differ = int(i == length - 1 and not satisfiable)
        clauses += [(a + 1, b + differ), (a, b + 1 - differ)]
    return clauses


def planar(variables: int, random: np.random.RandomState) -> list[Clause]:
    """Return random clauses of two or three literals with a planar graph, satisfied by some assignment.

    The graph is planar because the variables lie on a line, with literals 2 v above and 2 v + 1 below, and
    clauses are triangles above and below that do not cross. Clauses that a random assignment violates are
    left out.
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
    """Yield the triangles of a random triangulation of a polygon."""
    if last - first > 1:
        middle = random.randint(first + 1, last)
        yield first, middle, last
        yield from _triangles(first, middle, random)
        yield from _triangles(middle, last, random)


def graph(variables: int, clauses: list[Clause], order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return node kinds [n] and sorted edges [2, E] of a formula, where node i becomes ``order[i]``.

    Nodes: the literals, then the clauses. Edges: variable to negation, clause to its literals, both
    directions.
    """
    literals = np.arange(2 * variables)
    pairs = [literals.reshape(-1, 2)]
    pairs += [[(2 * variables + c, literal) for literal in clause] for c, clause in enumerate(clauses)]
    row, col = order[np.concatenate(pairs)].T
    row, col = np.concatenate([row, col]), np.concatenate([col, row])
    kinds = np.full(len(order), CLAUSE)
    kinds[order[literals]] = LITERAL
    return kinds, np.stack([row, col])[:, np.lexsort((col, row))]
