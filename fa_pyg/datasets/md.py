"""MD17-like trajectories: molecular dynamics of one molecule on the GFN2-xTB surface, run on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.datasets.xtb.md import PART, Run, check_electrons, folder_name, parse_molecule
from fa_pyg.datasets.xtb.parts import Parts, collate_parts
from fa_pyg.datasets.xtb.pool import xtb_worker
from fa_pyg.io.xyz.options import check_dtype

__all__ = ["MDTrajectory"]


class MDTrajectory(InMemoryDataset):
    r"""MD17-like snapshots of Langevin dynamics of a molecule on the GFN2-xTB surface.

    MD17 is the data set of "Machine Learning of Accurate Energy-Conserving Molecular Force Fields" (Chmiela
    et al. 2017).

    .. math:: m_i \ddot x_i = -\frac{\partial E}{\partial x_i} - \gamma m_i \dot x_i
        + \sqrt{2 \gamma m_i k_B T} \, \eta_i(t)

    **Card.** Source: computed on this machine, by ASE's Langevin integrator and tblite's GFN2-xTB; nothing is
    downloaded and no license applies. The molecule is embedded by RDKit (an XYZ file is used as it is),
    relaxed, given random velocities, and run for ``equilibration`` steps that are discarded. Size: 4000
    snapshots, 5 fs apart; a step of aspirin takes some 10 ms on one core, all of them seven minutes.
    Protocol: that of MD17, 1000 snapshots to train, 1000 to validate, the rest to test, drawn at random by
    the seed. Successive snapshots are similar, so the test set measures how well a model interpolates.
    Figures are *not* comparable with those published for MD17, whose labels are by DFT.

    Args:
        root: folder of the cache; created where missing.
        molecule: ``"aspirin"`` or the name of another molecule of MD17 or rMD17, SMILES, or the path of an
            XYZ file with one structure (ending in ``.xyz``).
        split: ``"train"``, ``"val"``, ``"test"``, or None for all, in order of time.
        temperature: of the thermostat, in K.
        steps: of the run; a larger number continues the stored run.
        stride: steps between snapshots.
        timestep: in fs.
        friction: :math:`\gamma` in 1/fs.
        equilibration: steps before the run.
        seed: of the conformer, the velocities, the noise and the split.
        num_train, num_val: sizes of these splits.
        charge, unpaired: total charge and number of unpaired electrons, for an XYZ file.
        dtype: float32 or float64, of all numbers except ``energy``, which is float64.
        time_limit: seconds for a snapshot.
        transform: called on each ``Data`` at access.
        log: show a progress bar while running.
        force_reload: run again even where a cache exists.

    Shapes: for a snapshot of N atoms, ``z [N]``, ``pos [N, 3]`` (Å, the center of mass at the origin),
    ``energy [1]`` (total, eV, float64), ``atomization [1]`` (eV), ``forces [N, 3]`` (eV/Å), ``dipole [1, 3]``
    (e Å), ``quadrupole [1, 3, 3]`` (e Å², traceless), ``charges [N]`` (e), ``net_charge [1]`` (e) and
    ``kinetic [1]`` (kinetic energy, eV); labels as :class:`~fa_pyg.datasets.NCIConformers` defines them.

    The folder ``processed/md_...`` holds parts of 100 snapshots, written atomically: a run that is killed
    loses the part in progress, and the next call continues *bit by bit* as if nothing had happened, because a
    part depends only on the final state of the part before (noise is drawn from a new stream for every part,
    the wave function starts from scratch, on one thread). A damaged part is named in a warning and run again,
    from the state before it.

    Raises:
        ValueError: for arguments out of range, a molecule that cannot be read, and where other versions of
            the packages would continue a run.
        RuntimeError: where a run breaks down.
        ImportError: where tblite is missing and needed to run.

    Not guaranteed: the same trajectory on another machine, or by other versions of ASE, RDKit or tblite
    (dynamics are chaotic); that a molecule stays whole at a high temperature.
    """

    def __init__(
        self,
        root: str | os.PathLike,
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
        physics = {"temperature": temperature, "timestep": timestep, "friction": friction}
        for key, value in {**physics, "time_limit": time_limit}.items():
            checks.number(key, value, above=0)
        checks.integer("stride", stride)
        checks.integer("steps", steps, stride)
        for key, value in {"equilibration": equilibration, "seed": seed, "unpaired": unpaired}.items():
            checks.integer(key, value, 0)
        checks.integer("num_train", num_train)
        checks.integer("num_val", num_val)
        checks.integer("charge", charge, -99)
        ids = _draw(split, steps // stride, num_train, num_val, seed)
        name, what = parse_molecule(molecule, charge, unpaired)
        check_electrons(what, charge=charge, unpaired=unpaired)
        settings = {
            "molecule": what,
            **{key: float(value) for key, value in physics.items()},
            "stride": int(stride),
            "equilibration": int(equilibration),
            "seed": int(seed),
            "snapshots_in_a_part": PART,
        }
        self.name = folder_name(name, settings)
        super().__init__(os.fspath(root), transform, log=log)
        parts = Parts(os.path.join(self.processed_dir, self.name), settings, force_reload)
        run = Run(parts, steps // stride)
        if not run.complete():
            _simulate(run, time_limit, log)
        self.data, self.slices = collate_parts([part["graphs"] for part in run.done], ids, dtype)

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


def _draw(split: str | None, snapshots: int, num_train: int, num_val: int, seed: int) -> torch.Tensor:
    """Return the snapshots of a split, in random order; None: all, in order of time."""
    if split is None:
        return torch.arange(snapshots)
    least = num_train + num_val + 1
    if snapshots < least:
        expected = (
            f"{least} or more for split {split!r}: {num_train} to train, {num_val} to validate, and a test"
        )
        checks.refuse("steps // stride", expected, snapshots)
    order = torch.from_numpy(np.random.RandomState(seed).permutation(snapshots))
    return order[consecutive_parts({"train": num_train, "val": num_val, "test": None}, snapshots)[split]]


def _check(root: Any, molecule: Any, split: Any, dtype: Any) -> None:
    checks.instance("root", root, (str, os.PathLike), "a path")
    if not isinstance(molecule, str | os.PathLike) or not os.fspath(molecule):
        checks.refuse("molecule", "a name, SMILES or the path of an XYZ file", molecule)
    checks.one_of("split", split, PARTS, optional=True)
    check_dtype(dtype)
