"""Parts whose sampled points are invariant under a group of rotations: for equivariance errors of frames."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.cad import SURFACES

__all__ = ["SYMMETRIC", "symmetric_part", "symmetric_rotations"]

Array = np.ndarray
Points = tuple[Array, Array, Array]  # pos [n, 3], normal [n, 3], surface [n]
Face = tuple[float, str, Callable[[int, np.random.Generator], tuple[Array, Array]]]  # area, kind, draw

TEETH = 12


def symmetric_part(
    name: str, num_points: int = 512, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Data:
    """Return a part whose set of points is invariant under its group of rotations, with exact normals.

    Points are drawn uniformly by area and replicated by all elements of the group, so that eigenvalues of
    their covariance coincide to rounding. Parts are centered and of size about one.

    Args:
        name: ``"washer"``, ``"hex_nut"``, ``"square_nut"``, ``"spur_gear"`` (12 teeth of straight flanks),
            ``"torus"``, ``"sphere"`` or ``"cube"``.
        num_points: how many points at least; rounded up to a multiple of the order of the group.
        seed: of the drawn points.
        dtype: of positions and normals; the set is invariant to the rounding of this type.

    Returns ``pos [n, 3]``, ``normal [n, 3]``, ``surface [n]``: the images of point k are the rows k, k + m,
    k + 2m, ..., with m = n / order, in the order of :func:`symmetric_rotations`.

    Raises:
        ValueError: for an unknown name and for arguments out of range.

    Not guaranteed: invariance under reflections, and the full symmetry of the solid: of the infinite group of
    a washer, torus or sphere a finite one is taken (D12, D12, O).
    """
    checks.one_of("name", name, SYMMETRIC)
    checks.integer("num_points", num_points)
    checks.integer("seed", seed, 0, 2**32 - 1)
    if dtype not in (torch.float32, torch.float64):
        checks.refuse("dtype", "torch.float32 or torch.float64", dtype)
    group = symmetric_rotations(name).numpy()
    pos, normal, surface = _drawn(
        SYMMETRIC[name][1](), -(-num_points // len(group)), np.random.default_rng(seed)
    )
    rotated = [
        torch.from_numpy(np.einsum("gij,nj->gni", group, x).reshape(-1, 3)).to(dtype) for x in (pos, normal)
    ]
    return Data(pos=rotated[0], normal=rotated[1], surface=torch.from_numpy(np.tile(surface, len(group))))


def symmetric_rotations(name: str) -> Tensor:
    """Return the rotations ``[G, 3, 3]`` (float64) under which a part is invariant, the identity first.

    Args:
        name: as of :func:`symmetric_part`.
    """
    return torch.from_numpy(SYMMETRIC[checks.one_of("name", name, SYMMETRIC)][0]())


def _dihedral(n: int) -> Array:
    """Return the n rotations about z, then those followed by the half turn about x."""
    angles = 2 * np.pi * np.arange(n) / n
    cos, sin, zero, one = np.cos(angles), np.sin(angles), np.zeros(n), np.ones(n)
    about_z = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], -1).reshape(n, 3, 3)
    return np.concatenate([about_z, np.diag([1.0, -1.0, -1.0]) @ about_z])


def _octahedral() -> Array:
    """Return the 24 rotations of the cube: signed permutations of determinant 1."""
    signed = [
        np.eye(3)[list(order)] * (1.0 - 2.0 * np.array(signs))
        for order in permutations(range(3))
        for signs in product((0, 1), repeat=3)
    ]
    return np.array([matrix for matrix in signed if np.linalg.det(matrix) > 0])


def _prism(outline: Array | float, bore: float, height: float) -> list[Face]:
    """Return the faces of a prism over a polygon ``[k, 2]`` (or a circle) with a round bore."""
    radius = outline if isinstance(outline, int | float) else np.linalg.norm(outline, axis=1).max()
    faces: list[Face] = []
    if isinstance(outline, int | float):
        outer = np.pi * outline**2
        faces.append((2 * np.pi * outline * height, "cylinder", _round_wall(outline, height, 1.0)))
    else:
        following = np.roll(outline, -1, axis=0)
        outer = 0.5 * np.sum(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0])
        length = np.linalg.norm(following - outline, axis=1).sum()
        faces.append((length * height, "plane", _flat_walls(outline, following, height)))
    if bore > 0:
        faces.append((2 * np.pi * bore * height, "cylinder", _round_wall(bore, height, -1.0)))
    return [*faces, (2 * (outer - np.pi * bore**2), "plane", _caps(outline, radius, bore, height))]


def _round_wall(radius: float, height: float, outward: float) -> Callable:
    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        direction = _circle(rng.uniform(0, 2 * np.pi, n))
        pos = radius * direction + np.outer(rng.uniform(-height / 2, height / 2, n), [0, 0, 1])
        return pos, outward * direction

    return draw


def _flat_walls(start: Array, end: Array, height: float) -> Callable:
    edges = end - start
    lengths = np.linalg.norm(edges, axis=1)
    normals = np.stack([edges[:, 1], -edges[:, 0], 0 * lengths], -1) / lengths[:, None]

    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        edge = rng.choice(len(lengths), n, p=lengths / lengths.sum())
        plane = start[edge] + rng.random((n, 1)) * edges[edge]
        return np.column_stack([plane, rng.uniform(-height / 2, height / 2, n)]), normals[edge]

    return draw


def _caps(outline: Array | float, radius: float, bore: float, height: float) -> Callable:
    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        found = np.empty((0, 2))
        while len(found) < n:
            tried = rng.uniform(-radius, radius, (4 * n, 2))
            distance = np.linalg.norm(tried, axis=1)
            inside = distance < outline if isinstance(outline, int | float) else _is_inside(tried, outline)
            found = np.concatenate([found, tried[inside & (distance > bore)]])
        side = rng.choice([-1.0, 1.0], n)
        return np.column_stack([found[:n], side * height / 2]), np.outer(side, [0, 0, 1])

    return draw


def _is_inside(points: Array, outline: Array) -> Array:
    """Count the edges that a ray along x crosses."""
    (x, y), a, b = points.T[:, :, None], outline, np.roll(outline, -1, axis=0)
    between = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])  # a level edge is never between
    crossing = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
    return (between & (x < crossing)).sum(1) % 2 == 1


def _ball(radius: float) -> list[Face]:
    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        normal = rng.standard_normal((n, 3))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        return radius * normal, normal

    return [(1.0, "sphere", draw)]


def _ring(major: float, minor: float) -> list[Face]:
    def draw(n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        v = np.empty(0)
        while len(v) < n:  # by area: R + r cos v
            tried = rng.uniform(0, 2 * np.pi, 4 * n)
            kept = rng.uniform(0, major + minor, 4 * n) < major + minor * np.cos(tried)
            v = np.concatenate([v, tried[kept]])
        radial = _circle(rng.uniform(0, 2 * np.pi, n))
        normal = np.cos(v[:n, None]) * radial + np.outer(np.sin(v[:n]), [0, 0, 1])
        return major * radial + minor * normal, normal

    return [(1.0, "torus", draw)]


def _circle(angle: Array) -> Array:
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)


def _regular(n: int, radius: float = 1.0) -> Array:
    return radius * _circle(2 * np.pi * (np.arange(n) + 0.5) / n)[:, :2]


def _gear(teeth: int, root: float) -> Array:
    """Return the outline of a gear with straight flanks, symmetric about x."""
    middle = 2 * np.pi * np.arange(teeth)[:, None] / teeth
    angles = middle + np.array([-0.30, -0.15, 0.15, 0.30]) * 2 * np.pi / teeth
    return (
        np.array([root, 1, 1, root])[:, None] * _circle(angles.reshape(-1))[:, :2].reshape(teeth, 4, 2)
    ).reshape(-1, 2)


def _drawn(faces: list[Face], n: int, rng: np.random.Generator) -> Points:
    """Draw points on all faces by their areas."""
    areas = np.array([area for area, _, _ in faces])
    counts = rng.multinomial(n, areas / areas.sum())
    drawn = [draw(count, rng) for count, (_, _, draw) in zip(counts, faces, strict=True)]
    kinds = [np.full(count, SURFACES.index(kind)) for count, (_, kind, _) in zip(counts, faces, strict=True)]
    pos, normal = (np.concatenate([one[i] for one in drawn]) for i in (0, 1))
    return pos, normal, np.concatenate(kinds)


SYMMETRIC: dict[str, tuple[Callable[[], Array], Callable[[], list[Face]]]] = {
    "washer": (lambda: _dihedral(12), lambda: _prism(1.0, 0.5, 0.2)),
    "hex_nut": (lambda: _dihedral(6), lambda: _prism(_regular(6), 0.5, 0.8)),
    "square_nut": (lambda: _dihedral(4), lambda: _prism(_regular(4), 0.4, 0.5)),
    "spur_gear": (lambda: _dihedral(TEETH), lambda: _prism(_gear(TEETH, 0.8), 0.3, 0.4)),
    "torus": (lambda: _dihedral(12), lambda: _ring(0.75, 0.25)),
    "sphere": (_octahedral, lambda: _ball(1.0)),
    "cube": (_octahedral, lambda: _prism(_regular(4), 0.0, 2**0.5)),
}
"""Symmetric parts by name: their rotations and their faces."""
