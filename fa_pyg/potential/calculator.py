"""ASE calculator of a trained potential, for optimizations, dynamics and anything else that needs forces."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fa_pyg.builders import Frame
from fa_pyg.models import Potential
from fa_pyg.models.molecules.inputs import check_types
from fa_pyg.models.molecules.units import MAX_Z
from fa_pyg.potential.device import find_device

__all__ = ["FACalculator", "StepWatch"]

if TYPE_CHECKING:
    FACalculator: type[Any]

STEEP = 1.5  # 1/Å; in dynamics on smooth energies of molecules at most 0.8, in most steps 0.3 and less
FAR = 0.1  # Å; beyond it, higher orders matter
COPIES = 500  # atoms in a call on a CPU, in all copies of a molecule: smaller calls take as long
LEAST = 3e-4  # eV times the square root of the number of atoms: a hundredth of k 300 K


class StepWatch:
    r"""Warn once if an energy changes in a small step by more than the forces at both ends explain.

    .. math:: g = \big| E_1 - E_0 + \tfrac12 (F_0 + F_1) \cdot \Delta x \big|
              > \frac{1.5}{\text{Å}} \, |F_1 - F_0| \, |\Delta x| \, \max_i |\Delta x_i|

    The gap of a smooth energy is a twelfth of its third derivative along the step, which the right side
    estimates: the second derivative over a bond length. Ignored are steps in which an atom moves by 0.1 Å or
    more, as in the first steps of an optimization, and gaps below :math:`\sqrt N` times 0.3 meV.
    """

    def __init__(self) -> None:
        self.last: tuple[Any, np.ndarray, float, np.ndarray] | None = None
        self.warned = False

    def __call__(self, atoms: Any, energy: float, forces: np.ndarray) -> None:
        if self.warned:
            return
        box = atoms.numbers.tolist(), atoms.cell.array.tolist(), atoms.pbc.tolist()
        last, self.last = self.last, (box, atoms.positions.copy(), energy, forces)
        if last is not None and last[0] == box:
            self._compare(*last[1:], atoms.positions, energy, forces)

    def _compare(
        self, x0: np.ndarray, e0: float, f0: np.ndarray, x1: np.ndarray, e1: float, f1: np.ndarray
    ) -> None:
        step = x1 - x0
        gap = abs(e1 - e0 + ((f0 + f1) / 2 * step).sum())
        far = float(np.linalg.norm(step, axis=1).max())
        explained = STEEP * float(np.linalg.norm(f1 - f0) * np.linalg.norm(step)) * far
        if far < FAR and gap > max(explained, LEAST * len(step) ** 0.5):
            self.warned = True
            warnings.warn(
                f"the energy changed by {1000 * gap:.2g} meV more than the forces explain in a step of "
                f"{far:.2g} Å: the frame is too steep for dynamics, vibrations and optimizations. "
                'FACalculator(..., frame="forces") or "dynamics" evaluates the model in smoother frames',
                stacklevel=5,
            )


@cache
def _calculator() -> type:
    """Create the class when it is first used, as it needs ASE."""
    from ase.calculators.calculator import (
        CalculationFailed,
        Calculator,
        CalculatorSetupError,
        PropertyNotImplementedError,
        all_changes,
    )
    from ase.stress import full_3x3_to_voigt_6_stress

    class AtomsError(CalculatorSetupError, ValueError):
        """Error of atoms without a prediction, as callers of ASE, and of this package, expect it."""

    class FACalculator(Calculator):
        r"""Energy (eV), forces (eV/Å) and, if all directions are periodic, stress (eV/Å³) of ASE ``Atoms``.

        .. math:: F = -\frac{\partial E}{\partial x}, \qquad \sigma = \frac1V \frac{\partial E}{\partial \eta}

        Example::

            atoms.calc = FACalculator("runs/molecules/aspirin/version_0/best.ckpt")
            BFGS(atoms).run(fmax=0.01)

        Args:
            checkpoint: a file that :func:`fa_pyg.potential.load` reads, or the folder of a run, or a
                :class:`~fa_pyg.models.Potential`, of which a copy is taken.
            device: to run on.
            dtype: of the network, ``"float32"`` or ``"float64"``; frames are always float64. Optimizations to
                less than 1e-3 eV/Å and long dynamics need float64.
            frame: to evaluate in, of the group of the training: a frame, or the ``smoothness`` of a
                :class:`~fa_pyg.WeightedPCAFrame`, ``"forces"`` or ``"dynamics"``. Default: that of the
                training.
            trust: classes and modules that the settings may name beside those of ``fa_pyg``, ``torch.nn`` and
                ``torch_geometric.nn`` (docs/guides/security.md).

        Results that are not finite raise ASE's ``CalculationFailed``.

        Warns once if a small step changes the energy by more than the forces explain, which is a sign that
        the frame is too steep (``StepWatch``).

        Raises:
            ValueError: for a device that does not exist, a model without energies, and a frame of another
                group or for a model without a frame; as :func:`fa_pyg.potential.load`. In a calculation
                (also an ASE ``CalculatorSetupError``): for no atoms, elements that are not in the training
                set, and as :class:`~fa_pyg.models.Potential`, e.g. for flat cells.
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
            place = find_device(device)
            model = deepcopy(checkpoint) if isinstance(checkpoint, Potential) else _load(checkpoint, trust)
            if model.heads.get("energy") != "scalar":
                raise ValueError(f"checkpoint: expected a model of energies, found one of {model.heads}")
            if frame is not None:
                model.set_frame(frame)
            self.model = model.to(place, getattr(torch, dtype)).eval()
            self.device = place
            self.allow_nan = False  # for callers that look at results themselves
            # Forces of a head need not fit the energy.
            self.watch = StepWatch() if self.model.is_framed and self.model.gradient else None

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            self.results = {}  # of other atoms, if these are refused
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
            results: dict[str, Any] = {name: value.double().cpu().numpy() for name, value in out.items()}
            results["energy"] = results["free_energy"] = float(results["energy"][0])
            if "dipole" in results:
                results["dipole"] = results["dipole"][0]
            if stressed:
                results["stress"] = full_3x3_to_voigt_6_stress(results["stress"][0])
            wrong = [name for name, value in results.items() if not np.isfinite(value).all()]
            if wrong and not self.allow_nan:
                raise CalculationFailed(
                    f"{', '.join(wrong)}: expected finite numbers, found others: are the atoms where the "
                    "model was trained, and its weights finite?"
                )
            self.results = results
            if self.watch is not None:
                self.watch(atoms, results["energy"], results["forces"])

        def _run(self, atoms: Any, stressed: bool) -> dict[str, torch.Tensor]:
            z = torch.as_tensor(atoms.numbers, dtype=torch.long, device=self.device)
            check_types(z, MAX_Z, least=1)
            if unknown := self.model.unknown_elements(z):
                raise ValueError(f"atoms: expected elements of the training set, found {unknown}")
            cells = {}
            if atoms.pbc.any():
                cells["cell"] = torch.as_tensor(atoms.cell.array, device=self.device)[None]
                cells["pbc"] = torch.as_tensor(atoms.pbc, device=self.device)[None]
            self.model.share_calls(COPIES // len(z) if self.device.type == "cpu" else None)
            pos, batch = torch.as_tensor(atoms.positions, device=self.device), torch.zeros_like(z)
            with torch.no_grad():
                return self.model(z, pos, batch=batch, num_graphs=1, stress=stressed, **cells)

    FACalculator.__module__, FACalculator.__qualname__ = __name__, "FACalculator"
    return FACalculator


def _load(checkpoint: str | Path, trust: str | Iterable[str]) -> Potential:
    from fa_pyg.potential.saved import load

    return load(checkpoint, trust)


def __getattr__(name: str) -> Any:
    if name == "FACalculator":
        return _calculator()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
