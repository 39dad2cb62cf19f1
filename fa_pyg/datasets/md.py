"""Trajectories of one molecule with quantum-chemical forces, made here: a stand-in for MD17."""

import os
from collections.abc import Callable

import numpy as np
import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg.datasets.collation import is_whole, require
from fa_pyg.datasets.xtb.md import PART, Run, check_electrons, folder, named
from fa_pyg.datasets.xtb.parts import Parts, collated, is_positive
from fa_pyg.datasets.xtb.pool import xtb_worker

__all__ = ["MDTrajectory"]

SPLITS = ("train", "val", "test", None)


class MDTrajectory(InMemoryDataset):
    r"""Snapshots of a molecule that moves by Langevin dynamics on the GFN2-xTB surface, after the manner of
    MD17, from "Machine Learning of Accurate Energy-Conserving Molecular Force Fields" (Chmiela et al. 2017).

    .. math:: m_i \ddot x_i = -\frac{\partial E}{\partial x_i} - \gamma m_i \dot x_i
        + \sqrt{2 \gamma m_i k_B T} \, \eta_i(t)

    **Card.** Source: computed here, by ASE's Langevin integrator and tblite's GFN2-xTB; nothing is
    downloaded and no licence applies. The molecule is embedded by RDKit (an XYZ file is taken as it is),
    relaxed, given velocities at random, and run for ``equilibration`` steps that are not kept. Size: 4000
    snapshots, 5 fs apart; a step of aspirin takes some 10 ms on one core, all seven minutes. Protocol: that
    of MD17, 1000 snapshots to train, 1000 to validate, the rest to test, drawn at random by the seed.
    Neighbouring snapshots are alike, so that the test tells how well a model interpolates. Figures are
    *not* comparable with those published for MD17, whose labels are by DFT.

    Args:
        root: folder of the cache; made where missing.
        molecule: ``"aspirin"`` or another molecule of MD17 and rMD17 by its name there, SMILES, or the path
            of an XYZ file with one structure (it ends in ``.xyz``).
        split: ``"train"``, ``"val"``, ``"test"``, or None for all in the order of time.
        temperature: of the thermostat, in K.
        steps: of the run; a larger number goes on with the run that is there.
        stride: steps from one snapshot to the next.
        timestep: in fs.
        friction: :math:`\gamma` in 1/fs.
        equilibration: steps before the run.
        seed: of the conformer, the velocities, the noise and the split.
        num_train, num_val: sizes of these splits.
        charge, unpaired: total charge and number of unpaired electrons, for an XYZ file.
        dtype: float32 or float64, of all numbers but ``energy``, which is in float64.
        time_limit: seconds for a snapshot.
        transform: called on each ``Data`` as it is taken out.
        log: show a progress bar while running.
        force_reload: run again even where a cache exists.

    Shapes: for each snapshot of N atoms, ``z [N]``, ``pos [N, 3]`` (Å, the centre of mass in the origin),
    ``energy [1]`` (total, eV, float64), ``atomization [1]`` (eV), ``forces [N, 3]`` (eV/Å), ``dipole [1, 3]``
    (e Å), ``quadrupole [1, 3, 3]`` (e Å², traceless), ``charges [N]`` (e), ``net_charge [1]`` (e) and
    ``kinetic [1]`` (kinetic energy, eV); labels as :class:`~fa_pyg.datasets.NCIConformers` defines them.

    The folder ``processed/md_...`` holds parts of 100 snapshots, each written at once: a run that is killed
    loses the part under way, and the next call goes on *bit by bit* as if nothing had happened, for each part
    depends on the state at the end of the one before and on nothing else (noise is drawn anew for each part,
    the wave function starts from scratch, one thread).

    A part that does not check out is named in a warning and run again, from the state before it.

    Raises ValueError for arguments out of range, a molecule that cannot be read, and where other versions of
    the packages would have to go on with a run; RuntimeError where a run breaks down; ImportError where
    tblite is missing and something is to be run.

    Not guaranteed: the same trajectory on another machine, or by other versions of ASE, RDKit or tblite
    (dynamics are chaotic); that a molecule stays whole at a high temperature.
    """

    def __init__(
        self,
        root: str,
        molecule: str | os.PathLike = "aspirin",
        split: str | None = None,
        *,
        temperature: float = 500.0,
        steps: int = 40_000,
        stride: int = 10,
        timestep: float = 0.5,
        friction: float = 0.01,
        equilibration: int = 2000,
        seed: int = 0,
        num_train: int = 1000,
        num_val: int = 1000,
        charge: int = 0,
        unpaired: int = 0,
        dtype: torch.dtype = torch.float32,
        time_limit: float = 60.0,
        transform: Callable | None = None,
        log: bool = True,
        force_reload: bool = False,
    ) -> None:
        _check(root, molecule, split, dtype)
        _check_physics(temperature=temperature, timestep=timestep, friction=friction, time_limit=time_limit)
        whole = {"steps": steps, "stride": stride, "equilibration": equilibration, "seed": seed}
        _check_whole(**whole, num_train=num_train, num_val=num_val, charge=charge, unpaired=unpaired)
        ids = _drawn(split, steps // stride, num_train, num_val, seed)
        name, what = named(molecule, charge, unpaired)
        check_electrons(what, charge=charge, unpaired=unpaired)
        settings = {
            "molecule": what,
            "temperature": float(temperature),
            "timestep": float(timestep),
            "friction": float(friction),
            "stride": int(stride),
            "equilibration": int(equilibration),
            "seed": int(seed),
            "snapshots_in_a_part": PART,
        }
        self.name = folder(name, settings)
        super().__init__(root, transform, log=log)
        parts = Parts(os.path.join(self.processed_dir, self.name), settings, force_reload)
        run = Run(parts, steps // stride)
        if not run.complete():
            _simulate(run, time_limit, log)
        self.data, self.slices = collated([part["graphs"] for part in run.done], ids, dtype)

    @property
    def processed_file_names(self) -> list[str]:
        return [os.path.join(self.name, "about.json")]


def _simulate(run: Run, time_limit: float, log: bool) -> None:
    worker = xtb_worker(time_limit, "MDTrajectory")
    try:
        worker.start()
        run.parts.begin(worker.versions)
        run.run(worker, progress=log)
    finally:
        worker.close()


def _drawn(split: str | None, snapshots: int, num_train: int, num_val: int, seed: int) -> torch.Tensor:
    """The snapshots of a split, in an order drawn at random; all in the order of time."""
    if split is None:
        return torch.arange(snapshots)
    least = num_train + num_val + 1
    expected = (
        f"{least} or more for split {split!r}: {num_train} to train, {num_val} to validate, others to test"
    )
    require(snapshots >= least, "MDTrajectory", "steps // stride", snapshots, expected)
    order = torch.from_numpy(np.random.RandomState(seed).permutation(snapshots))
    ends = {"train": (0, num_train), "val": (num_train, least - 1), "test": (least - 1, snapshots)}
    return order[slice(*ends[split])]


def _check(root, molecule, split, dtype) -> None:
    is_path = isinstance(root, (str, os.PathLike))
    is_molecule = isinstance(molecule, (str, os.PathLike)) and bool(os.fspath(molecule))
    for name, value, holds, expected in (
        ("root", root, is_path, "a path"),
        ("molecule", molecule, is_molecule, "a name, SMILES or the path of an XYZ file"),
        ("split", split, split in SPLITS, f"one of {list(SPLITS)}"),
        ("dtype", dtype, dtype in (torch.float32, torch.float64), "torch.float32 or torch.float64"),
    ):
        require(holds, "MDTrajectory", name, value, expected)


def _check_physics(**numbers: object) -> None:
    for name, value in numbers.items():
        require(is_positive(value), "MDTrajectory", name, value, "a positive number")


def _check_whole(**numbers: object) -> None:
    for name, value in numbers.items():
        require(is_whole(value), "MDTrajectory", name, value, "a whole number")
    least = {"stride": 1, "steps": numbers["stride"], "num_train": 1, "num_val": 1, "charge": -99}
    for name, value in numbers.items():
        bound = least.get(name, 0)
        require(value >= bound, "MDTrajectory", name, value, f"{bound} or more")
    require(numbers["seed"] < 2**31, "MDTrajectory", "seed", numbers["seed"], f"0 to {2**31 - 1}")
