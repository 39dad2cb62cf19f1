"""Trained models as calculators of ASE: geometry optimisation, dynamics, anything that asks for forces."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import torch

from fa_pyg.builders import Frame
from fa_pyg.models import Potential
from fa_pyg.models.device import find_device
from fa_pyg.models.molecule_inputs import check_types
from fa_pyg.models.potential import MAX_Z

__all__ = ["FACalculator"]  # noqa: F822 - see __getattr__


@cache
def _calculator() -> type:
    """The class; made when it is asked for, as ASE is imported by then only."""
    from ase.calculators.calculator import (
        Calculator,
        CalculatorSetupError,
        PropertyNotImplementedError,
        all_changes,
    )
    from ase.stress import full_3x3_to_voigt_6_stress

    class AtomsError(CalculatorSetupError, ValueError):
        """What callers of ASE, and of this package, expect for atoms that nothing can be said of."""

    class FACalculator(Calculator):
        r"""Energy (eV), forces (eV/Å) and, of cells periodic all round, stress (eV/Å³) of ASE's atoms.

        .. math:: F = -\frac{\partial E}{\partial x}, \qquad \sigma = \frac1V \frac{\partial E}{\partial \eta}

        Example::

            atoms.calc = FACalculator("runs/molecules/aspirin/version_0/best.ckpt")
            BFGS(atoms).run(fmax=0.01)

        Args:
            checkpoint: of a run of ``scripts/train_molecules.py`` (or its folder), or a
                :class:`~fa_pyg.models.Potential`, of which a copy is taken.
            device: to run on.
            dtype: of the network, ``"float32"`` or ``"float64"``; frames are always float64. Optimisations to
                less than 1e-3 eV/Å and long dynamics are better off with float64.
            frame: to evaluate in, of the group that the model was trained in: a frame, or the ``smoothness`` of
                a :class:`~fa_pyg.WeightedPCAFrame`, ``"forces"`` or ``"dynamics"``. Default: the frame of the
                training.
            trust: classes and modules that the configuration of the run may name beside those of ``fa_pyg``,
                ``torch.nn`` and ``torch_geometric.nn`` (docs/security.md).

        Raises:
            ValueError: for a device that is not there, a model of no energies, a frame of another group or
                for a model without a frame; what :func:`~fa_pyg.train.load.load_potential` raises.
                In a calculation, and also an ASE ``CalculatorSetupError``: for no atoms, elements that the
                model was not trained on, and whatever :class:`~fa_pyg.models.Potential` refuses, such as
                positions that are not finite and flat cells.
        """

        implemented_properties = ["energy", "free_energy", "forces", "stress", "dipole"]  # noqa: RUF012

        def __init__(
            self,
            checkpoint: str | Path | Potential,
            device: str = "cpu",
            dtype: str = "float32",
            trust: str | Iterable[str] = (),
            frame: Frame | str | None = None,
            **kwargs: Any,
        ) -> None:
            super().__init__(**kwargs)
            if dtype not in ("float32", "float64"):
                raise ValueError(f"dtype: expected float32 or float64, found {dtype!r}")
            device = find_device(device)
            model = deepcopy(checkpoint) if isinstance(checkpoint, Potential) else _load(checkpoint, trust)
            if model.heads.get("energy") != "scalar":
                raise ValueError(f"checkpoint: expected a model of energies, found one of {model.heads}")
            if frame is not None:
                model.set_frame(frame)
            self.model = model.to(device, getattr(torch, dtype)).eval()
            self.device = device

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            self.results = {}  # nothing of other atoms is left where these are refused
            atoms = self.atoms
            if atoms is None or not len(atoms):
                found = "none" if atoms is None else "an empty Atoms"
                raise AtomsError(f"atoms: expected at least one atom, found {found}")
            stressed = "stress" in properties
            if stressed and not atoms.pbc.all():
                raise PropertyNotImplementedError("stress is for cells periodic in three directions")
            try:
                out = self._run(atoms, stressed)
            except ValueError as error:
                raise AtomsError(str(error)) from error
            results = {name: value.double().cpu().numpy() for name, value in out.items()}
            results["energy"] = results["free_energy"] = float(results["energy"][0])
            if "dipole" in results:
                results["dipole"] = results["dipole"][0]
            if stressed:
                results["stress"] = full_3x3_to_voigt_6_stress(results["stress"][0])
            self.results = results

        def _run(self, atoms: Any, stressed: bool) -> dict[str, torch.Tensor]:
            z = torch.as_tensor(atoms.numbers, dtype=torch.long, device=self.device)
            check_types(z, MAX_Z, least=1)
            if unknown := self.model.unknown_elements(z):
                raise ValueError(f"atoms: found the elements {unknown}, expected those of the training set")
            cells = {}
            if atoms.pbc.any():
                cells["cell"] = torch.as_tensor(atoms.cell.array, device=self.device)[None]
                cells["pbc"] = torch.as_tensor(atoms.pbc, device=self.device)[None]
            pos, batch = torch.as_tensor(atoms.positions, device=self.device), torch.zeros_like(z)
            with torch.no_grad():
                return self.model(z, pos, batch=batch, num_graphs=1, stress=stressed, **cells)

    FACalculator.__module__, FACalculator.__qualname__ = __name__, "FACalculator"
    return FACalculator


def _load(checkpoint: str | Path, trust: str | Iterable[str]) -> Potential:
    from fa_pyg.train.load import load_potential

    return load_potential(checkpoint, trust)


def __getattr__(name: str) -> Any:
    if name == "FACalculator":
        return _calculator()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
