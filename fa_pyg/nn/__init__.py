"""Modules: the averaging operator, layers that use it, and operators that PyG's models need."""

from fa_pyg.neighbors.edges import RadiusInteractionGraph, knn, knn_graph, radius, radius_graph
from fa_pyg.neighbors.sampling import fps
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.nn.framed_vectors import FramedVectors
from fa_pyg.nn.grid import GridAveraging, GridMotion
from fa_pyg.nn.hetero import TypedModel
from fa_pyg.nn.layers import FAMLP, FAConv
from fa_pyg.nn.local_conv import LocalFrameConv, smooth_cutoff
from fa_pyg.nn.pyg_models import provide_pyg_operators

__all__ = [
    "FAMLP",
    "FAConv",
    "FrameAveraging",
    "FramedVectors",
    "GridAveraging",
    "GridMotion",
    "LocalFrameConv",
    "RadiusInteractionGraph",
    "TypedModel",
    "fps",
    "knn",
    "knn_graph",
    "provide_pyg_operators",
    "radius",
    "radius_graph",
    "smooth_cutoff",
]
