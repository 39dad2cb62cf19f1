"""Symmetric point sets: polygons, prisms, solids, and orbits of rotation groups."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

__all__ = [
    "GOLDEN",
    "SOLIDS",
    "TETRAHEDRON",
    "antiprism",
    "cyclic",
    "orbit",
    "points",
    "polygon",
    "prism",
    "rotations",
]

GOLDEN = (1 + math.sqrt(5)) / 2


def points(rows) -> Tensor:
    """Return rows as a tensor ``[N, d]`` in float64."""
    return torch.tensor(list(rows), dtype=torch.float64)


def polygon(n: int, radius: float = 1.0, turn: float = 0.0, height: float | None = None) -> Tensor:
    """Regular n-gon ``[n, 2]``, rotated by ``turn`` of an edge's angle; ``[n, 3]`` at a height."""
    angles = [2 * math.pi * (k + turn) / n for k in range(n)]
    up = [] if height is None else [height]
    return points([radius * math.cos(a), radius * math.sin(a), *up] for a in angles)


def prism(n: int, height: float = 1.0, twist: float = 0.0) -> Tensor:
    """Prism of two regular n-gons, the upper one rotated by ``twist`` of an edge's angle."""
    return torch.cat([polygon(n, height=-height / 2), polygon(n, turn=twist, height=height / 2)])


def antiprism(n: int, height: float = 1.0) -> Tensor:
    """Antiprism: a prism with a twist of one half."""
    return prism(n, height, twist=0.5)


def cyclic(*rows: tuple[float, float, float]) -> Tensor:
    """Cyclic permutations of rows with all signs, without duplicates."""
    found = {}
    for row in rows:
        for k, signs in itertools.product(range(3), itertools.product((1.0, -1.0), repeat=3)):
            found[tuple(s * c + 0.0 for s, c in zip(signs, row[k:] + row[:k], strict=True))] = None
    return points(found)


TETRAHEDRON = points([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
SOLIDS = {
    "tetrahedron": TETRAHEDRON,
    "cube": cyclic((1.0, 1.0, 1.0)),
    "octahedron": cyclic((1.0, 0.0, 0.0)),
    "icosahedron": cyclic((0.0, 1.0, GOLDEN)),
    "dodecahedron": cyclic((1.0, 1.0, 1.0), (0.0, 1 / GOLDEN, GOLDEN)),
    # Edges of length 2.
    "truncated icosahedron": cyclic(
        (0.0, 1.0, 3 * GOLDEN), (1.0, 2 + GOLDEN, 2 * GOLDEN), (GOLDEN, 2.0, GOLDEN**3)
    ),
}


def rotations(name: str) -> Tensor:
    """Rotation group ``[K, 3, 3]``: ``"T"`` (12), ``"O"`` (24), ``"I"`` (60), ``"C5"`` or ``"D5"``."""
    if name in "TO":
        eye = torch.eye(3, dtype=torch.float64)
        signed = [
            eye[list(p)] * points([s]).T
            for p in itertools.permutations(range(3))
            for s in itertools.product((1.0, -1.0), repeat=3)
        ]
        proper = torch.stack([m for m in signed if torch.linalg.det(m) > 0])
        return proper if name == "O" else proper[[bool((TETRAHEDRON[0] @ m).prod() > 0) for m in proper]]
    if name == "I":  # icosahedral: maps an edge to any of the 30, in both directions
        x = SOLIDS["icosahedron"]
        edges = [(a, b) for a in x for b in x if abs((a - b).norm().item() - 2) < 1e-9]
        frames = torch.stack([_axes(a, b) for a, b in edges])
        return frames @ frames[0].T
    n = int(name[1:])
    found = torch.stack([_rotation(2 * math.pi * k / n) for k in range(n)])
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    return found if name[0] == "C" else torch.cat([found, found @ flip])


def orbit(x: Tensor, group: Tensor, inversion: bool = False) -> Tensor:
    """All images ``[K * N, 3]`` of ``x [N, 3]``, with duplicates."""
    found = (x @ group.mT).reshape(-1, 3)
    return torch.cat([found, -found]) if inversion else found


def _axes(a: Tensor, b: Tensor) -> Tensor:
    first, second = (a + b) / (a + b).norm(), (a - b) / (a - b).norm()
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def _rotation(angle: float) -> Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return points([(c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)])
