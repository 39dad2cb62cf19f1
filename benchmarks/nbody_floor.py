"""The least test error that an E(3)-equivariant model can have on the n-body benchmark, estimated.

``python benchmarks/nbody_floor.py`` moves the test systems by random rotations and reflections, lets the law
of the generator act, and moves the results back. The generator limits the *components* of forces, so that
its law is not equivariant: equivariant models can at best predict the mean over all orientations. Printed are
the errors of the law itself (from inputs in single precision), of means over K orientations, and the variance
over orientations; if orientations are equally likely, the last is what the error of the mean tends to.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from markdown_table import table

from fa_pyg.datasets import NBody
from fa_pyg.datasets.nbody import simulate

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orientations", type=int, default=24, help="at most (24)")
    parser.add_argument("--samples", type=int, default=2000, help="test systems (2000)")
    parser.add_argument("--seed", type=int, default=0, help="of the orientations (0)")
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "nbody", help="folder of the data")
    given = parser.parse_args()
    data = NBody(given.root, "test", given.samples)
    pos, vel, charge, y = (np.stack([one[key].double().numpy() for one in data]) for key in KEYS)
    rng = np.random.default_rng(given.seed)
    ends = np.stack(
        [later(charge, pos, vel, orthogonal(rng)) for _ in range(given.orientations)],
    )
    rows = [["the law, as it is", error(later(charge, pos, vel, np.eye(3)), y), ""]]
    counts = [k for k in (1, 2, 4, 8, 16) if k < given.orientations] + [given.orientations]
    for k in counts:
        variance = f"{ends[:k].var(0, ddof=1).mean():.5f}" if k > 1 else ""
        rows.append([f"mean over {k} orientations", error(ends[:k].mean(0), y), variance])
    print(*table(["prediction", "test MSE", "variance over orientations"], rows), sep="\n")


KEYS = ("pos", "vel", "charge", "y")


def orthogonal(rng: np.random.Generator) -> np.ndarray:
    """Draw an orthogonal matrix from the Haar measure."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.diagonal(r))


def later(charge: np.ndarray, pos: np.ndarray, vel: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the positions 1000 steps later by the law acting on moved systems, moved back."""
    return simulate(charge, pos @ rotation.T, vel @ rotation.T, (9,))[0][:, 0] @ rotation


def error(found: np.ndarray, y: np.ndarray) -> str:
    return f"{np.square(found - y).mean():.6f}"


if __name__ == "__main__":
    main()
