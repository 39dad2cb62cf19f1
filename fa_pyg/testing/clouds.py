"""Point clouds of the degenerate catalogue: symmetric, planar, linear, coincident, chiral, nearly so."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from fa_pyg.testing.molecules import Entry
from fa_pyg.testing.shapes import SOLIDS, antiprism, orbit, points, polygon, prism, rotations

__all__ = ["chiral", "coincident", "colored", "flat", "lines", "nearly", "polygons", "prisms", "solids"]

INF = math.inf


def coincident(dim: int) -> Iterator[Entry]:
    """Single points, and clouds with coincident points."""
    zero = torch.zeros(1, dim, dtype=torch.float64)
    yield _entry("one atom", zero, INF, INF, [6])
    yield _entry("one atom off the origin", zero + 1.5, INF, INF, [6])
    yield _entry("coincident points", zero.repeat(4, 1) + 0.3, INF, INF)
    yield _entry("coincident points, colored", zero.repeat(4, 1), INF, INF, [1, 6, 7, 8])
    generic = _generic(4, dim)
    yield _entry("some points coincident", generic[[0, 0, 1, 2, 3, 3]], 1, 1)
    corners = polygon(4) if dim == 2 else SOLIDS["tetrahedron"]
    order = (8, 4) if dim == 2 else (24, 12)
    yield _entry("a symmetric cloud twice", corners.repeat(2, 1), *order)
    yield _entry("a symmetric cloud twice, colored", corners.repeat(2, 1), *order, [1] * 4 + [6] * 4)


def lines(dim: int) -> Iterator[Entry]:
    """Linear clouds, fixed by reflections in the plane, and by all rotations about the line in space."""
    mirror, swap = ((2, 1), (4, 2)) if dim == 2 else ((INF, INF), (INF, INF))
    axis = points([(0.0, 1.0)] if dim == 2 else [(0.0, 0.0, 1.0)])
    oblique = points([(0.6, 0.8)] if dim == 2 else [(0.48, -0.64, 0.6)])

    def at(*positions: float, along: Tensor = axis) -> Tensor:
        return points([[p] for p in positions]) * along

    yield _entry("two equal atoms", at(-0.37, 0.37), *swap, [1, 1])
    yield _entry("two different atoms", at(0.0, 1.13), *mirror, [6, 8])
    yield _entry("two atoms, oblique", at(0.0, 1.13, along=oblique), *mirror, [6, 8])
    yield _entry("CO2", at(-1.16, 0.0, 1.16), *swap, [8, 6, 8])
    yield _entry("CO2, isotopic", at(-1.16, 0.0, 1.16), *mirror, [8, 6, 9])
    yield _entry("acetylene", at(-1.66, -0.6, 0.6, 1.66), *swap, [1, 6, 6, 1])
    yield _entry("generic line", at(-1.3, -0.4, 0.2, 0.7, 1.9), *mirror)
    yield _entry("generic line, oblique", at(-1.3, -0.4, 0.2, 0.7, 1.9, along=oblique), *mirror)


def polygons(dim: int) -> Iterator[Entry]:
    """Regular n-gons, with a center, and with alternating colors."""
    whole = 1 if dim == 2 else 2  # in space there is also the mirror of the plane

    def flat(x: Tensor) -> Tensor:
        return x if dim == 2 else _lifted(x)

    for n in range(3, 13):
        yield _entry(f"{n}-gon", flat(polygon(n)), 2 * n * whole, n * whole)
        if n % 2 == 0 and n > 4:
            yield _entry(
                f"{n}-gon, two colors", flat(polygon(n)), n * whole, n // 2 * whole, [1, 6] * (n // 2)
            )
    centered = torch.cat([polygon(4), points([(0.0, 0.0)])])
    yield _entry("square with a center", flat(centered), 8 * whole, 4 * whole, [9] * 4 + [54])
    yield _entry("3-gon, one of another color", flat(polygon(3)), 2 * whole, whole, [6, 1, 1])
    pinwheel = torch.cat([polygon(3), polygon(3, 1.7, turn=0.15)])
    yield _entry("pinwheel", flat(pinwheel), 3 * whole, 3)


def flat(dim: int) -> Iterator[Entry]:
    """Generic planar clouds."""
    x = _generic(7, 2)
    if dim == 2:
        yield _entry("generic plane", x, 1, 1)
        return
    yield _entry("generic plane", _lifted(x), 2, 1)
    yield _entry("generic plane, colored", _lifted(x), 2, 1, [1, 6, 7, 8, 9, 15, 16])
    tilted = x @ points([(0.6, 0.8, 0.0), (0.48, -0.36, 0.8)])
    yield _entry("generic plane, tilted", tilted, 2, 1)
    mirror = torch.cat([x, x * points([(1.0, -1.0)])])
    yield _entry("plane with a mirror", _lifted(mirror), 4, 2)
    yield _entry("plane with a center", _lifted(torch.cat([x, -x])), 4, 2)


def prisms() -> Iterator[Entry]:
    """Prisms and antiprisms, also with isotropic covariance (height = sqrt(2) radius)."""
    for n in (3, 4, 5, 6, 7, 12):
        yield _entry(f"{n}-prism", prism(n), 4 * n, 2 * n)
        yield _entry(f"{n}-antiprism", antiprism(n), 4 * n, 2 * n)
        # The cube and the octahedron are among these.
        order = 48 if n == 4 else 4 * n
        yield _entry(f"{n}-prism of isotropic covariance", prism(n, math.sqrt(2)), order, order // 2)
        order = 48 if n == 3 else 4 * n
        yield _entry(f"{n}-antiprism of isotropic covariance", antiprism(n, math.sqrt(2)), order, order // 2)


def solids() -> Iterator[Entry]:
    """Platonic solids, and other clouds of their symmetry."""
    sizes = {"tetrahedron": 24, "cube": 48, "octahedron": 48}
    for name, x in SOLIDS.items():
        if len(x) <= 20:  # C60 is among the molecules
            order = sizes.get(name, 120)
            yield _entry(name, x, order, order // 2)
    for name, order in (("T", 12), ("O", 24)):
        both = orbit(points([(1.0, 0.3, 0.55)]), rotations(name), inversion=True)
        yield _entry(f"orbit of {name}h", both, 2 * order, order)


def colored() -> Iterator[Entry]:
    """Positions more symmetric than their colors."""
    cube = SOLIDS["cube"]
    yield _entry("cube, two tetrahedra", cube, 24, 12, [1 if c.prod() > 0 else 6 for c in cube])
    yield _entry("cube, one corner of another color", cube, 6, 3, [6] + [1] * 7)
    octahedron = SOLIDS["octahedron"]
    yield _entry("octahedron, six colors", octahedron, 1, 1, [1, 6, 7, 8, 9, 15])
    axes = [[1, 6, 7][int(c.abs().argmax())] for c in octahedron]
    yield _entry("octahedron, a color an axis", octahedron, 8, 4, axes)
    handed = torch.cat([torch.zeros(1, 3, dtype=torch.float64), SOLIDS["tetrahedron"]])
    yield _entry("CHFClBr on a regular tetrahedron", handed, 1, 1, [6, 1, 9, 17, 35])
    yield _entry("CH3F on a regular tetrahedron", handed, 6, 3, [6, 9, 1, 1, 1])


def chiral() -> Iterator[Entry]:
    """Chiral clouds, fixed by many rotations but no reflection."""
    seed = points([(1.0, 0.3, 0.55)])
    for name, order in (
        ("T", 12),
        ("O", 24),
        ("I", 60),
        ("C2", 2),
        ("C3", 3),
        ("D2", 4),
        ("D3", 6),
        ("D5", 10),
    ):
        more = torch.cat([seed, 1.4 * seed.roll(1)]) if name[0] == "C" else seed
        yield _entry(f"orbit of {name}", orbit(more, rotations(name)), order, order)
    angle = torch.arange(12, dtype=torch.float64) * 0.7
    helix = torch.stack([angle.cos(), angle.sin(), 0.4 * angle], dim=1)
    yield _entry("helix", helix, 2, 2)
    yield _entry("helix, colored along", helix, 1, 1, list(range(1, 13)))
    yield _entry("double helix", torch.cat([helix, helix * points([(-1.0, -1.0, 1.0)])]), 4, 4)
    yield _entry("generic", _generic(6, 3), 1, 1)
    centered = _generic(4, 3)
    yield _entry("generic with a center", torch.cat([centered, -centered]), 2, 1)
    yield _entry("generic with a mirror", torch.cat([centered, centered * points([(1.0, 1.0, -1.0)])]), 2, 1)


def nearly(dim: int) -> Iterator[Entry]:
    """Symmetric clouds, slightly displaced or stretched: nearly equal eigenvalues, small spreads."""
    shapes = {"square": polygon(4), "pentagon": polygon(5)}
    if dim == 3:
        shapes = {name: SOLIDS[name] for name in ("tetrahedron", "octahedron", "icosahedron")}
        shapes |= {"square": _lifted(polygon(4)), "hexagonal prism": prism(6, 1.0)}
    line = torch.zeros(5, dim, dtype=torch.float64)
    line[:, 0] = points([(-1.3, -0.4, 0.2, 0.7, 1.9)])[0]
    shapes["line"] = line
    if dim == 3:
        shapes["plane"] = _lifted(_generic(7, 2))
    for name, x in shapes.items():
        for k, size in enumerate((1e-12, 1e-9, 1e-6, 1e-3, 1e-2, 5e-2)):
            yield _entry(
                f"{name} displaced by {size:g}", x + size * _generic(len(x), dim, seed=k), None, None
            )
    stretch = torch.ones(dim, dtype=torch.float64)
    for size in (1e-12, 1e-6, 1e-3, 1e-2):
        stretch[-1] = 1 + size
        last = shapes["square" if dim == 2 else "octahedron"]
        yield _entry(
            f"{'square' if dim == 2 else 'octahedron'} stretched by {size:g}", last * stretch, None, None
        )


def _entry(name, pos, order, rotations, z=None) -> Entry:
    return name, None if z is None else torch.tensor(z), pos, order, rotations


def _generic(n: int, dim: int, seed: int = 7) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _lifted(x: Tensor) -> Tensor:
    """Embed points of the plane in space, at height 0."""
    return torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)
