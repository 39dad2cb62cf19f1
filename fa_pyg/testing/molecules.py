"""Molecules of the degenerate catalogue: the G2 set, and symmetric ones from geometry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from fa_pyg.testing.shapes import SOLIDS, TETRAHEDRON, points, polygon, prism
from fa_pyg.testing.symmetry import idealized

__all__ = ["Entry", "g2", "molecules"]

# Name, atomic numbers, positions, and the order of the stabilizer in O(d) and in SO(d).
Entry = tuple[str, "Tensor | None", Tensor, "float | None", "float | None"]


@lru_cache
def g2() -> tuple[Entry, ...]:
    """Molecules of the G2 set, and C60, from ASE, symmetrized up to rounding."""
    from ase.build import molecule
    from ase.collections import g2

    found = [(f"G2 {name}", g2[name], 1e-3) for name in sorted(g2.names)]
    return tuple(_molecule(*entry) for entry in [*found, ("C60", molecule("C60"), 1e-2)])


def _molecule(name: str, atoms, tol: float) -> Entry:
    pos, z = torch.tensor(atoms.positions), torch.tensor(atoms.numbers)
    centered = pos - pos.mean(0)
    if torch.linalg.matrix_rank(centered, atol=1e-6) < 2:
        return name, z, pos, math.inf, math.inf
    pos, group = idealized(pos, z, tol)
    return name, z, pos, len(group), int((torch.linalg.det(group) > 0).sum())


def molecules() -> Iterator[Entry]:
    """Molecules from geometry: bond lengths from textbooks, exact angles."""
    zero, unit = points([(0, 0, 0)]), TETRAHEDRON / math.sqrt(3)
    yield _entry("methane", torch.cat([zero, 1.09 * unit]), 24, 12, [6] + [1] * 4)
    yield _entry("P4", 2.21 * math.sqrt(3 / 8) * unit, 24, 12, [15] * 4)
    yield _entry("SF6", torch.cat([zero, 1.56 * SOLIDS["octahedron"]]), 48, 24, [16] + [9] * 6)
    cube = SOLIDS["cube"] / math.sqrt(3)
    cubane = torch.cat([1.57 * math.sqrt(3) / 2 * cube, (1.57 * math.sqrt(3) / 2 + 1.09) * cube])
    yield _entry("cubane", cubane, 48, 24, [6] * 8 + [1] * 8)
    hydrogen = torch.cat([_methyl(u) for u in unit])
    yield _entry("neopentane", torch.cat([zero, 1.54 * unit, hydrogen]), 24, 12, [6] * 5 + [1] * 12)
    shell = SOLIDS["icosahedron"] / SOLIDS["icosahedron"][0].norm()
    yield _entry("B12H12 2-", torch.cat([1.70 * shell, 2.89 * shell]), 120, 60, [5] * 12 + [1] * 12)
    yield _entry("buckminsterfullerene", 0.72 * SOLIDS["truncated icosahedron"], 120, 60, [6] * 60)
    benzene = torch.cat([polygon(6, 1.39, height=0.0), polygon(6, 2.48, height=0.0)])
    yield _entry("benzene", benzene, 24, 12, [6] * 6 + [1] * 6)
    for name, twist in (("eclipsed", 0.0), ("staggered", 0.5)):
        rings = [r * prism(5, 2 * h / r, twist) for r, h in ((1.2165, 1.66), (2.297, 1.66))]
        yield _entry(f"ferrocene, {name}", torch.cat([zero, *rings]), 20, 10, [26] + [6] * 10 + [1] * 10)
    x, y = 1.087 * math.sin(math.radians(59)), 1.31 + 1.087 * math.cos(math.radians(59))
    allene = [(0, 0, 0), (0, 0, 1.31), (0, 0, -1.31), (x, 0, y), (-x, 0, y), (0, x, -y), (0, -x, -y)]
    yield _entry("allene", points(allene), 8, 4, [6] * 3 + [1] * 4)
    for name, twist, order in (("eclipsed", 0.0, 12), ("staggered", 0.5, 12), ("twisted", 0.2, 6)):
        ends = points([(0, 0, 0.77), (0, 0, -0.77)])
        ethane = torch.cat([ends, 1.02 * prism(3, 2 * 1.16 / 1.02, twist)])
        yield _entry(f"ethane, {name}", ethane, order, 6, [6] * 2 + [1] * 6)
    square = polygon(4, 1.95, height=0.0)
    yield _entry("XeF4", torch.cat([zero, square]), 16, 8, [54] + [9] * 4)
    axial = points([(0, 0, 1.58), (0, 0, -1.58)])
    yield _entry("PF5", torch.cat([zero, axial, polygon(3, 1.53, height=0.0)]), 12, 6, [15] + [9] * 5)


def _methyl(u: Tensor) -> Tensor:
    """Hydrogens of a methyl group, whose carbon is 1.54 from the center along u, staggered."""
    across = points([(-2, 1, 1), (1, -2, 1), (1, 1, -2)]) / math.sqrt(6) * u.sign()
    return (1.54 + 1.09 / 3) * u + 1.09 * math.sqrt(8) / 3 * across


def _entry(name: str, pos: Tensor, order: float, rotations: float, z: list[int]) -> Entry:
    return name, torch.tensor(z), pos, order, rotations
