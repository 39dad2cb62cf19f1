"""Dynamics, vibrations and bond scans of five small molecules with networks in several frames.

``python benchmarks/vibrations.py`` trains the configurations of ``ROWS`` for equal CPU time on the data of
``scripts/small_molecules.py``, then runs each molecule with each network: 5 ps at constant energy, vibrations
at three displacements, and scans of bonds. What is finished is not done again; the tables (``tables.md``,
``results.json``) are written after each molecule.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms, units
from ase.optimize import BFGS
from command_line import writable
from markdown_table import table

from fa_pyg import PCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.builders import Frame
from fa_pyg.datasets.xyz import read_xyz
from fa_pyg.dynamics import (
    Trajectory,
    along,
    bond_scan,
    conservation,
    frequencies,
    nve_together,
    scannable_bonds,
    splitting,
    thermalised,
)
from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.potential.calculator import StepWatch
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.results import read_result
from fa_pyg.train.tasks.molecules import MoleculeCLI

ROOT = Path(__file__).resolve().parents[1]
MULTIPLICITIES = {"NH3": (2, 2), "CH4": (2, 3, 3), "C6H6": (2,) * 10, "CH3OH": (), "C2H6": (2,) * 6}
MOLECULES = tuple(MULTIPLICITIES)
DELTAS = (0.01, 0.003, 0.001)  # ångström
STRETCH = np.linspace(-0.12, 0.12, 121)  # ångström
TEMPERATURE, TIMESTEP = 300.0, 0.5  # K, fs
DRAWN, SCANNED, MOVED = ("weighted", "random", "e3nn", "xtb"), ("CH4", "C-H"), "NH3"  # in the picture


class Row(NamedTuple):
    """A configuration that is trained, and the frame to evaluate in if it is another one."""

    title: str
    config: str
    frame: Frame | str | None = None


ROWS = {
    "weighted": Row("weighted frames, fast (the default of before)", "small_weighted"),
    "full": Row("all 8 PCA frames", "small_full"),
    "smooth": Row("smooth frames", "small_smooth"),
    "random": Row("trained in random motions, evaluated in smooth frames", "small_random"),
    "random_dynamics": Row("the same, evaluated in frames for dynamics", "small_random", "dynamics"),
    "random_fast": Row("the same, evaluated in fast weighted frames", "small_random", "fast"),
    "random_full": Row("the same, evaluated in all 8 PCA frames", "small_random", PCAFrame("E(3)")),
    "weighted_smooth": Row(
        "trained in fast weighted frames, evaluated in smooth frames", "small_weighted", "forces"
    ),
    "e3nn": Row("NequIP (equivariant, e3nn)", "small_e3nn"),
}
TITLES = {**{name: row.title for name, row in ROWS.items()}, "xtb": "GFN2-xTB itself"}


def main() -> int:
    given = _arguments()
    tests = {name: read_xyz(given.data / "test" / f"{name}.xyz", dtype=torch.float64) for name in MOLECULES}
    for name in given.rows:
        for molecule in given.molecules:
            kept = given.out / name / f"seed_{given.seed}" / f"{molecule}.json"
            known = reference(given, tests[molecule], molecule)
            calc = calculator(given, name)
            once(kept, partial(measured, calc, tests[molecule], known))
            report(given)
    for name in given.rows:  # the longest part, for all molecules together
        kept = given.out / name / f"seed_{given.seed}" / "nve.json"
        once(kept, partial(dynamics, calculator(given, name).model, tests, given))
        report(given)
    print((given.out / "tables.md").read_text())
    return 0


def calculator(given: argparse.Namespace, name: str) -> Any:
    return FACalculator(train(given, ROWS[name]), dtype="float64", frame=ROWS[name].frame)


def once(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds; made and written if it is not there."""
    if known := read_result(path):
        return known
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(found))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--molecules", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--minutes", type=float, default=8, help="of CPU time to train for, each (8)")
    parser.add_argument("--picoseconds", type=float, default=5.0, help="of dynamics (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the training and the velocities")
    parser.add_argument(
        "--data", type=Path, default=ROOT / "data" / "small", help="of scripts/small_molecules.py"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "vibrations", help="where the runs go")
    parser.add_argument("--picture", type=writable, help="a file to draw in")
    return parser.parse_args()


