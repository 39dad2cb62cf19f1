"""Neighbors of atoms in periodic systems: edges with shifts, and their vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fa_pyg.neighbors.images import Box, independent, neighbors_of_images, pairs_in_bins

__all__ = ["edge_vectors", "periodic_edges"]

MOST = 1e8  # edges of a system: a cell in another unit would fill the memory
MOST_IMAGES = 2e7  # atoms that are searched, of which a skewed cell has many and few neighbors
MOST_BINS = 1e5  # of vesin's grid, which it divides by zero to keep (version 0.6)
EPS = 2.0**-52
CROWD = 1000  # atoms of a graph, beyond which coincident atoms are counted first
FAR = 1e6  # cells from the origin, up to which shifts fit into 32 bits easily


def periodic_edges(
    pos: Tensor,
    cell: Tensor,
    pbc: Tensor,
    cutoff: float,
    batch: Tensor | None = None,
    max_neighbors: float = math.inf,
    graphs: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor]:
    r"""Find edges between atoms closer than the cutoff, including all periodic images.

    .. math:: E = \{(j, i, s) : |x_j + s C - x_i| < r_c,\; (j, s) \ne (i, 0)\}

    By vesin, if it is installed and supports the system, else by a search among explicit images. On the CPU,
    graph by graph. Edges have no gradients.

    Args:
        pos, cell, pbc, batch: positions, cells, periodic directions, and the graph of each atom.
        cutoff: in the unit of ``pos``; may be longer than the cell.
        max_neighbors: largest mean number of neighbors per atom in a graph.
        graphs: index of each graph in error messages; default 0 to B - 1.

    Shapes:
        ``pos [N, 3]``, ``cell [B, 3, 3]`` (rows are the vectors C, which may be zero in directions that are
        not periodic), ``pbc [B, 3]`` bool, ``batch [N]``; returns ``edge_index [2, E]``, j in the first row,
        and ``edge_shift [E, 3]``, the integers s in the type of ``pos``.

    Raises:
        ValueError: for wrong shapes, periodic vectors that are not independent, a cutoff that is not positive
            and finite, atoms so far from the origin that rounding moves them, and too many edges (1e8 per
            graph, ``max_neighbors`` per atom) or images (2e7), which are estimated before the search.
    """
    if not 0 < cutoff < math.inf:
        raise ValueError(f"cutoff: expected a positive, finite number, found {cutoff!r}")
    shapes = pos.shape[1:], cell.shape[1:], pbc.shape[1:]
    if shapes != ((3,), (3, 3), (3,)) or pbc.dtype != torch.bool or not pos.is_floating_point():
        raise ValueError(
            "pos, cell, pbc: expected numbers [N, 3] and [B, 3, 3], and bool [B, 3], found "
            f"{pos.dtype} {list(pos.shape)}, {list(cell.shape)} and {pbc.dtype} {list(pbc.shape)}"
        )
    sizes = [len(pos)] if batch is None else batch.bincount(minlength=len(cell)).tolist()
    if not len(sizes) == len(cell) == len(pbc):
        raise ValueError(f"cell, pbc: expected {len(sizes)} of each, found {len(cell)} and {len(pbc)}")
    order = None if batch is None or not (batch[1:] < batch[:-1]).any() else batch.argsort(stable=True)
    points = pos.detach() if order is None else pos.detach().index_select(0, order)
    edges, shifts, first = [torch.zeros(2, 0, dtype=torch.long)], [torch.zeros(0, 3).double()], 0
    cells, periodic, numbers = (
        cell.detach().cpu().double().numpy(),
        pbc.cpu().numpy(),
        graphs or range(len(cell)),
    )
    parts = points.cpu().double().split(sizes)
    for x, of_cell, of_pbc, number in zip(parts, cells, periodic, numbers, strict=True):
        i, j, shift = _neighbors(x.numpy(), Box(of_cell, of_pbc, number), cutoff, max_neighbors)
        edges.append(torch.as_tensor(np.stack([j, i]).astype(np.int64)) + first)
        shifts.append(torch.as_tensor(shift.astype(np.float64)))
        first += len(x)
    edge_index = torch.cat(edges, dim=1).to(pos.device)
    return edge_index if order is None else order[edge_index], torch.cat(shifts).to(pos)


def edge_vectors(
    pos: Tensor,
    edge_index: Tensor,
    edge_shift: Tensor | None = None,
    cell: Tensor | None = None,
    batch: Tensor | None = None,
) -> Tensor:
    """Compute x_j + s C - x_i of each edge, ``[E, d]``, invariant to wrapping of atoms into the cell."""
    source, target = edge_index
    vectors = pos.index_select(0, source) - pos.index_select(0, target)
    if edge_shift is None:
        return vectors
    if cell is None:
        raise ValueError("cell: expected the cells of edges with shifts, found None")
    box = cell.to(pos) if batch is None else cell.to(pos).index_select(0, batch.index_select(0, target))
    return vectors + (edge_shift.to(pos).unsqueeze(1) @ box).squeeze(1)


def _neighbors(
    pos: np.ndarray, box: Box, cutoff: float, max_neighbors: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i, j and shifts of a graph."""
    if not len(pos):
        return np.zeros(0), np.zeros(0), np.zeros((0, 3))
    _check_work(pos, box, cutoff, max_neighbors)
    if _is_ordinary(pos, box, cutoff):
        try:
            from vesin import NeighborList
        except ImportError:
            pass
        else:
            found = NeighborList(cutoff=cutoff, full_list=True)
            i, j, shift = found.compute(points=pos, box=box.cell, periodic=True, quantities="ijS")
            return i, j, shift
    return neighbors_of_images(pos, box, cutoff)


def _is_ordinary(pos: np.ndarray, box: Box, cutoff: float) -> bool:
    """Whether vesin supports the system: crystals in Angstrom or so, in few bins."""
    if not box.periodic.all() or not 1e-3 < cutoff < 1e3 or box.heights.min() < 1e-2 * cutoff:
        return False
    few = np.maximum(box.heights / cutoff, 1).prod() <= MOST_BINS
    return bool(few and independent(box.cell, 1e-3) and abs(box.fractional(pos)).max() < FAR)


def _check_work(pos: np.ndarray, box: Box, cutoff: float, max_neighbors: float) -> None:
    """Estimate the numbers of images within the cutoff, before the search.

    Raises:
        ValueError: for too many.
    """
    if not box.periodic.any():
        return
    furthest, limit = abs(pos).max(), 1e-6 / EPS * float(cutoff)
    if not furthest < limit:
        raise ValueError(
            f"pos: expected coordinates within {limit:.3g} of the origin, where numbers tell neighbors "
            f"apart, found {furthest:.3g} in graph {box.graph}"
        )
    with np.errstate(all="ignore"):  # an overflow is too many
        total = len(pos) ** 2 * box.images_in_ball(pos, np.float64(cutoff))
        total = np.fmax(total, pairs_in_bins(pos, box, cutoff) if len(pos) > CROWD else 0)
        images = len(pos) * (1 + 2 * cutoff / box.heights).prod()
    for found, most, what in (
        (total, MOST, "neighbors"),
        (total / len(pos), max_neighbors, "neighbors of an atom"),
        (images, MOST_IMAGES, "images of atoms"),
    ):
        if not found <= most:
            raise ValueError(
                f"cell: expected at most {most:g} {what} for the cutoff of {cutoff:g}, found about "
                f"{found:.3g} in graph {box.graph} ({box.describe(len(pos))}); are cell and cutoff in the "
                "same unit, or is there a less skewed cell of the same crystal?"
            )
