"""Short vectors of a lattice with smooth weights, independent of its basis."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import Tensor

from fa_pyg.neighbors.images import Box

__all__ = ["lattice_vectors", "reduced_basis"]

_POWER = 12  # of the soft maximum of the spacings of lattice planes
_REACH = 8.3  # in units of the shortest reciprocal vector: longer ones contribute less than 1e-10
_RADIUS = 2.0  # in units of that spacing: contains three independent vectors of any lattice
_FALL = 10  # a vector of a cube weighs 13 %, the diagonal of its face 1 %
_MOST = 100_000  # vectors of a lattice, as of a cell fifty times as long as wide


def lattice_vectors(cell: Tensor, pbc: Tensor) -> tuple[Tensor, Tensor]:
    r"""Compute the short vectors of each lattice times smooth weights, and the graph of each vector.

    .. math:: \{ w(t)\, t : t \in \Lambda \}, \quad w = \Big(1 - \frac{|t|^2}{R^2}\Big)_+^{10}, \quad
              R = 2 \Big(\sum_{k \in \Lambda^*} |k|^{-12}\Big)^{1/12}

    with all vectors t of the lattice and k of the reciprocal lattice. The set depends smoothly on the lattice
    only, not on its basis: vectors enter with weight 0. R is about twice the largest spacing of lattice
    planes, so that the set spans the same space as the lattice, and scales with it.

    Args:
        cell: cell vectors, as rows.
        pbc: mask of the periodic ones.

    Shapes:
        ``cell [B, 3, 3]``, ``pbc [B, 3]``; returns ``[M, 3]`` and ``[M]``, ascending. On the CPU, graph by
        graph; differentiable in ``cell``.

    Raises:
        ValueError: for dependent vectors, and lattices of more than 100 000 such vectors.
    """
    found, owner = [], []
    for graph, (box, periodic) in enumerate(zip(cell, pbc.tolist(), strict=True)):
        vectors = box[[k for k in range(3) if periodic[k]]]
        if len(vectors):
            found.append(_weighted(vectors, graph))
            owner.append(torch.full((len(found[-1]),), graph, device=cell.device))
    if not found:
        return cell.new_zeros(0, 3), torch.zeros(0, dtype=torch.long, device=cell.device)
    return torch.cat(found), torch.cat(owner)


def reduced_basis(vectors: np.ndarray) -> np.ndarray:
    """Compute integers ``[k, k]`` that transform a basis to a basis of short vectors, k <= 3.

    Greedy reduction: subtract from each vector its nearest combination of shorter vectors, while it becomes
    shorter.
    """
    whole = np.eye(len(vectors))
    while True:
        basis = whole @ vectors
        order = np.argsort(np.linalg.norm(basis, axis=1), kind="stable")
        whole, basis = whole[order], basis[order]
        for last in range(1, len(basis)):
            others = basis[:last]
            nearest = np.rint(basis[last] @ np.linalg.pinv(others))
            candidates = nearest + np.array(list(itertools.product((-1, 0, 1), repeat=last)))
            rest = basis[last] - candidates @ others
            best = np.linalg.norm(rest, axis=1).argmin()
            if np.linalg.norm(rest[best]) < (1 - 1e-9) * np.linalg.norm(basis[last]):
                whole[last] -= candidates[best] @ whole[:last]
                break
        else:
            return whole


def _weighted(vectors: Tensor, graph: int) -> Tensor:
    """Weighted vectors of a lattice."""
    numbers = vectors.detach().cpu().double().numpy()
    Box(numbers, np.ones(len(numbers), dtype=bool), graph)  # raises for flat cells
    basis = torch.as_tensor(reduced_basis(numbers)).to(vectors) @ vectors
    dual = torch.linalg.solve(basis @ basis.mT, basis)
    reciprocal = _combinations(dual, basis, _REACH * _shortest(dual))
    # In units of the longest spacing, so that powers do not overflow.
    size = reciprocal.square().sum(1)
    unit = size.detach().min()
    radius = _RADIUS**2 / unit * (unit / size).pow(_POWER / 2).sum().pow(2 / _POWER)
    short = _combinations(basis, dual, float(radius.detach().sqrt()))
    weight = (1 - short.square().sum(1, keepdim=True) / radius).clamp(min=0) ** _FALL
    return short * weight


def _shortest(basis: Tensor) -> float:
    """Length of the shortest vector of a reduced basis, an upper bound for the lattice."""
    numbers = basis.detach().cpu().double().numpy()
    return float(np.linalg.norm(reduced_basis(numbers) @ numbers, axis=1).min())


def _combinations(basis: Tensor, dual: Tensor, radius: float) -> Tensor:
    """List all nonzero vectors of a lattice within the radius; the dual basis bounds their coefficients."""
    most = np.floor(radius * dual.detach().cpu().double().norm(dim=1).numpy() + 1e-6)
    if not np.prod(2 * most + 1) <= 8 * _MOST:
        raise ValueError(
            f"cell: expected a lattice of fewer than {_MOST} short vectors, found one with a side far longer "
            f"than the others, {basis.tolist()}"
        )
    steps = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(
        -1, len(most)
    )
    numbers = steps @ basis.detach().cpu().double().numpy()
    keep = (np.linalg.norm(numbers, axis=1) < radius) & steps.any(1)
    return torch.as_tensor(steps[keep]).to(basis) @ basis
