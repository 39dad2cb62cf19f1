"""ASE calculator as a model of energies and forces."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["CalculatorModel", "is_calculator"]


def is_calculator(value: Any) -> bool:
    """Whether this is an ASE calculator."""
    return hasattr(value, "get_property") and hasattr(value, "calculate")


class CalculatorModel:
    """Energy and forces of an ASE calculator, of one structure in a call, without gradients.

    Args:
        calculator: reset before each call, as it may keep results.
    """

    precision = "float64"  # positions are float64 in ASE, whatever the calculator makes of them

    def __init__(self, calculator: Any) -> None:
        self.calculator, self.__name__ = calculator, type(calculator).__name__

    def __call__(
        self, z: Tensor, pos: Tensor, cell: Tensor | None = None, pbc: Tensor | None = None
    ) -> dict[str, Tensor]:
        from ase import Atoms

        atoms = Atoms(z.numpy(), pos.detach().double().numpy())
        if cell is not None:
            atoms.set_cell(cell.reshape(3, 3).numpy())
            atoms.set_pbc(True if pbc is None else pbc.flatten().numpy())
        if hasattr(self.calculator, "reset"):
            self.calculator.reset()
        atoms.calc = self.calculator
        found = {"energy": torch.tensor([float(atoms.get_potential_energy())], dtype=torch.float64)}
        if "forces" in getattr(self.calculator, "implemented_properties", ["forces"]):
            found["forces"] = torch.as_tensor(atoms.get_forces(), dtype=torch.float64).clone()
        return found
