"""Real molecules with quantum-chemical labels and no download: RDKit's NCI SMILES, labelled by GFN2-xTB."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch_geometric.data import InMemoryDataset

from fa_pyg.datasets.collation import is_whole, require
from fa_pyg.datasets.xtb.nci import PART, Build
from fa_pyg.datasets.xtb.parts import Parts, collated, is_positive
from fa_pyg.datasets.xtb.pool import Workers

__all__ = ["NCIConformers"]

SPLITS = ("train", "val", "test", None)


class NCIConformers(InMemoryDataset):
    r"""Conformers of some 4700 small molecules of the National Cancer Institute's collection, with energies,
    forces, multipoles and charges by GFN2-xTB, from "GFN2-xTB: An Accurate and Broadly Parametrized
    Self-Consistent Tight-Binding Quantum Chemical Method" (Bannwarth et al. 2019).

    .. math:: E_\text{atomization} = E - \sum_i E^\text{atom}_{z_i}, \qquad
        F_i = -\frac{\partial E}{\partial x_i}, \qquad
        Q_{ab} = \tfrac12 \int \rho(x) \, (3 x_a x_b - |x|^2 \delta_{ab}) \, dx

    **Card.** Source: the 4999 SMILES in RDKit's own wheel (`NCI/first_5K.smi`; RDKit is under the BSD
    licence); geometries by its ETKDGv3, as embedded, not relaxed; labels computed here by tblite. Nothing
    is downloaded. Size: 32 atoms a molecule on average; C, H, N, O in most, with S, halogens, P and a few
    metals; a core builds some 16 molecules a second, all in five minutes. The SMILES are taken in an order
    drawn by ``seed``; salts and repeated molecules are left out. Protocol: of every ten molecules in this
    order eight are ``"train"``, one ``"val"``, one ``"test"``; all conformers of a molecule are in one
    split, and a larger ``num_molecules`` only adds. The level of theory is semi-empirical: good to compare
    models, not to compare with experiments.

    Args:
        root: folder of the cache; made where missing.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all.
        num_molecules: the first so many molecules (before they are split); None: all that there are.
        conformers: of each molecule; fewer where RDKit or xTB fail.
        seed: of the order of the molecules and of the embedding.
        dtype: float32 or float64, of all numbers but ``energy``, which is in float64.
        workers: processes that build; None: one a core. They do not change the result.
        time_limit: seconds for one conformer (or embedding a molecule); what takes longer has failed.
        transform: called on each ``Data`` as it is taken out.
        log: show a progress bar while building.
        force_reload: build again even where a cache exists.

    Shapes: for each conformer of N atoms, ``z [N]`` and ``pos [N, 3]`` (Å, the centre of mass in the
    origin), ``energy [1]`` (total, eV, float64), ``atomization [1]`` (eV, negative where bound; the free
    atoms are neutral, with the unpaired electrons of their ground states), ``forces [N, 3]`` (eV/Å),
    ``dipole [1, 3]`` (e Å, from minus to plus), ``quadrupole [1, 3, 3]`` (e Å², traceless), ``charges [N]``
    (e, Mulliken), ``net_charge [1]`` (e), ``molecule [1]`` (the line of its SMILES in the file, from 0) and
    ``smiles``. Moments refer to the centre of mass, which matters for the quadrupole, and for the dipole of
    the few ions. Energies are the electronic free energies at 300 K whose derivatives the forces are. As many
    electrons are unpaired as the SMILES says: none in all but radicals.

    The folder ``processed/nci_seed{seed}_conformers{conformers}`` holds parts of 64 SMILES, each written at
    once: a build that is killed loses at most the parts under way (two while one ends and the next begins),
    and the next call goes on. ``failures.txt`` beside them lists each SMILES that was left out, and why:
    refused or not embedded by RDKit, refused or not converged by xTB, crashed (tried twice), or too slow.
    ``failures`` has them as (line, SMILES, reason).

    A part that does not check out is named in a warning and built again.

    Raises ValueError for arguments out of range, and where other versions of the packages would have to add
    to a folder; ImportError where tblite is missing and something is to be built.

    Not guaranteed: the same numbers to the last digit on other machines or by other versions of RDKit and
    tblite; on a very slow machine the time limit may leave out others. The orientation of a conformer is
    RDKit's and is not uniform: draw motions at random where that matters.
    """

    def __init__(
        self,
        root: str,
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
        super().__init__(root, transform, log=log)
        settings = {"seed": seed, "conformers": conformers, "smiles_in_a_part": PART}
        parts = Parts(os.path.join(self.processed_dir, self.name), settings, force_reload)
        build = Build(parts, num_molecules, conformers, seed)
        if not build.complete():
            with Workers(workers, time_limit, "NCIConformers") as processes:
                parts.begin(processes.versions())
                build.run(processes, progress=log)
        self.failures = sorted(tuple(failure) for part in build.done for failure in part["failures"])
        self._take(build.done, num_molecules, split, dtype)

    @property
    def processed_file_names(self) -> list[str]:
        return [os.path.join(self.name, "about.json")]

    def _take(self, parts: list[dict], wanted: int | None, split: str | None, dtype: torch.dtype) -> None:
        """Whole molecules, by their places in the order."""
        molecule = torch.cat([part["molecule"] for part in parts])
        place = (molecule.diff(prepend=molecule.new_tensor([-1])) != 0).cumsum(0) - 1
        found = int(place.max()) + 1 if len(place) else 0
        expected = f"{found} or fewer: no more of the SMILES gave a molecule"
        require((wanted or 1) <= found, "NCIConformers", "num_molecules", wanted, expected)
        chosen = place < (wanted or found)
        tenth = place % 10
        chosen &= {"train": tenth < 8, "val": tenth == 8, "test": tenth == 9, None: tenth >= 0}[split]
        ids = chosen.nonzero().squeeze(1)
        enough = f"more: of the first {wanted or found} molecules none is in split {split!r}"
        require(len(ids) > 0, "NCIConformers", "num_molecules", wanted, enough)
        data, slices = collated([part["graphs"] for part in parts], ids, dtype)
        smiles = [text for part in parts for text in part["smiles"]]
        data.molecule, data.smiles = molecule[ids], [smiles[i] for i in ids.tolist()]
        slices |= dict.fromkeys(("molecule", "smiles"), torch.arange(len(ids) + 1))
        self.data, self.slices = data, slices


def _check(root, split, num_molecules, conformers, seed, dtype, workers, time_limit) -> None:
    for name, value, holds, expected in (
        ("root", root, isinstance(root, (str, os.PathLike)), "a path"),
        ("split", split, split in SPLITS, f"one of {list(SPLITS)}"),
        ("num_molecules", num_molecules, _counts(num_molecules), "1 or more, or None"),
        ("conformers", conformers, is_whole(conformers) and conformers >= 1, "1 or more"),
        ("seed", seed, is_whole(seed) and 0 <= seed < 2**32, f"0 to {2**32 - 1}"),
        ("dtype", dtype, dtype in (torch.float32, torch.float64), "torch.float32 or torch.float64"),
        ("workers", workers, _counts(workers), "1 or more, or None"),
        ("time_limit", time_limit, is_positive(time_limit), "a positive number of seconds"),
    ):
        require(holds, "NCIConformers", name, value, expected)


def _counts(value: object) -> bool:
    return value is None or (is_whole(value) and value >= 1)
