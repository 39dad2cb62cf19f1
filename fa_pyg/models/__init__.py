"""Published compositions, and the baselines they are compared with."""

from fa_pyg.models.adjacency_mlp import AdjacencyMLP
from fa_pyg.models.baselines import GAT, GCN, ChebNet, ConvStack, largest_eigenvalues
from fa_pyg.models.cell_frames import CellFrame, CellVectors, LabeledCell, LatticeVectors, NeighborVectors
from fa_pyg.models.faenet import FAENet
from fa_pyg.models.fagnn import FAGNN
from fa_pyg.models.gin import GIN
from fa_pyg.models.gnn import GNN
from fa_pyg.models.gnnml3 import GNNML3
from fa_pyg.models.lambda_max import LambdaMax
from fa_pyg.models.linear import Linear
from fa_pyg.models.nequip import NequIP
from fa_pyg.models.potential import Potential
from fa_pyg.models.ppgn import PPGN
from fa_pyg.models.references import AtomicReference
from fa_pyg.models.supports import GNNML3Supports, gnnml3_supports

__all__ = [
    "FAGNN",
    "GAT",
    "GCN",
    "GIN",
    "GNN",
    "GNNML3",
    "PPGN",
    "AdjacencyMLP",
    "AtomicReference",
    "CellFrame",
    "CellVectors",
    "ChebNet",
    "ConvStack",
    "FAENet",
    "GNNML3Supports",
    "LabeledCell",
    "LambdaMax",
    "LatticeVectors",
    "Linear",
    "NeighborVectors",
    "NequIP",
    "Potential",
    "gnnml3_supports",
    "largest_eigenvalues",
]
