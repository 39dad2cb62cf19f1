"""A run of molecular dynamics in parts, each of which follows from the one before bit by bit."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from fa_pyg.datasets.collation import require
from fa_pyg.datasets.xtb.parts import Parts, check_graphs, packed
from fa_pyg.datasets.xtb.pool import Worker

PART = 100  # snapshots in a part: what a killed run may lose
MOLECULES = {  # those of MD17 and rMD17
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


def named(molecule: str | os.PathLike, charge: int, unpaired: int) -> tuple[str, dict[str, Any]]:
    """A short name for the folder, and what to run: a SMILES or the atoms of a file."""
    if isinstance(molecule, str) and molecule in MOLECULES:
        return molecule, {"smiles": MOLECULES[molecule]}
    if isinstance(molecule, os.PathLike) or molecule.lower().endswith((".xyz", ".xyz.gz")):
        electrons = {"net_charge": charge, "unpaired": unpaired}
        return Path(molecule).name.split(".")[0], _read(molecule) | electrons
    return "smiles", {"smiles": molecule}


def check_electrons(what: dict[str, Any], **electrons: int) -> None:
    """An XYZ file does not say them; SMILES do."""
    for name, value in electrons.items():
        holds = "smiles" not in what or value == 0
        require(holds, "MDTrajectory", name, value, "0: SMILES say it themselves")


def _read(path: str | os.PathLike) -> dict[str, Any]:
    from fa_pyg.io import is_periodic, read_xyz

    structures = read_xyz(path, dtype=torch.float64)
    if len(structures) != 1:
        raise ValueError(f"{path}: found {len(structures)} structures, expected one to start from")
    data = structures[0]
    if is_periodic(data):
        raise ValueError(f"{path}: found a periodic structure, expected a molecule")
    return {"z": data.z.tolist(), "pos": data.pos.tolist()}


def folder(name: str, settings: dict[str, Any]) -> str:
    """Its name says what is in it, and ends in a number that tells any two settings apart."""
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    return f"md_{name}_{settings['temperature']:g}K_seed{settings['seed']}_{mark}"


class Run:
    """The parts of a trajectory, as many as are needed.

    Args:
        parts: the folder, whose settings have ``molecule``, ``seed``, ``equilibration`` and those of the
            dynamics: ``temperature`` (K), ``stride``, ``timestep`` (fs), ``friction`` (1/fs).
        snapshots: how many.
    """

    def __init__(self, parts: Parts, snapshots: int) -> None:
        self.parts, self.snapshots = parts, snapshots
        self.done: list[dict[str, Any]] = []
        names = ("temperature", "stride", "timestep", "friction")
        self.dynamics = {name: parts.settings[name] for name in names}

    def complete(self) -> bool:
        """Takes in the parts that are there and long enough."""
        while self._lacking() and (part := self.parts.load(_name(len(self.done) + 1), _check)):
            if len(part["graphs"]["sizes"]) < min(PART, self._lacking()):
                break  # the end of a shorter run; the whole part begins with the same snapshots
            self.done.append(part)
        return not self._lacking()

    def _lacking(self) -> int:
        return max(0, self.snapshots - PART * len(self.done))

    def run(self, worker: Worker, progress: bool) -> None:
        """Goes on from the last whole part."""
        stride, equilibration = self.parts.settings["stride"], self.parts.settings["equilibration"]
        ready = min(self.snapshots, PART * len(self.done)) * stride
        begun = bool(self.done) or "start" in self.parts
        with tqdm(
            total=self.snapshots * stride + equilibration,
            initial=ready + equilibration * begun,
            desc=f"{self.parts.folder.name}",
            unit="steps",
            disable=not progress,
        ) as self.bar:
            state = self.done[-1]["state"] if self.done else self._start(worker)["state"]
            while not self.complete():
                state = self._part(worker, state)["state"]

    def _start(self, worker: Worker) -> dict[str, Any]:
        """The molecule, and where its run begins."""
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
        answer, *_ = worker.ask(task="one", **request)
        known = f"a name ({', '.join(MOLECULES)}), the path of an XYZ file, or SMILES"
        found = f"{molecule['smiles']} ({answer.get('error')})"
        require("error" not in answer, "MDTrajectory", "molecule", found, known)
        return answer

    def _part(self, worker: Worker, state: dict[str, Any]) -> dict[str, Any]:
        number, snapshots = len(self.done) + 1, min(PART, self._lacking())
        request = self.dynamics | {"part": number, "snapshots": snapshots}
        answers, after = self._ask(worker, task="dynamics", molecule=state, **request)
        same = {key: state[key] for key in ("z", "net_charge", "unpaired")}
        part = {"graphs": packed([{**same, **answer} for answer in answers]), "state": {**same, **after}}
        self.parts.save(_name(number), part)
        return part

    def _ask(self, worker: Worker, **request: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The snapshots and the state at the end."""
        answers = []
        for answer in worker.ask(seed=self.parts.settings["seed"], **request):
            if "error" in answer:
                raise RuntimeError(
                    f"{self.parts.folder}: the run stopped: {answer['error']}; what is done stays, and the "
                    "next call goes on from there"
                )
            self.bar.update(answer.get("steps", self.parts.settings["stride"] * ("energy" in answer)))
            answers.append(answer)
        return [answer for answer in answers if "energy" in answer], answers[-1]["state"]


def _name(number: int) -> str:
    return f"part{number:04d}"


def _check(part: dict[str, Any]) -> None:
    """Raises where it is not what `Run._part` makes."""
    _check_state(part["state"])
    if not check_graphs(part["graphs"]):
        raise ValueError("no snapshots")


def _check_state(state: dict[str, Any]) -> None:
    """Raises where a run cannot go on from there."""
    numbers = torch.tensor([state["pos"], state["momenta"]], dtype=torch.float64)
    if numbers.shape != (2, len(state["z"]), 3) or not bool(numbers.isfinite().all()):
        raise ValueError(f"{list(numbers.shape)} positions and momenta of {len(state['z'])} atoms")
    int(state["net_charge"]), int(state["unpaired"])
