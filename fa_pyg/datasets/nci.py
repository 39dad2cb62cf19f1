"""Conformers of the NCI molecules that come with RDKit, labeled by GFN2-xTB; nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.datasets.xtb.nci import PART, Build
from fa_pyg.datasets.xtb.parts import Parts, collate_parts
from fa_pyg.datasets.xtb.pool import Workers
from fa_pyg.io.xyz.options import check_dtype

__all__ = ["NCIConformers"]

OF_TEN = consecutive_parts({"train": 8, "val": 1, "test": 1})  # of every ten molecules


class NCIConformers(InMemoryDataset):
    r"""Conformers of 4700 small NCI molecules with energies, forces, multipoles and charges by GFN2-xTB.

    NCI is the collection of the National Cancer Institute; GFN2-xTB is the method of "GFN2-xTB: An Accurate
    and Broadly Parametrized Self-Consistent Tight-Binding Quantum Chemical Method" (Bannwarth et al. 2019).

    .. math:: E_\text{atomization} = E - \sum_i E^\text{atom}_{z_i}, \qquad
        F_i = -\frac{\partial E}{\partial x_i}, \qquad
        Q_{ab} = \tfrac12 \int \rho(x) \, (3 x_a x_b - |x|^2 \delta_{ab}) \, dx

    **Card.** Source: the 4999 SMILES in the RDKit wheel (``NCI/first_5K.smi``; RDKit is under the BSD
    license); geometries by its ETKDGv3, as embedded, not relaxed; labels computed on this machine by tblite.
    Nothing is downloaded. Size: 32 atoms per molecule on average; C, H, N, O in most, with S, halogens, P and
    a few metals; a core builds some 16 molecules per second, all in five minutes. The SMILES are taken in an
    order drawn by ``seed``; salts and repeated molecules are left out. Protocol: of every ten molecules in
    this order, eight are ``"train"``, one ``"val"``, one ``"test"``; all conformers of a molecule are in one
    split, and a larger ``num_molecules`` only adds. The level of theory is semi-empirical: suitable to
    compare models, not to compare with experiments.

    Args:
        root: folder of the cache; created where missing.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all.
        num_molecules: the number of molecules, before the split; None is all.
        conformers: of every molecule; fewer where RDKit or xTB fail.
        seed: of the order of the molecules and of the embedding.
        dtype: float32 or float64, of all numbers except ``energy``, which is float64.
        workers: processes that build; None is one per core. They do not change the result.
        time_limit: seconds for one conformer (or the embedding of a molecule), or it counts as failed.
        transform: called on each ``Data`` at access.
        log: show a progress bar while building.
        force_reload: build again even where a cache exists.

    Shapes: for a conformer of N atoms, ``z [N]`` and ``pos [N, 3]`` (Å, the center of mass at the
    origin), ``energy [1]`` (total, eV, float64), ``atomization [1]`` (eV, negative where bound; the free
    atoms are neutral, with the unpaired electrons of their ground states), ``forces [N, 3]`` (eV/Å),
    ``dipole [1, 3]`` (e Å, from minus to plus), ``quadrupole [1, 3, 3]`` (e Å², traceless), ``charges [N]``
    (e, Mulliken), ``net_charge [1]`` (e), ``molecule [1]`` (the line of its SMILES in the file, from 0) and
    ``smiles``. Moments refer to the center of mass, which matters for the quadrupole, and for the dipole of
    the few ions. Energies are the electronic free energies at 300 K whose derivatives the forces are. The
    number of unpaired electrons is that of the SMILES: none except in radicals.

    The folder ``processed/nci_seed{seed}_conformers{conformers}`` holds parts of 64 SMILES, written
    atomically: a build that is killed loses at most the parts in progress (two while one ends and the next
    begins), and the next call continues. ``failures.txt`` beside them lists every SMILES left out, and why:
    refused or not embedded by RDKit, refused or not converged by xTB, crashed (tried twice), or too slow.
    ``failures`` has them as (line, SMILES, reason). A damaged part is named in a warning and built again.

    Raises:
        ValueError: for arguments out of range, and where other versions of the packages would add to a
            folder.
        ImportError: where tblite is missing and needed to build.

    Not guaranteed: the same numbers to the last digit on other machines or by other versions of RDKit and
    tblite; on a very slow machine the time limit may leave out further molecules. Orientations of conformers
    are those of RDKit and not uniform: apply random motions where that matters.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str | None = None,
        num_molecules: int | None = None,
        conformers: int = 1,
        seed: int = 0,
        *,
        dtype: torch.dtype = torch.float32,
        workers: int | None = None,
        time_limit: float = 60.0,
        transform: Callable | None = None,
        log: bool = True,
        force_reload: bool = False,
    ) -> None:
        _check(root, split, num_molecules, conformers, seed, dtype, workers, time_limit)
        self.name = f"nci_seed{seed}_conformers{conformers}"
        super().__init__(os.fspath(root), transform, log=log)
        settings = {"seed": seed, "conformers": conformers, "smiles_in_a_part": PART}
        parts = Parts(os.path.join(self.processed_dir, self.name), settings, force_reload)
        build = Build(parts, num_molecules, conformers, seed)
        if not build.complete():
            with Workers(workers, time_limit, "NCIConformers") as processes:
                parts.begin(processes.versions())
                build.run(processes, progress=log)
        self.failures = sorted(tuple(failure) for part in build.done for failure in part["failures"])
        self._collate(build.done, num_molecules, split, dtype)

    @property
    def processed_file_names(self) -> list[str]:
        return [os.path.join(self.name, "about.json")]

    def _collate(self, parts: list[dict], wanted: int | None, split: str | None, dtype: torch.dtype) -> None:
        """Select whole molecules by their positions in the order."""
        molecule = torch.cat([part["molecule"] for part in parts])
        place = (molecule.diff(prepend=molecule.new_tensor([-1])) != 0).cumsum(0) - 1
        found = int(place.max()) + 1 if len(place) else 0
        if (wanted or 1) > found:
            checks.refuse("num_molecules", f"{found} or fewer: no more of the SMILES gave a molecule", wanted)
        in_split = torch.isin(place % 10, torch.tensor(OF_TEN[split]))
        ids = (in_split & (place < (wanted or found))).nonzero().squeeze(1)
        if not len(ids):
            enough = f"more: of the first {wanted or found} molecules none is in split {split!r}"
            checks.refuse("num_molecules", enough, wanted)
        data, slices = collate_parts([part["graphs"] for part in parts], ids, dtype)
        smiles = [text for part in parts for text in part["smiles"]]
        data.molecule, data.smiles = molecule[ids], [smiles[i] for i in ids.tolist()]
        slices |= dict.fromkeys(("molecule", "smiles"), torch.arange(len(ids) + 1))
        self.data, self.slices = data, slices


def _check(root, split, num_molecules, conformers, seed, dtype, workers, time_limit) -> None:
    checks.instance("root", root, (str, os.PathLike), "a path")
    checks.one_of("split", split, PARTS, optional=True)
    checks.integer("num_molecules", num_molecules, optional=True)
    checks.integer("conformers", conformers)
    checks.integer("seed", seed, 0, 2**32 - 1)
    check_dtype(dtype)
    checks.integer("workers", workers, optional=True)
    checks.number("time_limit", time_limit, above=0)
