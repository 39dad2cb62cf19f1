"""Published compositions, and the baselines they are compared with."""

from fa_pyg.models.fagnn import FAGNN
from fa_pyg.models.gnn import GNN
from fa_pyg.models.linear import Linear

__all__ = ["FAGNN", "GNN", "Linear"]
