"""Bonds by covalent radii."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["covalent_bonds"]


def covalent_bonds(z: Tensor, pos: Tensor, scale: float = 1.25) -> Tensor:
    r"""Return the pairs of atoms with :math:`\lVert x_i - x_j \rVert < s (r_i + r_j)`, each pair once.

    The radii r are the covalent radii of Cordero et al. (2008), as ASE lists them.

    Args:
        z: Atomic numbers [N].
        pos: Positions [N, 3] in Angstrom. Periodic images are not considered.
        scale: The factor s.

    Shapes: [2, E], on the CPU, i < j.
    """
    from ase.data import covalent_radii
    from scipy.spatial import KDTree

    radii = scale * torch.from_numpy(covalent_radii)[z.cpu()]
    pos = pos.detach().cpu().double()
    close = KDTree(pos.numpy()).query_pairs(2 * float(radii.max()), output_type="ndarray")
    pairs = torch.from_numpy(close).long().T
    i, j = pairs
    return pairs[:, (pos[i] - pos[j]).norm(dim=-1) < radii[i] + radii[j]]
