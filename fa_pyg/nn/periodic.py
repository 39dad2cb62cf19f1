"""Neighbours of atoms across the faces of a cell."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["edge_vectors", "periodic_edges"]

MOST = 1e8  # edges of one system: a cell in another unit would fill the memory


def periodic_edges(
    pos: Tensor, cell: Tensor, pbc: Tensor, cutoff: float, batch: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Edges between all atoms closer than the cutoff, of all periodic images, itself an atom's among them.

    .. math:: E = \{(j, i, s) : |x_j + s C - x_i| < r_c,\; (j, s) \ne (i, 0)\}

    Found by vesin, where it is installed and all directions are periodic, else by ASE: on the CPU, graph by
    graph. No gradient flows through them.

    Args:
        cutoff: in the unit of ``pos``; may be longer than the cell.

    Shapes:
        ``pos [N, 3]``, ``cell [B, 3, 3]`` (rows are the vectors C), ``pbc [B, 3]`` bool, ``batch [N]`` in
        increasing order; returns ``edge_index [2, E]``, j above i, and ``edge_shift [E, 3]``, the whole
        numbers s in the type of ``pos``.

    Raises:
        ValueError: if cells and directions are not those of the graphs of ``batch``, or a cell is so small
            that there would be more than 1e8 edges.
    """
    sizes = [len(pos)] if batch is None else batch.bincount(minlength=len(cell)).tolist()
    if not len(sizes) == len(cell) == len(pbc):
        raise ValueError(f"cell, pbc: expected {len(sizes)} of each, found {len(cell)} and {len(pbc)}")
    edges, shifts, first = [], [], 0
    for x, box, periodic in zip(pos.detach().cpu().double().split(sizes), cell, pbc, strict=True):
        i, j, shift = _neighbours(
            x.numpy(), box.detach().cpu().double().numpy(), periodic.cpu().numpy(), cutoff
        )
        edges.append(torch.as_tensor(np.stack([j, i]).astype(np.int64)) + first)
        shifts.append(torch.as_tensor(shift.astype(np.float64)))
        first += len(x)
    return torch.cat(edges, dim=1).to(pos.device), torch.cat(shifts).to(pos)


def edge_vectors(
    pos: Tensor,
    edge_index: Tensor,
    edge_shift: Tensor | None = None,
    cell: Tensor | None = None,
    batch: Tensor | None = None,
) -> Tensor:
    """Returns x_j + s C - x_i of each edge, ``[E, 3]``, which no wrapping of an atom changes."""
    source, target = edge_index
    vectors = pos.index_select(0, source) - pos.index_select(0, target)
    if edge_shift is None:
        return vectors
    box = cell.to(pos) if batch is None else cell.to(pos).index_select(0, batch.index_select(0, target))
    return vectors + (edge_shift.to(pos).unsqueeze(1) @ box).squeeze(1)


def _neighbours(pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> tuple[np.ndarray, ...]:
    _check_number(len(pos), cell[pbc], cutoff)
    if pbc.all():
        try:
            from vesin import NeighborList
        except ImportError:
            pass
        else:
            found = NeighborList(cutoff=cutoff, full_list=True)
            return tuple(found.compute(points=pos, box=cell, periodic=True, quantities="ijS"))
    from ase.neighborlist import primitive_neighbor_list

    return primitive_neighbor_list("ijS", pbc, cell, pos, cutoff)


def _check_number(atoms: int, vectors: np.ndarray, cutoff: float) -> None:
    """Raises ValueError where about as many images as lie within the cutoff are too many for the memory."""
    size = np.sqrt(abs(np.linalg.det(vectors @ vectors.T)))
    ball = (1, 2, np.pi, 4 / 3 * np.pi)[len(vectors)] * cutoff ** len(vectors)
    if not atoms**2 * ball <= MOST * size:
        lengths = ", ".join(f"{x:.3g}" for x in np.linalg.norm(vectors, axis=1))
        raise ValueError(
            f"cell: expected at most {MOST:g} neighbours closer than {cutoff:g} of {atoms} atoms, "
            f"found vectors of {lengths}"
        )
