"""Harmonic vibrations and bond scans, which reveal potentials that are not smooth."""

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
    r"""Compute harmonic frequencies by central differences of the forces (``ase.vibrations.Vibrations``).

    .. math:: H_{ij} = -\frac{F_i(x + \delta e_j) - F_i(x - \delta e_j)}{2 \delta}, \qquad
              H u = m \omega^2 u

    Args:
        atoms: ASE ``Atoms``, relaxed, with a calculator.
        delta: the displacement, in Å.

    Returns:
        ``[3 N]`` in cm^-1, ascending; imaginary ones are negative. At a minimum of a smooth potential they
        depend on ``delta`` only in second order, and six of them are 0.
    """
    checks.number("delta", delta, above=0)
    from ase.vibrations import Vibrations

    with TemporaryDirectory() as folder:
        modes = Vibrations(atoms, name=folder, delta=delta)
        modes.run()
        found: Any = np.asarray(modes.get_frequencies())
    return np.sort(found.real - np.abs(found.imag))


def splitting(found: Sequence[float], multiplicities: Sequence[int]) -> float:
    """Return the splitting of frequencies that the symmetry of a molecule makes equal.

    Args:
        found: ``[n]``, without translations and rotations.
        multiplicities: the sizes of the sets with more than one member: (2, 3, 3) for methane.

    Returns:
        The largest difference (in the unit of ``found``) within a set, for the best choice of consecutive
        frequencies; 0 if nothing is degenerate.
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
    """Return the first bond outside rings of each pair of elements: ``"C-H"`` and its two atoms."""
    found: dict[str, tuple[int, int]] = {}
    bonds = Bonds(atoms)
    for i, j in zip(bonds.first[bonds.bonded].tolist(), bonds.second[bonds.bonded].tolist(), strict=True):
        name = f"{bonds.symbols[i]}-{bonds.symbols[j]}"
        if name not in found and i not in _side(bonds, i, j):
            found[name] = i, j
    return found


def bond_scan(atoms: Any, bond: tuple[int, int], stretch: np.ndarray) -> np.ndarray:
    """Return positions ``[T, N, 3]`` in which a bond is longer by ``stretch [T]`` (Å), with rigid sides.

    Raises:
        ValueError: for a bond in a ring, whose sides cannot be separated.
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
    """Return the atoms on the side of ``second`` when its bond to ``first`` is cut."""
    pairs = np.stack([bonds.first, bonds.second], 1)[bonds.bonded].tolist()
    pairs = [pair for pair in pairs if sorted(pair) != sorted((first, second))]
    found = [second]
    for atom in found:  # grows while it is iterated
        near = [i + j - atom for i, j in pairs if atom in (i, j)]
        found += [one for one in near if one not in found]
    return found
