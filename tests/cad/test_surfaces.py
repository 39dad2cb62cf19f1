"""Elementary surfaces: implicit equations, and normals against finite differences in both orientations."""

import numpy as np
import pytest

from fa_pyg.cad import surfaces

U, V = np.random.RandomState(0).uniform(0.2, 1.2, (2, 50))
ORIGIN = np.array([1.0, -2.0, 0.5])
AXES = np.linalg.qr(np.random.RandomState(1).randn(3, 3))[0]

CASES = {
    "plane": surfaces.plane,
    "cylinder": lambda o, a: surfaces.cylinder(o, a, 1.5),
    "cone": lambda o, a: surfaces.cone(o, a, 2.0, 0.4),
    "cone beyond its apex": lambda o, a: surfaces.cone(o, a, -3.0, 0.4),
    "sphere": lambda o, a: surfaces.sphere(o, a, 1.5),
    "torus": lambda o, a: surfaces.torus(o, a, 3.0, 1.0),
    "torus without a hole": lambda o, a: surfaces.torus(o, a, -2.0, 1.0),
}


@pytest.mark.parametrize("hand", [1, -1])
@pytest.mark.parametrize("name", CASES)
def test_normals_are_those_of_the_derivatives(name, hand):
    axes = AXES * np.sign(np.linalg.det(AXES)) * np.array([1, 1, hand])[:, None]
    surface, h = CASES[name](ORIGIN, axes), 1e-6
    pos, normal = surface(U, V)
    along_u = surface(U + h, V)[0] - surface(U - h, V)[0]
    along_v = surface(U, V + h)[0] - surface(U, V - h)[0]
    expected = np.cross(along_u, along_v)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(normal - expected).max() < 1e-8
    assert np.abs(np.linalg.norm(normal, axis=1) - 1).max() < 1e-15
    assert pos.shape == (50, 3)


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("plane", lambda x, y, z: z),
        ("cylinder", lambda x, y, z: np.hypot(x, y) - 1.5),
        ("cone", lambda x, y, z: np.hypot(x, y) - 2 - z * np.tan(0.4)),
        ("sphere", lambda x, y, z: np.sqrt(x * x + y * y + z * z) - 1.5),
        ("torus", lambda x, y, z: np.hypot(np.hypot(x, y) - 3, z) - 1),
    ],
)
def test_points_lie_on_the_surface(name, equation):
    pos, _ = CASES[name](ORIGIN, AXES)(U, V)
    assert np.abs(equation(*((pos - ORIGIN) @ AXES.T).T)).max() < 1e-14
