"""Points of a solid, uniform by area, with the exact normals and kinds of its surfaces (CAD kernel: OCP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_pyg.cad import surfaces
from fa_pyg.cad.surfaces import SURFACES, Surface

__all__ = ["ANGULAR", "LINEAR", "Sampled", "check_closed", "sample_shape"]

LINEAR = 2e-3  # deflection of the triangles, as a share of the diagonal of the part
ANGULAR = 0.2  # angle between neighboring triangles, in radians
NOISE = 6.0  # standard deviations of the sums of a closed surface

Array = np.ndarray


@dataclass
class Sampled:
    """Points of a solid: ``pos [n, 3]``, outward ``normal [n, 3]``, kinds ``surface [n]``; its area."""

    pos: Array
    normal: Array
    surface: Array
    area: float


@dataclass
class _Patch:
    """A face: its triangles in (u, v) ``[t, 3, 2]``, their areas, and the exact surface."""

    corners: Array
    areas: Array
    surface: Surface
    kind: int
    outward: float


def sample_shape(shape: Any, num_points: int, rng: np.random.Generator | np.random.RandomState) -> Sampled:
    """Sample the faces of a shape of build123d (or of a ``TopoDS_Shape``) uniformly by area.

    Faces are triangulated, triangles are drawn by area, and (u, v) is drawn uniformly in the triangle. Point
    and normal are those of the *exact* surface at (u, v): in closed form for planes, cylinders, cones,
    spheres and tori, by the kernel for splines and others. Normals point out of the material.

    Args:
        shape: one or more solids.
        num_points: how many points, in random order.
        rng: of all draws.

    Raises:
        ValueError: where the shape has no faces, or its normals do not add up to those of a closed surface.

    Not guaranteed: a density more uniform than the triangles (``LINEAR``, ``ANGULAR``); at curved edges,
    points may lie beyond the face by as much.
    """
    patches = _patches(getattr(shape, "wrapped", shape))
    if not patches:
        raise ValueError("shape: expected faces, found none")
    areas = np.concatenate([patch.areas for patch in patches])
    if not 0 < areas.sum() < np.inf:
        raise ValueError(f"shape: expected an area, found {areas.sum()}")
    drawn = rng.choice(len(areas), num_points, p=areas / areas.sum())
    ends = np.cumsum([len(patch.areas) for patch in patches])
    owner = np.searchsorted(ends, drawn, side="right")
    pos, normal = np.empty((num_points, 3)), np.empty((num_points, 3))
    kind = np.array([patch.kind for patch in patches], np.uint8)[owner]
    for number in np.unique(owner):
        patch, of = patches[number], np.flatnonzero(owner == number)
        uv = _inside(patch.corners[drawn[of] - ends[number] + len(patch.areas)], rng)
        pos[of], found = patch.surface(uv[:, 0], uv[:, 1])
        normal[of] = patch.outward * found
    if not (np.isfinite(pos).all() and np.isfinite(normal).all()):
        raise ValueError("shape: expected finite points and normals, found others")
    return Sampled(pos, normal / np.linalg.norm(normal, axis=1, keepdims=True), kind, float(areas.sum()))


def check_closed(sampled: Sampled, volume: float) -> None:
    r"""Check by the divergence theorem that normals are those of a closed surface, and point out of it.

    .. math:: \int n\,dA = 0, \qquad \int x \cdot n\,dA = 3 V

    Args:
        sampled: what :func:`sample_shape` returned.
        volume: that of the solids.

    Raises:
        ValueError: where a sum is far outside of the noise of the sample.
    """
    count = len(sampled.pos)
    if (rest := float(np.linalg.norm(sampled.normal.mean(0)))) > NOISE / count**0.5:
        raise ValueError(f"normal: expected a closed surface, found a mean normal of length {rest:.2f}")
    products = ((sampled.pos - sampled.pos.mean(0)) * sampled.normal).sum(1)
    found, noise = products.mean(), products.std() / count**0.5
    if abs(found - 3 * volume / sampled.area) > NOISE * noise + 0.03 * np.abs(products).mean():
        enclosed = found * sampled.area / 3
        raise ValueError(f"normal: expected normals around a volume of {volume:.4g}, found {enclosed:.4g}")


def _inside(corners: Array, rng: np.random.Generator | np.random.RandomState) -> Array:
    """Draw a point in each triangle ``[n, 3, 2]``, uniformly."""
    root, other = np.sqrt(rng.random(len(corners))), rng.random(len(corners))
    weights = np.stack([1 - root, root * (1 - other), root * other], -1)
    return np.einsum("nk,nkd->nd", weights, corners)


def _patches(shape: Any) -> list[_Patch]:
    from OCP.BRepMesh import BRepMesh_IncrementalMesh
    from OCP.TopAbs import TopAbs_FACE, TopAbs_REVERSED
    from OCP.TopExp import TopExp_Explorer
    from OCP.TopoDS import TopoDS

    BRepMesh_IncrementalMesh(shape, LINEAR * _diagonal(shape), False, ANGULAR, False)
    patches, explorer = [], TopExp_Explorer(shape, TopAbs_FACE)
    while explorer.More():
        face = TopoDS.Face(explorer.Current())
        explorer.Next()
        if (triangles := _triangles(face)) is not None:
            surface, kind = _surface(face)
            outward = -1.0 if face.Orientation() == TopAbs_REVERSED else 1.0
            patches.append(_Patch(*triangles, surface, SURFACES.index(kind), outward))
    return patches


def _diagonal(shape: Any) -> float:
    from OCP.Bnd import Bnd_Box
    from OCP.BRepBndLib import BRepBndLib

    box = Bnd_Box()
    BRepBndLib.Add_s(shape, box)
    return box.SquareExtent() ** 0.5


def _triangles(face: Any) -> tuple[Array, Array] | None:
    """Return the triangles of a face in (u, v) ``[t, 3, 2]`` and their areas in space, if there are any."""
    from OCP.BRep import BRep_Tool
    from OCP.TopLoc import TopLoc_Location

    mesh = BRep_Tool.Triangulation_s(face, TopLoc_Location())
    if mesh is None or mesh.NbTriangles() == 0 or not mesh.HasUVNodes():
        return None
    nodes = range(1, mesh.NbNodes() + 1)
    uv = np.array([(p.X(), p.Y()) for p in map(mesh.UVNode, nodes)])
    xyz = np.array([(p.X(), p.Y(), p.Z()) for p in map(mesh.Node, nodes)])
    triangles = np.array([mesh.Triangle(i).Get() for i in range(1, mesh.NbTriangles() + 1)]) - 1
    a, b, c = np.moveaxis(xyz[triangles], 1, 0)
    return uv[triangles], np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2


def _surface(face: Any) -> tuple[Surface, str]:
    """Return the exact surface of a face and its kind."""
    from OCP import GeomAbs
    from OCP.BRepAdaptor import BRepAdaptor_Surface

    adaptor = BRepAdaptor_Surface(face)
    kind = adaptor.GetType()
    if kind == GeomAbs.GeomAbs_Plane:
        return surfaces.plane(*_axes(adaptor.Plane())), "plane"
    if kind == GeomAbs.GeomAbs_Cylinder:
        of = adaptor.Cylinder()
        return surfaces.cylinder(*_axes(of), of.Radius()), "cylinder"
    if kind == GeomAbs.GeomAbs_Cone:
        of = adaptor.Cone()
        return surfaces.cone(*_axes(of), of.RefRadius(), of.SemiAngle()), "cone"
    if kind == GeomAbs.GeomAbs_Sphere:
        of = adaptor.Sphere()
        return surfaces.sphere(*_axes(of), of.Radius()), "sphere"
    if kind == GeomAbs.GeomAbs_Torus:
        of = adaptor.Torus()
        return surfaces.torus(*_axes(of), of.MajorRadius(), of.MinorRadius()), "torus"
    is_spline = kind in (GeomAbs.GeomAbs_BSplineSurface, GeomAbs.GeomAbs_BezierSurface)
    return _by_kernel(adaptor), "spline" if is_spline else "other"


def _axes(of: Any) -> tuple[Array, Array]:
    """Return origin and unit axes of an elementary surface."""
    position = of.Position()
    origin, *axes = (
        (d.X(), d.Y(), d.Z())
        for d in (position.Location(), position.XDirection(), position.YDirection(), position.Direction())
    )
    return np.array(origin), np.array(axes)


def _by_kernel(adaptor: Any) -> Surface:
    """Return a surface that the kernel evaluates, point by point."""
    from OCP.gp import gp_Pnt, gp_Vec

    point, along_u, along_v = gp_Pnt(), gp_Vec(), gp_Vec()

    def at(u: Array, v: Array) -> tuple[Array, Array]:
        rows = []
        for s, t in zip(u.tolist(), v.tolist(), strict=True):
            adaptor.D1(s, t, point, along_u, along_v)
            rows.append([w for p in (point, along_u, along_v) for w in (p.X(), p.Y(), p.Z())])
        found = np.array(rows)
        normal = np.cross(found[:, 3:6], found[:, 6:])
        with np.errstate(invalid="ignore", divide="ignore"):  # a pole is refused by the caller
            return found[:, :3], normal / np.linalg.norm(normal, axis=1, keepdims=True)

    return at
