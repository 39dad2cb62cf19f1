"""Neighbor search in batches of point clouds and periodic systems, in plain tensor operations."""

from fa_pyg.neighbors.edges import RadiusInteractionGraph, knn, knn_graph, radius, radius_graph
from fa_pyg.neighbors.lattice import lattice_vectors
from fa_pyg.neighbors.periodic import edge_vectors, periodic_edges
from fa_pyg.neighbors.sampling import fps

__all__ = [
    "RadiusInteractionGraph",
    "edge_vectors",
    "fps",
    "knn",
    "knn_graph",
    "lattice_vectors",
    "periodic_edges",
    "radius",
    "radius_graph",
]
