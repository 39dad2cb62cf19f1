"""Molecular dynamics in parts, each of which follows from the one before bit by bit."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from fa_pyg import checks
from fa_pyg.datasets.xtb.parts import Parts, check_graphs, pack
from fa_pyg.progress import bar
from fa_pyg.workers import Worker

__all__ = ["MOLECULES", "PART", "Run", "check_electrons", "folder_name", "parse_molecule"]

PART = 100  # snapshots in a part: what a killed run may lose
MOLECULES = {  # of MD17 and rMD17
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "azobenzene": "c1ccc(cc1)/N=N/c1ccccc1",
    "benzene": "c1ccccc1",
    "ethanol": "CCO",
    "malonaldehyde": "O=CCC=O",
    "naphthalene": "c1ccc2ccccc2c1",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "salicylic": "OC(=O)c1ccccc1O",
    "toluene": "Cc1ccccc1",
    "uracil": "O=c1cc[nH]c(=O)[nH]1",
}


def parse_molecule(molecule: str | os.PathLike, charge: int, unpaired: int) -> tuple[str, dict[str, Any]]:
    """Return a short name for the folder, and the molecule: its SMILES, or the atoms of a file."""
    if isinstance(molecule, str) and molecule in MOLECULES:
        return molecule, {"smiles": MOLECULES[molecule]}
    if isinstance(molecule, os.PathLike) or molecule.lower().endswith((".xyz", ".xyz.gz")):
        electrons = {"net_charge": charge, "unpaired": unpaired}
        return Path(molecule).name.split(".")[0], _read(molecule) | electrons
    return "smiles", {"smiles": molecule}


def check_electrons(what: dict[str, Any], **electrons: int) -> None:
    """Refuse charge and unpaired electrons for SMILES, which contain them; XYZ files do not."""
    for name, value in electrons.items():
        if "smiles" in what and value != 0:
            checks.refuse(name, "0, because SMILES contain it", value)


def _read(path: str | os.PathLike) -> dict[str, Any]:
    from fa_pyg.io import is_periodic, read_xyz

    structures = read_xyz(path, dtype=torch.float64)
    if len(structures) != 1:
        raise ValueError(f"{path}: expected one structure to start from, found {len(structures)}")
    data = structures[0]
    if is_periodic(data):
        raise ValueError(f"{path}: expected a molecule, found a periodic structure")
    return {"z": data["z"].tolist(), "pos": data["pos"].tolist()}


def folder_name(name: str, settings: dict[str, Any]) -> str:
    """Return the name of the folder: readable, and different for different settings."""
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    return f"md_{name}_{settings['temperature']:g}K_seed{settings['seed']}_{mark}"


class Run:
    """A trajectory that is run part by part.

    Args:
        parts: the folder, whose settings have ``molecule``, ``seed``, ``equilibration`` and those of the
            dynamics: ``temperature`` (K), ``stride``, ``timestep`` (fs), ``friction`` (1/fs).
        snapshots: their number.
    """

    def __init__(self, parts: Parts, snapshots: int) -> None:
        self.parts, self.snapshots = parts, snapshots
        self.done: list[dict[str, Any]] = []
        names = ("temperature", "stride", "timestep", "friction")
        self.dynamics = {name: parts.settings[name] for name in names}

    def complete(self) -> bool:
        """Load stored parts that are long enough; return whether nothing is missing."""
        while self._missing() and (part := self.parts.load(_name(len(self.done) + 1), _check)):
            if len(part["graphs"]["sizes"]) < min(PART, self._missing()):
                break  # the end of a shorter run; the whole part begins with the same snapshots
            self.done.append(part)
        return not self._missing()

    def _missing(self) -> int:
        return max(0, self.snapshots - PART * len(self.done))

    def run(self, worker: Worker, progress: bool) -> None:
        """Continue from the last complete part."""
        stride, equilibration = self.parts.settings["stride"], self.parts.settings["equilibration"]
        ready = min(self.snapshots, PART * len(self.done)) * stride
        begun = bool(self.done) or "start" in self.parts
        with bar(
            total=self.snapshots * stride + equilibration,
            initial=ready + equilibration * begun,
            desc=f"{self.parts.folder.name}",
            unit="steps",
            progress=progress,
        ) as self.bar:
            state = self.done[-1]["state"] if self.done else self._start(worker)["state"]
            while not self.complete():
                state = self._part(worker, state)["state"]

    def _start(self, worker: Worker) -> dict[str, Any]:
        """Return the molecule and its state at the start of the run."""
        if found := self.parts.load("start", lambda part: _check_state(part["state"])):
            return found
        molecule = self._molecule(worker)
        settings = self.dynamics | {"steps": self.parts.settings["equilibration"]}
        _, state = self._ask(worker, task="thermalise", molecule=molecule, **settings)
        found = {"graphs": {}, "state": {**molecule, **state}}
        self.parts.save("start", found)
        return found

    def _molecule(self, worker: Worker) -> dict[str, Any]:
        molecule = self.parts.settings["molecule"]
        if "smiles" not in molecule:
            return molecule
        request = {"smiles": molecule["smiles"], "seed": self.parts.settings["seed"]}
        answer, *_ = worker.request(task="one", **request)
        if "error" in answer:
            expected = f"a name ({', '.join(MOLECULES)}), the path of an XYZ file, or SMILES"
            checks.refuse("molecule", expected, f"{molecule['smiles']} ({answer['error']})")
        return answer

    def _part(self, worker: Worker, state: dict[str, Any]) -> dict[str, Any]:
        number, snapshots = len(self.done) + 1, min(PART, self._missing())
        request = self.dynamics | {"part": number, "snapshots": snapshots}
        answers, after = self._ask(worker, task="dynamics", molecule=state, **request)
        same = {key: state[key] for key in ("z", "net_charge", "unpaired")}
        part = {"graphs": pack([{**same, **answer} for answer in answers]), "state": {**same, **after}}
        self.parts.save(_name(number), part)
        return part

    def _ask(self, worker: Worker, **request: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the snapshots and the final state."""
        answers = []
        for answer in worker.request(seed=self.parts.settings["seed"], **request):
            if "error" in answer:
                raise RuntimeError(
                    f"{self.parts.folder}: the run stopped: {answer['error']}; finished parts are kept, and "
                    "the next call continues from them"
                )
            self.bar.update(answer.get("steps", self.parts.settings["stride"] * ("energy" in answer)))
            answers.append(answer)
        return [answer for answer in answers if "energy" in answer], answers[-1]["state"]


def _name(number: int) -> str:
    return f"part{number:04d}"


def _check(part: dict[str, Any]) -> None:
    """Raise an error for a part that ``Run`` cannot have written."""
    _check_state(part["state"])
    if not check_graphs(part["graphs"]):
        raise ValueError("no snapshots")


def _check_state(state: dict[str, Any]) -> None:
    """Raise an error for a state that no run can continue from."""
    numbers = torch.tensor([state["pos"], state["momenta"]], dtype=torch.float64)
    if numbers.shape != (2, len(state["z"]), 3) or not bool(numbers.isfinite().all()):
        raise ValueError(f"{list(numbers.shape)} positions and momenta of {len(state['z'])} atoms")
    for key in ("net_charge", "unpaired"):
        int(state[key])
