"""Covalent bonds, and whether a molecule still has those of the start of a run."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Bonds"]

BOND, BROKEN, COLLIDED = 1.25, 2.0, 0.4  # times the sum of the covalent radii


class Bonds:
    """Bonds of a molecule: distances below 1.25 times the sum of the covalent radii.

    Args:
        atoms: ASE ``Atoms`` without a cell.
    """

    def __init__(self, atoms: Any) -> None:
        from ase.data import covalent_radii

        self.first, self.second = np.triu_indices(len(atoms), 1)
        self.symbols = atoms.get_chemical_symbols()
        radii = covalent_radii[atoms.numbers]
        self.sums = radii[self.first] + radii[self.second]
        self.bonded = self._lengths(atoms.positions) < BOND * self.sums

    def fault(self, pos: np.ndarray) -> str | None:
        """Describe what is wrong with positions ``[N, 3]``; None if the molecule is intact.

        A bond is broken at twice the sum of the radii, and atoms collide at 0.4 times the sum. New bonds are
        allowed.
        """
        if not np.isfinite(pos).all():
            return "positions are not finite"
        lengths = self._lengths(pos)
        ratio = lengths / self.sums
        if len(ratio) and ratio.min() < COLLIDED:
            k = int(ratio.argmin())
            return f"{self._pair(k)} are {lengths[k]:.2f} Å apart"
        stretched = np.where(self.bonded, ratio, 0)
        if len(ratio) and stretched.max() > BROKEN:
            k = int(stretched.argmax())
            return f"the bond between {self._pair(k)} is {lengths[k]:.2f} Å long"
        return None

    def _lengths(self, pos: np.ndarray) -> np.ndarray:
        return np.linalg.norm(pos[self.first] - pos[self.second], axis=1)

    def _pair(self, k: int) -> str:
        i, j = int(self.first[k]), int(self.second[k])
        return f"{self.symbols[i]}{i} and {self.symbols[j]}{j}"
