"""Published networks to be framed, potentials of molecules, and the baselines that they are compared with."""

from fa_pyg.models.graphs.adjacency_mlp import AdjacencyMLP
from fa_pyg.models.graphs.baselines import GAT, GCN
from fa_pyg.models.graphs.chebnet import ChebNet, LambdaMax, largest_eigenvalues
from fa_pyg.models.graphs.conv_stack import ConvStack
from fa_pyg.models.graphs.gin import GIN
from fa_pyg.models.graphs.gnnml3 import GNNML3
from fa_pyg.models.graphs.ppgn import PPGN
from fa_pyg.models.graphs.supports import GNNML3Supports, gnnml3_supports
from fa_pyg.models.molecules.cell_frames import (
    CellFrame,
    CellVectors,
    LabeledCell,
    LatticeVectors,
    NeighborVectors,
)
from fa_pyg.models.molecules.faenet import FAENet
from fa_pyg.models.molecules.nequip import NequIP
from fa_pyg.models.molecules.potential import Potential
from fa_pyg.models.molecules.references import AtomicReference
from fa_pyg.models.particles.egnn import EGNN
from fa_pyg.models.particles.fagnn import FAGNN
from fa_pyg.models.particles.gnn import GNN
from fa_pyg.models.particles.kinematic import KinematicGNN
from fa_pyg.models.particles.linear import Linear
from fa_pyg.models.particles.mpnn import MPNN
from fa_pyg.models.particles.pair_force import PairForceIntegrator
from fa_pyg.models.particles.radial_field import RadialField
from fa_pyg.models.particles.se3_transformer import SE3Transformer
from fa_pyg.models.particles.segnn import SEGNN
from fa_pyg.models.particles.tfn import TFN
from fa_pyg.models.particles.two_body import TwoBody
from fa_pyg.models.points.dgcnn import DGCNN
from fa_pyg.models.points.framed import FADGCNN, FAPointNet, FramedPoints
from fa_pyg.models.points.local import FALocalPointNet
from fa_pyg.models.points.orientation import orient_normals
from fa_pyg.models.points.patches import PatchedNormals
from fa_pyg.models.points.pca_normals import PCANormals
from fa_pyg.models.points.pointnet import PointNet
from fa_pyg.models.points.vn_dgcnn import VNDGCNN
from fa_pyg.models.points.vn_pointnet import VNPointNet

__all__ = [
    "DGCNN",
    "EGNN",
    "FADGCNN",
    "FAGNN",
    "GAT",
    "GCN",
    "GIN",
    "GNN",
    "GNNML3",
    "MPNN",
    "PPGN",
    "SEGNN",
    "TFN",
    "VNDGCNN",
    "AdjacencyMLP",
    "AtomicReference",
    "CellFrame",
    "CellVectors",
    "ChebNet",
    "ConvStack",
    "FAENet",
    "FALocalPointNet",
    "FAPointNet",
    "FramedPoints",
    "GNNML3Supports",
    "KinematicGNN",
    "LabeledCell",
    "LambdaMax",
    "LatticeVectors",
    "Linear",
    "NeighborVectors",
    "NequIP",
    "PCANormals",
    "PairForceIntegrator",
    "PatchedNormals",
    "PointNet",
    "Potential",
    "RadialField",
    "SE3Transformer",
    "TwoBody",
    "VNPointNet",
    "gnnml3_supports",
    "largest_eigenvalues",
    "orient_normals",
]