def train(given: argparse.Namespace, row: Row) -> Path:
    """Train for equal CPU time, once, and return the folder of the run."""
    config = ROOT / "configs" / "molecules" / f"{row.config}.yaml"
    data = [
        f"--data.{key}.root_or_files={given.data / split}"
        for key, split in (("dataset", "train"), ("val", "val"), ("test", "test"))
    ]
    folder = given.out / f"minutes_{given.minutes:g}"
    kept = folder / "epochs" / f"{row.config}.json"
    epochs = affordable_epochs(MoleculeCLI, config, data, 60 * given.minutes, kept)
    every = max(1, epochs // 10)
    arguments = [*data, f"--trainer.max_epochs={epochs}", f"--trainer.check_val_every_n_epoch={every}"]
    arguments += [f"--checkpoint_every={every}", "--trainer.enable_progress_bar=false"]
    return Path(trained("molecules", config, given.seed, folder / f"seed_{given.seed}", *arguments)["folder"])


def reference(given: argparse.Namespace, test: list[Any], molecule: str) -> dict[str, Any]:
    """Relaxed positions, frequencies and scans of xTB itself, by the same procedure; computed once."""
    return once(given.out / "xtb" / f"{molecule}.json", partial(_xtb, test[0]))


def _xtb(start: Any) -> dict[str, Any]:
    from tblite.ase import TBLite

    atoms = Atoms(start.z.numpy(), start.pos.numpy())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, accuracy=0.01)
    found = {"force": relax(atoms), "pos": atoms.positions.tolist()}
    found["frequencies"] = {str(delta): frequencies(atoms, delta).tolist() for delta in DELTAS}
    return found | {"scans": scans(atoms, lambda pos: [_energy(atoms, one) for one in pos])}


def _energy(atoms: Atoms, pos: np.ndarray) -> float:
    moved = atoms.copy()
    moved.positions, moved.calc = pos, atoms.calc
    return moved.get_potential_energy()


# ------------------------------------------------------------------------------ what is measured


