"""Harmonic vibrations and bond scans: where a potential that is not smooth shows first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fa_pyg import checks
from fa_pyg.dynamics.bonds import Bonds

__all__ = ["bond_scan", "frequencies", "scannable_bonds", "splitting"]


def frequencies(atoms: Any, delta: float = 0.01) -> np.ndarray:
    r"""Harmonic frequencies by central differences of the forces (``ase.vibrations.Vibrations``).

    .. math:: H_{ij} = -\frac{F_i(x + \delta e_j) - F_i(x - \delta e_j)}{2 \delta}, \qquad
              H u = m \omega^2 u

    Args:
        atoms: of ASE, relaxed, with a calculator.
        delta: the displacement, in Å.

    Returns:
        ``[3 N]`` in cm^-1, ascending; imaginary ones are negative. At a minimum of a smooth potential they do
        not depend on ``delta``, but for terms of the order of its square, and six of them are 0.
    """
    checks.number("delta", delta, above=0)
    from ase.vibrations import Vibrations

    with TemporaryDirectory() as folder:
        modes = Vibrations(atoms, name=folder, delta=delta)
        modes.run()
        found = np.asarray(modes.get_frequencies())
    return np.sort(found.real - np.abs(found.imag))


def splitting(found: Sequence[float], multiplicities: Sequence[int]) -> float:
    """The least width in which frequencies can be sets of equal ones, as the symmetry of a molecule asks.

    Args:
        found: ``[n]``, without translations and rotations.
        multiplicities: the sizes of the sets with more than one member: (2, 3, 3) for methane.

    Returns:
        the largest difference (in the unit of ``found``) within a set, for the best choice of runs of
        neighbors; 0 where nothing is degenerate.
    """
    values, sizes = np.sort(found).tolist(), tuple(sorted(multiplicities))

    @cache
    def best(start: int, left: tuple[int, ...]) -> float:
        if not left:
            return 0.0
        if sum(left) > len(values) - start:
            return math.inf
        choices = [best(start + 1, left)]
        for k in {left.index(size) for size in left}:
            width = values[start + left[k] - 1] - values[start]
            choices.append(max(width, best(start + left[k], left[:k] + left[k + 1 :])))
        return min(choices)

    return best(0, sizes)


def scannable_bonds(atoms: Any) -> dict[str, tuple[int, int]]:
    """The first bond of each pair of elements that is not in a ring: ``"C-H"`` to its two atoms."""
    found: dict[str, tuple[int, int]] = {}
    bonds = Bonds(atoms)
    for i, j in zip(bonds.first[bonds.bonded].tolist(), bonds.second[bonds.bonded].tolist(), strict=True):
        name = f"{bonds.symbols[i]}-{bonds.symbols[j]}"
        if name not in found and i not in _side(bonds, i, j):
            found[name] = i, j
    return found


def bond_scan(atoms: Any, bond: tuple[int, int], stretch: np.ndarray) -> np.ndarray:
    """Positions in which a bond is longer by ``stretch [T]`` (Å) and all else is rigid, ``[T, N, 3]``.

    Raises:
        ValueError: for a bond in a ring, whose two sides cannot be moved apart.
    """
    first, second = bond
    moving = _side(Bonds(atoms), first, second)
    if first in moving:
        raise ValueError(f"bond: expected one that is not in a ring, found {bond}")
    along = atoms.positions[second] - atoms.positions[first]
    pos = np.repeat(atoms.positions[None], len(stretch), axis=0)
    pos[:, moving] += np.asarray(stretch)[:, None, None] * along / np.linalg.norm(along)
    return pos


def _side(bonds: Bonds, first: int, second: int) -> list[int]:
    """The atoms that hang on ``second`` when its bond to ``first`` is cut."""
    pairs = np.stack([bonds.first, bonds.second], 1)[bonds.bonded].tolist()
    pairs = [pair for pair in pairs if sorted(pair) != sorted((first, second))]
    found = [second]
    for atom in found:  # grows while it is walked through
        near = [i + j - atom for i, j in pairs if atom in (i, j)]
        found += [one for one in near if one not in found]
    return found
