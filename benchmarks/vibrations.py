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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms, units
from ase.optimize import BFGS

from fa_pyg.ase import FACalculator
from fa_pyg.datasets.xyz import read_xyz
from fa_pyg.dynamics import along, conservation, nve, thermalised
from fa_pyg.dynamics.vibrations import bond_scan, degenerate_sets, frequencies, scannable_bonds
from fa_pyg.files import write_atomically
from fa_pyg.plot import _figure, save_figure
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.molecules import MoleculeCLI
from fa_pyg.train.results import read_result

ROOT = Path(__file__).resolve().parents[1]
MOLECULES = ("NH3", "CH4", "C6H6", "CH3OH", "C2H6")
DELTAS = (0.01, 0.003, 0.001)  # ångström
STRETCH = np.arange(-0.2, 0.3001, 0.002)  # ångström
TEMPERATURE, TIMESTEP = 300.0, 0.5  # K, fs
PLOTTED = "NH3", "N-H"


class Row(NamedTuple):
    """A configuration that is trained, and the frame to evaluate in if it is another one."""

    title: str
    config: str
    frame: str | None = None


ROWS = {
    "weighted": Row("weighted frames, fast", "small_weighted"),
    "full": Row("all 8 PCA frames", "small_full"),
    "smooth": Row("smooth frames", "small_smooth"),
    "random": Row("random motions, evaluated in smooth frames", "small_random"),
    "weighted_smooth": Row("weighted frames, fast, evaluated in smooth frames", "small_weighted", "forces"),
    "full_smooth": Row("all 8 PCA frames, evaluated in smooth frames", "small_full", "forces"),
    "e3nn": Row("NequIP (equivariant, e3nn)", "small_e3nn"),
}


def main() -> int:
    given = _arguments()
    tests = {name: read_xyz(given.data / "test" / f"{name}.xyz", dtype=torch.float64) for name in MOLECULES}
    for name in given.rows:
        checkpoint = train(given, ROWS[name])
        for molecule in given.molecules:
            kept = given.out / name / f"seed_{given.seed}" / f"{molecule}.json"
            if not kept.exists():
                began = time.process_time()
                calculator = FACalculator(checkpoint, dtype="float64", frame=ROWS[name].frame)
                found = measured(
                    calculator, tests[molecule], reference(given, tests[molecule], molecule), given
                )
                found["cpu_seconds"] = time.process_time() - began
                kept.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(kept, json.dumps(found))
            report(given)
    print((given.out / "tables.md").read_text())
    return 0


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
    parser.add_argument("--picture", type=Path, help="a file to draw in")
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
    script = ROOT / "scripts" / "train_molecules.py"
    return Path(trained(script, config, given.seed, folder / f"seed_{given.seed}", *arguments)["folder"])


def reference(given: argparse.Namespace, test: list[Any], molecule: str) -> dict[str, Any]:
    """Relaxed positions, frequencies and scans of xTB itself, by the same procedure; computed once."""
    kept = given.out / "xtb" / f"{molecule}.json"
    if known := read_result(kept):
        return known
    from tblite.ase import TBLite

    atoms = Atoms(test[0].z.numpy(), test[0].pos.numpy())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, accuracy=0.01)
    found = {"force": relax(atoms), "pos": atoms.positions.tolist()}
    found["frequencies"] = {str(delta): frequencies(atoms, delta).tolist() for delta in DELTAS}
    found["scans"] = scans(atoms, atoms, lambda pos: [_energy(atoms, one) for one in pos])
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, json.dumps(found))
    return found


def _energy(atoms: Atoms, pos: np.ndarray) -> float:
    moved = atoms.copy()
    moved.positions, moved.calc = pos, atoms.calc
    return moved.get_potential_energy()


# ------------------------------------------------------------------------------ what is measured


def measured(calculator: Any, test: list[Any], known: Mapping[str, Any], given: argparse.Namespace) -> dict:
    """All figures of one molecule with one calculator."""
    start = Atoms(test[0].z.numpy(), test[0].pos.numpy(), calculator=calculator)
    relaxed = Atoms(start.numbers, known["pos"], calculator=calculator)
    found: dict[str, Any] = errors(calculator.model, test)
    found["force"] = relax(relaxed)
    found["frequencies"] = {str(delta): frequencies(relaxed, delta).tolist() for delta in DELTAS}
    shape = Atoms(start.numbers, known["pos"])
    found["scans"] = scans(shape, shape, lambda pos: along(calculator.model, shape.numbers, pos)[0].tolist())
    return found | {"nve": dynamics(start, given)}