def measured(calc: Any, test: list[Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Errors, vibrations and scans of one molecule with one calculator."""
    model, shape = calc.model, Atoms(test[0].z.numpy(), known["pos"])
    relaxed = shape.copy()
    relaxed.calc = calc
    found: dict[str, Any] = errors(model, test) | {"force": relax(relaxed)}
    found["frequencies"] = {str(delta): frequencies(relaxed, delta).tolist() for delta in DELTAS}
    return found | {"scans": scans(shape, lambda pos: along(model, shape.numbers, pos)[0].tolist())}


def errors(model: Any, test: list[Any]) -> dict[str, float]:
    """Mean absolute errors of the test structures, in meV and meV/Å."""
    pos = np.stack([data.pos.numpy() for data in test])
    energy, forces = along(model, test[0].z.numpy(), pos)
    true = np.array([data.energy.item() for data in test]), np.stack([data.forces.numpy() for data in test])
    found = np.abs(energy - true[0]).mean(), np.abs(forces - true[1]).mean()
    return dict(
        zip(("energy_mae_meV", "forces_mae_meV_per_A"), (1000 * float(x) for x in found), strict=True)
    )


def relax(atoms: Atoms, fmax: float = 1e-5, steps: int = 500) -> float:
    """Relax in place; returns the largest force that is left, in eV/Å."""
    BFGS(atoms, logfile=None).run(fmax=fmax, steps=steps)
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())


def scans(shape: Atoms, energies: Callable[[np.ndarray], list[float]]) -> dict[str, list[float]]:
    """Energies along the scan of each kind of bond, in eV."""
    return {name: energies(bond_scan(shape, bond, STRETCH)) for name, bond in scannable_bonds(shape).items()}


def dynamics(model: Any, tests: Mapping[str, list[Any]], given: argparse.Namespace) -> dict[str, Any]:
    """Runs at constant energy of all molecules, from their first test structures."""
    starts = [Atoms(test[0].z.numpy(), test[0].pos.numpy()) for test in tests.values()]
    systems = [thermalised(atoms, TEMPERATURE, given.seed) for atoms in starts]
    began, steps = time.process_time(), round(1000 * given.picoseconds / TIMESTEP)
    model.share_calls(16)
    runs = nve_together(model, systems, steps, TIMESTEP)
    spent = 1000 * (time.process_time() - began) / steps
    found = {name: _moved(*one) for name, *one in zip(tests, systems, runs, strict=True)}
    return {**found, "milliseconds_a_step": spent}


def _moved(atoms: Atoms, run: Trajectory) -> dict[str, Any]:
    """What the energy of a run does, beside what it does for the integrator's sake."""
    if not len(run.time):
        return {**conservation(run), "end": run.end, "ps": 0.0}
    squares = ((run.forces**2).sum(2) / atoms.get_masses()).sum(1)
    integrator = 1000 * (TIMESTEP * units.fs) ** 2 / 8 * squares
    kelvin = 2 / 3 * float(run.kinetic.mean()) / len(atoms) / units.kB
    own = {
        "integrator_meV": float(integrator.std()),
        "kelvin": kelvin,
        "end": run.end,
        "warned": warned(atoms, run),
    }
    shown = {"total_meV": (1000 * (run.total - run.total[0])).tolist(), "time_ps": run.time.tolist()}
    return {**conservation(run), **own, "ps": float(run.time[-1]), **shown}


def warned(atoms: Atoms, run: Trajectory) -> bool:
    """Whether the calculator would have warned of the frame."""
    watch, moving = StepWatch(), atoms.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for pos, energy, forces in zip(run.pos, run.potential, run.forces, strict=True):
            moving.positions = pos
            watch(moving, energy, forces)
    return watch.warned


# ------------------------------------------------------------------------------ tables


def report(given: argparse.Namespace) -> None:
    """Write the tables of what is there so far."""
    found = list(_results(given))
    text = [_accuracy(found), _conserved(found), _vibrated(found), _scanned(found)]
    write_atomically(given.out / "tables.md", "\n\n".join(text) + "\n")
    flat = [{**one.figures, "row": one.row, "molecule": one.molecule} for one in found]
    write_atomically(given.out / "results.json", json.dumps(flat, indent=2) + "\n")
    if given.picture is not None:
        draw(given, found)


class Result(NamedTuple):
    """A molecule with one network: its raw numbers, and the figures made of them."""

    row: str
    molecule: str
    raw: dict[str, Any]
    figures: dict[str, Any]


def _results(given: argparse.Namespace) -> Iterator[Result]:
    for row in (*ROWS, "xtb"):
        folder = given.out / row if row == "xtb" else given.out / row / f"seed_{given.seed}"
        moved = read_result(folder / "nve.json") or {}
        for molecule in MOLECULES:
            raw = read_result(folder / f"{molecule}.json")
            known = read_result(given.out / "xtb" / f"{molecule}.json")
            if raw and known:
                raw |= {"nve": moved.get(molecule, {})}
                yield Result(row, molecule, raw, figures(raw, known, molecule))


def figures(raw: Mapping[str, Any], known: Mapping[str, Any], molecule: str) -> dict[str, Any]:
    """What the tables show of one molecule."""
    found = {key: raw[key] for key in ("energy_mae_meV", "forces_mae_meV_per_A", "force") if key in raw}
    found |= {key: value for key, value in raw["nve"].items() if not isinstance(value, list)}
    found |= vibrational(raw["frequencies"], known["frequencies"], molecule)
    return found | kinks(raw["scans"], known["scans"])


def vibrational(
    found: Mapping[str, list[float]], known: Mapping[str, list[float]], molecule: str
) -> dict[str, Any]:
    """How frequencies depend on the displacement, split, and differ from xTB's, all in cm^-1."""
    parts = {delta: _parted(values) for delta, values in found.items()}
    modes = {delta: part[1] for delta, part in parts.items()}
    true, sets = _parted(known[str(DELTAS[-1])])[1], MULTIPLICITIES[molecule]
    return {
        "rigid": {delta: float(np.abs(part[0]).max()) for delta, part in parts.items()},
        "spread": float(np.ptp(np.stack(list(modes.values())), axis=0).max()),
        "split": max(splitting(one, sets) for one in modes.values()),
        "error": {delta: float(np.abs(one - true).mean()) for delta, one in modes.items()},
        "highest": {delta: float(one.max()) for delta, one in modes.items()},
        "lowest": {delta: float(one.min()) for delta, one in modes.items()},
    }


def _parted(values: list[float], rigid: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The frequencies of translations and rotations, which are next to 0, and the others ascending."""
    order = np.argsort(np.abs(values))
    return np.asarray(values)[order[:rigid]], np.sort(np.asarray(values)[order[rigid:]])


def kinks(found: Mapping[str, list[float]], known: Mapping[str, list[float]]) -> dict[str, Any]:
    """Second differences along scans, and how much they change in a step: the largest over xTB's."""
    curved = {name: curvature(values) for name, values in found.items()}
    true = {name: curvature(values) for name, values in known.items()}
    ratio = {name: float(np.abs(one).max() / np.abs(true[name]).max()) for name, one in curved.items()}
    rough = {
        name: float(np.abs(np.diff(one)).max() / np.abs(np.diff(true[name])).max())
        for name, one in curved.items()
    }
    return {"curvature": ratio, "roughness": rough}


def curvature(values: list[float]) -> np.ndarray:
    """Second differences over the square of the step, in eV/Å^2."""
    return np.diff(values, 2) / (STRETCH[1] - STRETCH[0]) ** 2


def _accuracy(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        return f"{f['energy_mae_meV']:.1f} / {f['forces_mae_meV_per_A']:.0f}" if "energy_mae_meV" in f else ""

    return _table("energy MAE / meV, force MAE / meV/Å", found, cell)


def _conserved(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        if f.get("fluctuation_meV") is None:
            return f.get("end") or ""
        end = ", warned" * f["warned"] + (f", ends at {f['ps']:g} ps" if f["end"] else "")
        shown = (f["fluctuation_meV"], f["integrator_meV"], f["drift_meV_per_atom_ps"], f["jump_meV"])
        return " / ".join(f"{x:.2g}" for x in shown) + end

    title = "NVE: fluctuation / integrator's own (meV) / drift (meV/atom/ps) / largest jump in a step (meV)"
    return _table(title, found, cell)


def _vibrated(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        rigid = " ".join(f"{value:.0f}" for value in f["rigid"].values())
        return f"{f['spread']:.1f} / {f['split']:.1f} / {rigid} / {f['error'][str(DELTAS[-1])]:.0f}"

    title = (
        "vibrations (1/cm): largest change of a frequency over displacements / splitting of degenerate sets "
        f"/ largest frequency of a translation or rotation at displacements {DELTAS} / mean error to xTB"
    )
    return _table(title, found, cell)


def _scanned(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        return ", ".join(
            f"{name} {f['curvature'][name]:.2f} ({f['roughness'][name]:.1f})" for name in f["curvature"]
        )

    title = "bond scans: largest second difference / xTB's (largest change of it in a step / xTB's)"
    return _table(title, found, cell)


def _table(title: str, found: list[Result], cell: Callable[[Result], str]) -> str:
    """A table with a row per network and a column per molecule."""
    cells = {(result.row, result.molecule): cell(result) for result in found}
    rows = dict.fromkeys(result.row for result in found)
    lines = [[TITLES[row], *(cells.get((row, molecule), "") for molecule in MOLECULES)] for row in rows]
    return f"{title}\n\n" + "\n".join(table(["model", *MOLECULES], lines))


def draw(given: argparse.Namespace, found: list[Result]) -> None:
    """Second differences along a bond scan, and total energies of a run, for each network."""
    import matplotlib.pyplot as plt

    molecule, bond = SCANNED
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 7.5), dpi=100)
    for one in (result for result in found if result.row in DRAWN):
        look = {"lw": 1.0, "color": f"C{DRAWN.index(one.row)}", "label": TITLES[one.row]}
        if one.molecule == molecule:
            above.plot(STRETCH[1:-1], curvature(one.raw["scans"][bond]), **look)
        if one.molecule == MOVED and "total_meV" in one.raw["nve"]:
            below.plot(one.raw["nve"]["time_ps"], one.raw["nve"]["total_meV"], **look | {"lw": 0.5})
    above.set(xlabel=f"stretch of {bond} in {molecule} / Å", ylabel="second difference / eV/Å²")
    below.set(xlabel="time / ps", ylabel=f"total energy of {MOVED} - start / meV")
    above.legend(fontsize=7)
    figure.tight_layout()
    save_figure(figure, given.picture)


if __name__ == "__main__":
    sys.exit(main())
