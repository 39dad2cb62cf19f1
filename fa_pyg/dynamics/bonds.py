"""Whether a molecule is still the one that a run began with."""

from __future__ import annotations

from typing import Any

import numpy as np

BOND, BROKEN, COLLIDED = 1.25, 2.0, 0.4  # times the sum of the covalent radii


class Bonds:
    """The bonds of a molecule, by distance: closer than 1.25 times the sum of the covalent radii.

    Args:
        atoms: of ASE, without a cell.
    """

    def __init__(self, atoms: Any) -> None:
        from ase.data import covalent_radii

        self.first, self.second = np.triu_indices(len(atoms), 1)
        self.symbols = atoms.get_chemical_symbols()
        radii = covalent_radii[atoms.numbers]
        self.sums = radii[self.first] + radii[self.second]
        self.bonded = self._lengths(atoms.positions) < BOND * self.sums

    def fault(self, pos: np.ndarray) -> str | None:
        """What is wrong with these positions [N, 3]; None if the molecule is whole.

        A bond of the start is broken at twice the sum of the radii, and no two atoms may come closer than
        0.4 times theirs. New bonds are no fault.
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
