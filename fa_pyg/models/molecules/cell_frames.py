"""Vectors from which the frame of a periodic system is built: lattice, labeled cell, or neighbors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PolarFrame
from fa_pyg.neighbors import lattice_vectors
from fa_pyg.neighbors.cutoffs import cubic_cutoff

__all__ = [
    "CellFrame",
    "CellVectors",
    "Crystals",
    "LabeledCell",
    "LatticeVectors",
    "NeighborVectors",
    "chosen_cell_frame",
]


@dataclass(frozen=True)
class Crystals:
    """Periodic systems of a batch, as input of a :class:`CellFrame`.

    Shapes:
        ``cell [B, 3, 3]``, zero in directions that are not periodic; ``pbc [B, 3]``; ``edge_vec [E, 3]``,
        ``edge_graph [E]``, the graph of each edge; ``cutoff``, of these edges.
    """

    cell: Tensor
    pbc: Tensor
    edge_vec: Tensor
    edge_graph: Tensor
    cutoff: float


class CellFrame(nn.Module):
    """Choice of the vectors from which a :class:`~fa_pyg.models.Potential` builds frames of periodic systems.

    A subclass defines the vectors in :meth:`read`. The sublattices that supercells and other bases generate
    are dense among all lattices, so that a continuous frame of the lattice that is the same in all of them
    does not exist: every subclass gives up another property. docs/guides/molecules.md compares them.

    Args:
        frame: frame of these vectors; default that of the molecules (:meth:`default`).

    Attributes:
        least: smallest number of periodic directions.

    Raises:
        ValueError: for anything but a frame.
    """

    least = 2

    def __init__(self, frame: Frame | None = None) -> None:
        super().__init__()
        checks.instance("frame", frame, Frame, 'a frame such as WeightedPCAFrame("E(3)")', optional=True)
        self.frame = frame

    def of_cells(self, frame: Frame) -> Frame:
        """Return the frame of periodic systems, given the frame of molecules."""
        return self.default(frame) if self.frame is None else self.frame

    def default(self, frame: Frame) -> Frame:
        """Return the default frame, given the frame of molecules."""
        return frame

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        """Return the vectors ``[M, 3]`` from which the frame is built, and the graph of each ``[M]``."""
        raise NotImplementedError


class LatticeVectors(CellFrame):
    """Short lattice vectors with smooth weights (:func:`~fa_pyg.neighbors.lattice_vectors`).

    Invariant to the basis of the lattice, including sheared and left-handed bases, and to n x n x n
    supercells. Frames are constant for a fixed cell, and forces are as smooth as the network. The symmetries
    of the lattice include those of the crystal, so that forces and stresses that symmetry forbids are zero.

    Not guaranteed: the same frames in n1 x n2 x n3 supercells, which have another lattice; as few runs of
    the network for cells with a side more than five times as long as the others, such as a layer in vacuum
    with three periodic directions (graphene 72 instead of 24): declare it periodic in two.
    """

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        return lattice_vectors(crystals.cell, crystals.pbc)


class LabeledCell(CellFrame):
    """Cell vectors in their order, by polar decomposition (:class:`~fa_pyg.PolarFrame`), in a single run.

    For dynamics and relaxation in a fixed basis, also of the cell: infinitely smooth in the cell, and
    invariant to n1 x n2 x n3 supercells.

    Args:
        frame: frame of three labeled vectors; default ``PolarFrame`` of the same group.

    Not guaranteed: the same energy in another basis of the lattice, or with cell vectors in another order or
    of another sign; symmetries of the crystal: a perfect crystal may have forces, and a cubic one a shear
    stress.
    """

    def default(self, frame: Frame) -> Frame:
        return PolarFrame(frame.group)

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        graphs = torch.arange(len(crystals.cell), device=crystals.cell.device)
        return crystals.cell.flatten(0, 1), graphs.repeat_interleave(3)


class NeighborVectors(CellFrame):
    r"""Vectors between neighbors, weighted by a smooth cutoff: :math:`(1 - |r|^2 / r_c^2)^3\, r`.

    Invariant to the basis *and* to all supercells, as are averages over atoms: energies of supercells are
    extensive up to rounding. Works for systems with a single periodic direction, too.

    Not guaranteed: few runs of the network, and smooth forces. Frames depend on the positions, and in a
    supercell of a symmetric crystal at finite temperature the neighborhoods of atoms break the symmetry in
    different ways: hundreds of frames, with weights that change fast.
    """

    least = 1

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        square = crystals.edge_vec.square().sum(1, keepdim=True) / crystals.cutoff**2
        return crystals.edge_vec * cubic_cutoff(square), crystals.edge_graph


class CellVectors(CellFrame):
    """Cell vectors in any order, with or without their signs; superseded by the other subclasses.

    For models that were trained with it, or with ``signed_cell``.

    Args:
        frame: frame of these vectors; default that of the molecules.
        signed: whether the frame depends on the signs of the cell vectors. The energy then depends on them,
            too, and there are forces that inversion symmetry forbids.

    Not guaranteed: the same energy in a sheared basis, or in supercells other than n x n x n.
    """

    def __init__(self, frame: Frame | None = None, signed: bool = False) -> None:
        super().__init__(frame)
        self.signed = checks.flag("signed", signed)

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        cell = crystals.cell if self.signed else torch.cat([crystals.cell, -crystals.cell], dim=1)
        graphs = torch.arange(len(cell), device=cell.device)
        return cell.flatten(0, 1), graphs.repeat_interleave(cell.size(1))


def chosen_cell_frame(cell_frame: CellFrame | None, signed_cell: bool | None) -> CellFrame:
    """Return the choice of vectors; ``signed_cell``, of older models, means :class:`CellVectors`.

    Raises:
        ValueError: for both.
    """
    if signed_cell is None:
        return LatticeVectors() if cell_frame is None else cell_frame
    if cell_frame is not None:
        checks.refuse("signed_cell", "None beside a cell_frame", signed_cell)
    warnings.warn(
        f"signed_cell={signed_cell} is deprecated: cell_frame=CellVectors(signed={signed_cell}) is the same, "
        "and LatticeVectors(), the default, does not depend on the choice of the cell",
        DeprecationWarning,
        stacklevel=3,
    )
    return CellVectors(signed=signed_cell)
