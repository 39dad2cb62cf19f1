"""Exactness of normals of sampled parts against closed forms, as Markdown; needs the extra ``cad``, no torch.

Points are drawn on a sphere, a cylinder, a cone and a torus built by the CAD kernel. The largest deviation of
a component of a normal from the closed form, evaluated at the sampled point, of a length from one, and of the
area of the triangles from the exact area.

    python benchmarks/cad_normals.py [--points 20000]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import build123d
import numpy as np
from markdown_table import table

from fa_pyg.cad import SURFACES
from fa_pyg.cad.sampling import sample_shape

Array = np.ndarray
CONE = np.array([0.0, 0.0, 3 / 4])  # of radius 3 and height 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=20_000, help="of each solid (20000)")
    count = parser.parse_args().points
    for line in table(["solid", "normal", "length", "area"], (row(name, count) for name in SOLIDS)):
        print(line, flush=True)


def row(name: str, count: int) -> list[str]:
    solid, exact = SOLIDS[name]
    found = sample_shape(solid, count, np.random.RandomState(0))
    curved = found.surface == SURFACES.index(name)
    normal = found.normal[curved]
    deviation = np.abs(normal - exact(found.pos[curved])).max()
    length = np.abs(np.linalg.norm(normal, axis=1) - 1).max()
    return [name, f"{deviation:.1e}", f"{length:.1e}", f"{100 * (found.area / solid.area - 1):+.2f} %"]


def radial(x: Array) -> Array:
    """The direction from the third axis."""
    return x * [1, 1, 0] / np.linalg.norm(x[:, :2], axis=1, keepdims=True)


def direction(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


SOLIDS: dict[str, tuple[build123d.Solid, Callable[[Array], Array]]] = {
    "sphere": (build123d.Sphere(2), direction),
    "cylinder": (build123d.Cylinder(2, 5), radial),
    "cone": (build123d.Cone(3, 0, 4), lambda x: direction(radial(x) + CONE)),
    "torus": (build123d.Torus(3, 1), lambda x: direction(x - 3 * radial(x))),
}

if __name__ == "__main__":
    main()
