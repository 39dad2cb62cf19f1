"""Points of solids, against closed forms and the classifier of the CAD kernel (skipped without it)."""

import numpy as np
import pytest

cad = pytest.importorskip("build123d")

from fa_pyg.cad.sampling import check_closed, sample_shape  # noqa: E402
from fa_pyg.cad.surfaces import SURFACES  # noqa: E402

AT = (5.0, -3.0, 2.0), (30.0, -50.0, 70.0)


def rng():
    return np.random.RandomState(0)


def radial(x):
    return x * [1, 1, 0] / np.linalg.norm(x[:, :2], axis=1, keepdims=True)


def towards_tube(x):
    return (x - 3 * radial(x)) / np.linalg.norm(x - 3 * radial(x), axis=1, keepdims=True)


CONE = 3 / 4  # (3 - 0) / 4: slope of a cone of radius 3 and height 4
CLOSED = {
    "sphere": (lambda: cad.Sphere(2), lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)),
    "cylinder": (lambda: cad.Cylinder(2, 5), radial),
    "cone": (
        lambda: cad.Cone(3, 0, 4),
        lambda x: (radial(x) + np.array([0, 0, CONE])) / (1 + CONE**2) ** 0.5,
    ),
    "torus": (lambda: cad.Torus(3, 1), towards_tube),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_normals_against_closed_forms_in_any_pose(kind):
    make, expected = CLOSED[kind]
    pose = cad.Location(*AT)
    matrix = np.array([[getattr(p, a) - getattr(q, a) for p, q in _images(pose)] for a in ("X", "Y", "Z")])
    found = sample_shape(pose * make(), 2000, rng())
    of_kind = found.surface == SURFACES.index(kind)
    pos, normal = (found.pos[of_kind] - AT[0]) @ matrix, found.normal[of_kind] @ matrix
    assert of_kind.sum() > 500
    assert np.abs(normal - expected(pos)).max() < 1e-14
    assert np.abs(np.linalg.norm(found.normal, axis=1) - 1).max() <= 4e-16


def _images(pose):
    origin = (pose * cad.Pos(0, 0, 0)).position
    return [((pose * cad.Pos(*axis)).position, origin) for axis in np.eye(3).tolist()]


SOLIDS = {
    "bored cylinder": lambda: cad.Cylinder(2, 5) - cad.Box(1, 1, 9),
    "filleted box": lambda: cad.fillet(cad.Box(4, 5, 6).edges(), 0.5),
    "mirrored cone": lambda: cad.mirror(cad.Pos(1, 2, 3) * cad.Cone(3, 1, 4), cad.Plane.XZ),
    "hollow sphere": lambda: cad.Sphere(3) - cad.Sphere(2),
    "loft": lambda: cad.loft([cad.Rectangle(3, 4), cad.Pos(0, 0, 5) * cad.Circle(1)]),
    "spring": lambda: cad.sweep(
        cad.Plane((path := cad.Helix(2, 4, 3)) @ 0, z_dir=path % 0) * cad.Circle(0.4), path, is_frenet=True
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_point_out_of_the_material(name):
    solid = SOLIDS[name]()
    found = sample_shape(solid, 200, rng())
    step = 1e-3 * found.normal
    outside = [solid.is_inside(tuple(p)) for p in found.pos + step]
    inside = [solid.is_inside(tuple(p)) for p in found.pos - step]
    assert np.mean(outside) < 0.03  # but for points within the step of an edge
    assert np.mean(inside) > 0.97
    check_closed(sample_shape(solid, 4000, rng()), solid.volume)


def test_turned_normals_are_found():
    box = cad.Box(1, 2, 3)
    found = sample_shape(box, 4000, rng())
    check_closed(found, box.volume)
    found.normal *= -1
    with pytest.raises(ValueError, match="expected normals around a volume"):
        check_closed(found, box.volume)
    found.normal[:] = [0, 0, 1]
    with pytest.raises(ValueError, match="expected a closed surface"):
        check_closed(found, box.volume)


def test_splines_by_the_kernel():
    from OCP.BRepBuilderAPI import BRepBuilderAPI_NurbsConvert

    spline = BRepBuilderAPI_NurbsConvert(cad.Sphere(2).wrapped).Shape()
    found = sample_shape(spline, 1000, rng())
    assert (found.surface == SURFACES.index("spline")).all()
    assert np.abs(found.normal - found.pos / 2).max() < 1e-12


def test_points_are_drawn_by_area():
    found = sample_shape(cad.Box(1, 2, 3), 20000, rng())
    share = [(np.abs(found.normal[:, axis]) == 1).mean() for axis in range(3)]
    assert share == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.015)
    z = sample_shape(cad.Sphere(1), 20000, rng()).pos[:, 2]  # uniform, by Archimedes
    assert np.histogram(z, 10, (-1, 1))[0] == pytest.approx(2000, abs=250)


def test_the_same_seed_draws_the_same_points():
    first, second = (sample_shape(cad.Torus(3, 1), 100, rng()) for _ in range(2))
    assert (first.pos == second.pos).all()


def test_a_shape_without_faces_is_refused():
    with pytest.raises(ValueError, match="shape: expected faces, found none"):
        sample_shape(cad.Line((0, 0), (1, 1)), 10, rng())