def errors(model: Any, test: list[Any]) -> dict[str, float]:
    """Mean absolute errors of the test structures, in meV and meV/Å."""
    pos = np.stack([data.pos.numpy() for data in test])
    energy, forces = along(model, test[0].z.numpy(), pos)
    true = np.array([data.energy.item() for data in test]), np.stack([data.forces.numpy() for data in test])
    found = np.abs(energy - true[0]).mean(), np.abs(forces - true[1]).mean()
    return dict(
        zip(("energy_mae_meV", "forces_mae_meV_per_A"), (1000 * float(x) for x in found), strict=True)
    )


def relax(atoms: Atoms, fmax: float = 1e-4, steps: int = 300) -> float:
    """Relax in place; returns the largest force that is left, in eV/Å."""
    BFGS(atoms, logfile=None).run(fmax=fmax, steps=steps)
    return float(np.linalg.norm(atoms.get_forces(), axis=1).max())


def scans(shape: Atoms, bonded: Atoms, energies: Callable[[np.ndarray], Any]) -> dict[str, list[float]]:
    """Energies along the scan of each kind of bond, in eV."""
    bonds = scannable_bonds(bonded)
    return {name: list(energies(bond_scan(shape, bond, STRETCH))) for name, bond in bonds.items()}


def dynamics(start: Atoms, given: argparse.Namespace) -> dict[str, Any]:
    """A run at constant energy from a test structure; with the fluctuation that is the integrator's own."""
    atoms = thermalised(start, TEMPERATURE, given.seed)
    atoms.calc = start.calc
    run = nve(atoms, round(1000 * given.picoseconds / TIMESTEP), TIMESTEP)
    squares = ((run.forces**2).sum(2) / atoms.get_masses()).sum(1)
    integrator = 1000 * (TIMESTEP * units.fs) ** 2 / 8 * squares
    kelvin = 2 / 3 * float(run.kinetic.mean()) / len(atoms) / units.kB
    shown = {"total_meV": (1000 * (run.total - run.total[0])).tolist(), "time_ps": run.time.tolist()}
    own = {"integrator_meV": float(integrator.std()), "kelvin": kelvin, "end": run.end}
    return {**conservation(run), **own, "ps": float(run.time[-1]), **shown}


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
    for row in ROWS:
        for molecule in MOLECULES:
            raw = read_result(given.out / row / f"seed_{given.seed}" / f"{molecule}.json")
            known = read_result(given.out / "xtb" / f"{molecule}.json")
            if raw and known:
                yield Result(row, molecule, raw, figures(raw, known))


