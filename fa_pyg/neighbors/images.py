"""Neighbor search among explicit periodic images, for any cell and number of periodic directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from fa_pyg.neighbors.edges import radius

__all__ = ["Box", "independent", "neighbors_of_images", "pairs_in_bins"]


class Box:
    """Periodic vectors of a cell, and its heights along them.

    Args:
        cell: ``[3, 3]``, rows are vectors.
        periodic: mask of the periodic ones.
        graph: index of the graph, for error messages.

    Raises:
        ValueError: for vectors that are not finite, or not independent.
    """

    def __init__(self, cell: np.ndarray, periodic: np.ndarray, graph: int = 0) -> None:
        self.cell, self.periodic, self.graph = cell, periodic, graph
        self.vectors = cell[periodic]
        self.lengths = np.linalg.norm(self.vectors, axis=1)
        if not independent(self.vectors, 1e-10):
            raise ValueError(
                "cell: expected independent vectors in all periodic directions, "
                f"found {cell.tolist()} in graph {graph}"
            )
        self.dual = np.linalg.pinv(self.vectors / self.lengths[:, None], rcond=0) / self.lengths
        self.heights = 1 / np.linalg.norm(self.dual, axis=0)

    def fractional(self, pos: np.ndarray) -> np.ndarray:
        """Coordinates along the periodic vectors, ``[n, directions]``."""
        return pos @ self.dual

    def images_in_ball(self, pos: np.ndarray, radius: float) -> float:
        """Estimate the number of images of a point within the radius of an atom."""
        r: Any = np.linalg.qr(self.vectors.T, mode="r")  # the stubs of numpy know the default mode only
        dim, size = len(self.vectors), abs(r.diagonal()).prod()
        flat = (1, 2, np.pi, 4 / 3 * np.pi)[dim] * radius**dim / size
        if dim == 3:
            return flat
        # The atoms of a thick slab fill its thickness.
        extent = np.ptp(pos - self.fractional(pos) @ self.vectors, axis=0).max()
        return np.fmin(flat, 4 / 3 * np.pi * radius**3 / size / extent ** (3 - dim))

    def describe(self, atoms: int) -> str:
        """Number of atoms, lengths and heights, for error messages."""
        lengths = ", ".join(f"{x:.3g}" for x in self.lengths)
        heights = ", ".join(f"{x:.3g}" for x in self.heights)
        return f"{atoms} atoms, vectors of {lengths}, heights of {heights}"


def independent(vectors: np.ndarray, least: float) -> bool:
    """Whether rows are finite, not zero, and further than this angle from the span of the others."""
    lengths = np.linalg.norm(vectors, axis=1)
    if not (np.isfinite(lengths).all() and lengths.all()):
        return False
    return not len(lengths) or np.linalg.svd(vectors / lengths[:, None], compute_uv=False)[-1] > least


def pairs_in_bins(pos: np.ndarray, box: Box, cutoff: float) -> float:
    """Count pairs in bins whose diagonal is shorter than the cutoff, a lower bound of all pairs."""
    wrapped = pos - np.floor(box.fractional(pos)) @ box.vectors
    size = np.unique(np.floor(wrapped / (cutoff / 2)), axis=0, return_counts=True)[1].astype(float)
    return float((size * (size - 1)).sum())


def neighbors_of_images(
    pos: np.ndarray, box: Box, cutoff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find atoms i, j and shifts ``[E, 3]`` with :math:`|x_j + s C - x_i| < r_c`.

    Atoms are wrapped into the cell, and their images listed within the cutoff of the parallelepiped around
    them; memory scales with the number of images.
    """
    inside = box.fractional(pos)
    whole = np.floor(inside)
    inside, wrapped = inside - whole, pos - whole @ box.vectors
    atom, steps = np.arange(len(pos)), np.zeros((len(pos), 0))
    for axis, height in enumerate(box.heights):
        atom, steps = _along(inside[:, axis], cutoff / height, atom, steps)
    images = torch.as_tensor(wrapped[atom] + steps @ box.vectors)
    i, image = radius(images, torch.as_tensor(wrapped), cutoff, max_num_neighbors=None).numpy()
    keep = (atom[image] != i) | steps[image].any(axis=1)
    i, image = i[keep], image[keep]
    j = atom[image]
    shift = np.zeros((len(i), 3))
    shift[:, box.periodic] = steps[image] - whole[j] + whole[i]
    return i, j, shift


def _along(x: np.ndarray, reach: float, atom: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Extend images along another vector, within the reach of the atoms (in units of the vector)."""
    low, high = x.min() - reach, x.max() + reach
    first = np.ceil(low - x[atom] - 1e-6)
    count = (np.floor(high - x[atom] + 1e-6) - first + 1).astype(int)
    row = np.arange(len(atom)).repeat(count)
    step = first[row] + np.arange(len(row)) - (count.cumsum() - count)[row]
    return atom[row], np.column_stack([steps[row], step])
