"""Dependence of crystal energies on cells, strain and rotations, for each frame of crystals, as Markdown.

A smooth random network (``fa_pyg.testing.probe.EdgeProbe``) in ``WeightedPCAFrame``, on six crystals;
differences are in meV per atom. For each frame of crystals (``fa_pyg.models.CellFrame``):

* by how much the energy of a supercell differs from that of its cells, that of a sheared basis (a' = a + b,
  c' = c - 2 a) or of the other cell (primitive, conventional) from that of the cell, and that of turned
  copies ("turned": the equivariance error);
* runs of the network, of the crystal and of a 2x2x2 supercell rattled by 0.05 Å. What would take more than
  ``--most`` runs is left out (">");
* the largest force in that supercell, over the largest of the bare network in 8 orientations;
* along cubic -> tetragonal -> cubic (c/a up to 1.04) the largest second difference of the energy, over that
  of the bare network, in steps of 1/32 and 1/128 of the path. It stays where the energy is smooth, grows
  4-fold with a kink and 16-fold with a jump.

"No frame" is the bare network: what there is to lose.

    python benchmarks/crystals.py [--group SE] [--seed 0] [--most 200]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from markdown_table import table
from torch import Tensor

from fa_pyg import Frame, Frames, MotionFrame, WeightedPCAFrame
from fa_pyg.builders import Cloud
from fa_pyg.models import CellFrame, CellVectors, LabeledCell, LatticeVectors, NeighborVectors, Potential
from fa_pyg.testing.probe import EdgeProbe

READS: dict[str, Callable[[str], CellFrame]] = {
    "CellVectors (before)": lambda group: CellVectors(),
    "LatticeVectors": lambda group: LatticeVectors(),
    "LatticeVectors, wide": lambda group: LatticeVectors(WeightedPCAFrame(group, tau=0.1, gap=0.2)),
    "LabeledCell": lambda group: LabeledCell(),
    "NeighborVectors": lambda group: NeighborVectors(),
}
SHEAR = np.array([[1, 1, 0], [0, 1, 0], [-2, 0, 1]])
MEV = 1e3


def systems() -> dict[str, tuple[Atoms, Atoms | None]]:
    """Crystals, and the same in another cell."""
    rutile = {"a": 4.594, "b": 4.594, "c": 2.959, "alpha": 90, "beta": 90, "gamma": 90}
    tio2 = crystal("TiO", [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=list(rutile.values()))
    rng = np.random.default_rng(0)
    cell = [[4.0, 0.3, 0.1], [0.9, 4.6, -0.2], [-0.5, 1.1, 5.3]]
    triclinic = Atoms("SiOCuO", scaled_positions=rng.random((4, 3)), cell=cell, pbc=True)
    return {
        "Cu": (bulk("Cu"), bulk("Cu", cubic=True)),
        "NaCl": (bulk("NaCl", "rocksalt", a=5.64), bulk("NaCl", "rocksalt", a=5.64, cubic=True)),
        "Si": (bulk("Si"), bulk("Si", cubic=True)),
        "hcp Mg": (bulk("Mg"), bulk("Mg", orthorhombic=True)),
        "TiO2": (tio2, None),
        "triclinic": (triclinic, None),
    }


class Counted(MotionFrame):
    """A frame that counts, and stops where there are too many."""

    def __init__(self, frame: Frame, most: int) -> None:
        super().__init__(frame.group)
        self.frame, self.most, self.count = frame, most, 0

    def build(self, cloud: Cloud) -> Frames:
        frames = self.frame.build(cloud)
        self.count = frames.num_frames
        if self.count > self.most:
            raise OverflowError
        return frames


def potential(reads: str | None, given: argparse.Namespace) -> Potential:
    net = EdgeProbe(seed=given.seed)
    if reads is None:
        return Potential(net).eval()
    frame = WeightedPCAFrame(f"{given.group}(3)")
    kind = READS[reads](f"{given.group}(3)")
    kind.frame = Counted(kind.of_cells(frame), given.most)
    return Potential(net, frame, cell_frame=kind).eval()


def evaluated(model: Potential, atoms: Atoms) -> dict[str, Tensor]:
    pos, cell = torch.tensor(atoms.positions), torch.tensor(atoms.cell.array)[None]
    return model(torch.tensor(atoms.numbers), pos, cell=cell, pbc=torch.ones(1, 3, dtype=torch.bool))


def energy(model: Potential, atoms: Atoms) -> float:
    """In meV an atom; NaN where it takes too many runs."""
    try:
        return MEV * evaluated(model, atoms)["energy"].item() / len(atoms)
    except OverflowError:
        return np.nan


def runs(model: Potential, atoms: Atoms) -> str:
    if model.cell_frame is None:
        return "1"
    frame, found = model.cell_frame.frame, energy(model, atoms)
    return f"> {frame.most}" if np.isnan(found) else str(frame.count)


def turned(atoms: Atoms, seed: int) -> Atoms:
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    q *= np.linalg.det(q)
    moved = atoms.copy()
    moved.set_cell(atoms.cell.array @ q.T, scale_atoms=True)
    return moved


def sheared(atoms: Atoms) -> Atoms:
    """The same crystal in another basis of its lattice."""
    other = atoms.copy()
    other.set_cell(SHEAR @ atoms.cell.array, scale_atoms=False)
    return other


@cache
def rattled(name: str) -> Atoms:
    atoms = systems()[name][0] * (2, 2, 2)
    atoms.rattle(0.05, seed=0)
    return atoms


def steepness(model: Potential, bare: Potential, atoms: Atoms) -> float:
    most = max(evaluated(bare, turned(atoms, k))["forces"].norm(dim=1).max().item() for k in range(8))
    try:
        return evaluated(model, atoms)["forces"].norm(dim=1).max().item() / most
    except OverflowError:
        return np.nan


def second_difference(model: Potential, pieces: int) -> float:
    """Of the energy along cubic -> tetragonal -> cubic, in meV an atom."""
    cube, found = bulk("NaCl", "rocksalt", a=5.64), []
    for t in np.linspace(0, 1, pieces + 1):
        one = cube.copy()
        one.set_cell(cube.cell.array @ np.diag([1, 1, 1 + 0.04 * np.sin(np.pi * t)]), scale_atoms=True)
        found.append(energy(model, turned(one, 3)))
    return float(np.abs(np.diff(found, 2)).max())


def row(reads: str | None, name: str, given: argparse.Namespace) -> list[str]:
    model, bare = potential(reads, given), potential(None, given)
    cell, other = systems()[name]
    start = energy(model, cell)
    others = [cell * (2, 1, 1), cell * (2, 2, 2), sheared(cell), *([] if other is None else [other])]
    errors = [abs(energy(model, one) - start) for one in others] + [None] * (other is None)
    errors.append(max(abs(energy(model, turned(cell, k)) - start) for k in range(4)))
    shown = ["" if x is None else ">" if np.isnan(x) else f"{x:.1g}" for x in errors]
    ratio = steepness(model, bare, rattled(name))
    counts = [runs(model, cell), runs(model, rattled(name))]
    return [reads or "no frame", name, *shown, *counts, ">" if np.isnan(ratio) else f"{ratio:.2g}"]


def path(reads: str, given: argparse.Namespace) -> list[str]:
    steps = [
        [second_difference(potential(one, given), pieces) for pieces in (32, 128)] for one in (reads, None)
    ]
    return [reads, *(f"{x / bare:.2g}" for x, bare in zip(*steps, strict=True))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--group", choices=("E", "SE"), default="E")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=200, help="runs of the network")
    given = parser.parse_args()
    head = ["frame", "crystal", "2x1x1", "2x2x2", "sheared", "other cell", "turned", "runs", "rattled"]
    rows = (row(reads, name, given) for reads in (None, *READS) for name in systems())
    for line in table([*head, "force"], rows):
        print(line, flush=True)
    print()
    for line in table(["frame", "1/32", "1/128"], (path(reads, given) for reads in READS)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