def figures(raw: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables show of one molecule."""
    moved = {key: value for key, value in raw["nve"].items() if not isinstance(value, list)}
    given = {key: raw[key] for key in ("energy_mae_meV", "forces_mae_meV_per_A", "force")}
    return (
        given
        | moved
        | vibrational(raw["frequencies"], known["frequencies"])
        | kinks(raw["scans"], known["scans"])
    )


def vibrational(found: Mapping[str, list[float]], known: Mapping[str, list[float]]) -> dict[str, Any]:
    """How frequencies depend on the displacement, split, and differ from xTB's, all in cm^-1."""
    parts = {delta: _parted(values) for delta, values in found.items()}
    true = _parted(known[str(DELTAS[0])])[1]
    sets = degenerate_sets(true)
    modes = {delta: part[1] for delta, part in parts.items()}
    return {
        "rigid": float(max(np.abs(part[0]).max() for part in parts.values())),
        "spread": float(np.ptp(np.stack(list(modes.values())), axis=0).max()),
        "split": float(max((np.ptp(one[k]) for one in modes.values() for k in sets), default=0.0)),
        "error": {delta: float(np.abs(one - true).mean()) for delta, one in modes.items()},
        "highest": {delta: float(one.max()) for delta, one in modes.items()},
        "lowest": {delta: float(one.min()) for delta, one in modes.items()},
    }


def _parted(values: list[float], rigid: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The frequencies of translations and rotations, which are next to 0, and the others ascending."""
    order = np.argsort(np.abs(values))
    return np.asarray(values)[order[:rigid]], np.sort(np.asarray(values)[order[rigid:]])


def kinks(found: Mapping[str, list[float]], known: Mapping[str, list[float]]) -> dict[str, Any]:
    """Second differences along scans: the largest over xTB's, and minima where xTB has one."""
    curved = {name: curvature(values) for name, values in found.items()}
    true = {name: curvature(values) for name, values in known.items()}
    ratio = {name: float(np.abs(one).max() / np.abs(true[name]).max()) for name, one in curved.items()}
    rough = {
        name: float(np.abs(np.diff(one)).max() / np.abs(np.diff(true[name])).max())
        for name, one in curved.items()
    }
    minima = {name: int((np.diff(np.sign(np.diff(values))) > 0).sum()) for name, values in found.items()}
    return {"curvature": ratio, "roughness": rough, "minima": minima}


def curvature(values: list[float]) -> np.ndarray:
    """Second differences over the square of the step, in eV/Å^2."""
    return np.diff(values, 2) / (STRETCH[1] - STRETCH[0]) ** 2


def _accuracy(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        return f"{one.figures['energy_mae_meV']:.1f} / {one.figures['forces_mae_meV_per_A']:.0f}"

    return _table("energy MAE / meV, force MAE / meV/Å", found, cell)


def _conserved(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        end = "" if f["end"] is None else f", ends at {f['ps']:g} ps"
        if f["fluctuation_meV"] is None:
            return f"-{end}"
        shown = (f["fluctuation_meV"], f["integrator_meV"], f["drift_meV_per_atom_ps"], f["jump_meV"])
        return " / ".join(f"{x:.2g}" for x in shown) + end

    title = "NVE: fluctuation / integrator's own (meV) / drift (meV/atom/ps) / largest jump in a step (meV)"
    return _table(title, found, cell)


def _vibrated(found: list[Result]) -> str:
    def cell(one: Result) -> str:
        f = one.figures
        return f"{f['spread']:.1f} / {f['split']:.1f} / {f['rigid']:.1f} / {f['error'][str(DELTAS[1])]:.0f}"

    title = "vibrations (1/cm): spread over displacements / splitting of degenerate modes / rigid / error"
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
    """A row for each network, a column for each molecule."""
    cells = {(one.row, one.molecule): cell(one) for one in found}
    lines = [["model", *MOLECULES], ["---"] * (1 + len(MOLECULES))]
    for row in dict.fromkeys(one.row for one in found):
        lines += [[ROWS[row].title, *(cells.get((row, molecule), "") for molecule in MOLECULES)]]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(given: argparse.Namespace, found: list[Result]) -> None:
    """Second differences along a bond scan, and total energies of a run, for each network."""
    molecule, bond = PLOTTED
    figure = _figure(9, 6.5)
    above, below = figure.subplots(2, 1)
    for place, one in enumerate(result for result in found if result.molecule == molecule):
        title = ROWS[one.row].title
        above.plot(STRETCH[1:-1], curvature(one.raw["scans"][bond]), lw=0.9, color=f"C{place}", label=title)
        time_ps, total = one.raw["nve"]["time_ps"], one.raw["nve"]["total_meV"]
        below.plot(time_ps, total, lw=0.6, color=f"C{place}", rasterized=True)
    if known := read_result(given.out / "xtb" / f"{molecule}.json"):
        above.plot(STRETCH[1:-1], curvature(known["scans"][bond]), "k--", lw=0.9, label="GFN2-xTB")
    above.set(xlabel=f"stretch of {bond} in {molecule} / Å", ylabel="second difference / eV/Å²")
    above.set_yscale("symlog", linthresh=100)
    above.legend(fontsize=7)
    below.set(xlabel="time / ps", ylabel="total energy - start / meV")
    below.set_yscale("symlog", linthresh=3)
    save_figure(figure, given.picture)


if __name__ == "__main__":
    sys.exit(main())
