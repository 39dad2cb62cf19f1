"""What the frame of a periodic system is read from: its lattice, its labeled cell, or its neighbors."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PolarFrame
from fa_pyg.neighbors.lattice import lattice_vectors

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
    """The periodic systems of a batch, as a frame may read them.

    Shapes:
        ``cell [B, 3, 3]``, zero in directions that are not periodic; ``pbc [B, 3]``; ``edge_vec [E, 3]`` and
        ``edge_graph [E]``, the graph of each; ``cutoff`` of these edges.
    """

    cell: Tensor
    pbc: Tensor
    edge_vec: Tensor
    edge_graph: Tensor
    cutoff: float


class CellFrame(nn.Module):
    """What a :class:`~fa_pyg.models.Potential` reads the frame of a periodic system from.

    A subclass says which vectors these are, in :meth:`read`. No frame can have all one would wish: the
    lattices that supercells and other bases make of one are dense among all lattices, so that a continuous
    frame of the lattice alone that heeds neither does not exist. Each subclass gives up another property;
    docs/molecules.md has the table.

    Args:
        frame: of these vectors; default that of the molecules (:meth:`default`).

    Attributes:
        least: how many periodic directions it needs.
    """

    least = 2

    def __init__(self, frame: Frame | None = None) -> None:
        super().__init__()
        checks.instance("frame", frame, Frame, 'a frame such as WeightedPCAFrame("E(3)")', optional=True)
        self.frame = frame

    def of_cells(self, frame: Frame) -> Frame:
        """Return the frame of cells, given that of molecules."""
        return self.default(frame) if self.frame is None else self.frame

    def default(self, frame: Frame) -> Frame:
        """Return the frame where none is given, from that of the molecules."""
        return frame

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        """Return the vectors ``[M, 3]`` that the frame is made of, and the graph of each ``[M]``."""
        raise NotImplementedError


class LatticeVectors(CellFrame):
    """Short lattice vectors with smooth weights (:func:`~fa_pyg.neighbors.lattice.lattice_vectors`).

    The same for every basis of the lattice, sheared and left-handed ones included, and for supercells
    n x n x n. While the cell is fixed so are the frames, and forces are as smooth as the network. A lattice
    has the symmetries of its crystals and more, so that forces and stresses that symmetry forbids are zero.

    Not guaranteed: the same frames in supercells repeated differently along different directions, whose
    lattice is another one; as few runs for cells with one side more than five times as long as the others,
    such as a layer in vacuum that is periodic all around (graphene 72 instead of 24): say ``T T F`` there.
    """

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        return lattice_vectors(crystals.cell, crystals.pbc)


class LabeledCell(CellFrame):
    """The cell's vectors in their order, by polar decomposition (:class:`~fa_pyg.PolarFrame`): one run.

    For dynamics and relaxation, also of the cell, where the basis stays as it is written: infinitely smooth
    in the cell, and the same in every supercell n1 x n2 x n3.

    Args:
        frame: of three labeled vectors; default ``PolarFrame`` of the same group.

    Not guaranteed: the same energy in another basis of the lattice, or another order or sign of its vectors;
    the symmetries of the crystal: a perfect crystal may have forces, and a cube a shear stress.
    """

    def default(self, frame: Frame) -> Frame:
        return PolarFrame(frame.group)

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        graphs = torch.arange(len(crystals.cell), device=crystals.cell.device)
        return crystals.cell.flatten(0, 1), graphs.repeat_interleave(3)


class NeighborVectors(CellFrame):
    r"""The vectors between neighbors, shrunk smoothly: :math:`(1 - |r|^2 / r_c^2)^3\, r`.

    The same for every basis *and* every supercell, since their mean over the atoms is: the energy of a
    supercell is that of its cells to rounding. Wires have such vectors, too.

    Not guaranteed: few runs, nor smooth forces. The frames move with the atoms, and in a supercell of a
    symmetric crystal at a finite temperature each atom's neighbors break the symmetry differently: hundreds
    of frames, of weights that change fast.
    """

    least = 1

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        square = crystals.edge_vec.square().sum(1, keepdim=True) / crystals.cutoff**2
        return crystals.edge_vec * (1 - square).clamp(min=0) ** 3, crystals.edge_graph


class CellVectors(CellFrame):
    """The cell's vectors in any order, each in both directions or not; replaced by the others.

    Models of before, and of ``signed_cell``, read these.

    Args:
        frame: of these vectors; default that of the molecules.
        signed: tell a cell from the one with its vectors reversed. The same crystal then has another energy
            in another choice of signs, and forces that inversion forbids.

    Not guaranteed: the same energy in a sheared basis, or in any supercell but n x n x n.
    """

    def __init__(self, frame: Frame | None = None, signed: bool = False) -> None:
        super().__init__(frame)
        self.signed = checks.flag("signed", signed)

    def read(self, crystals: Crystals) -> tuple[Tensor, Tensor]:
        cell = crystals.cell if self.signed else torch.cat([crystals.cell, -crystals.cell], dim=1)
        graphs = torch.arange(len(cell), device=cell.device)
        return cell.flatten(0, 1), graphs.repeat_interleave(cell.size(1))


def chosen_cell_frame(cell_frame: CellFrame | None, signed_cell: bool | None) -> CellFrame:
    """Return what frames of cells read; for ``signed_cell``, which older models have, what these read."""
    if signed_cell is None:
        return LatticeVectors() if cell_frame is None else cell_frame
    if cell_frame is not None:
        raise ValueError("signed_cell: expected None beside a cell_frame, found " + str(signed_cell))
    warnings.warn(
        f"signed_cell={signed_cell} is deprecated: cell_frame=CellVectors(signed={signed_cell}) is the same, "
        "and LatticeVectors(), the default, does not depend on the choice of the cell",
        DeprecationWarning,
        stacklevel=3,
    )
    return CellVectors(signed=signed_cell)
