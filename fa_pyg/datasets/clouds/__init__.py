"""Data sets of point clouds with normals."""

from __future__ import annotations

from fa_pyg.cad import SURFACES
from fa_pyg.datasets.clouds.abc_normals import ABCNormals
from fa_pyg.datasets.clouds.cad import CADNormals
from fa_pyg.datasets.clouds.mesh_normals import MeshNormals
from fa_pyg.datasets.clouds.pcpnet import PCPNetToCloud
from fa_pyg.datasets.clouds.symmetric import SYMMETRIC, symmetric_part, symmetric_rotations

__all__ = [
    "SURFACES",
    "SYMMETRIC",
    "ABCNormals",
    "CADNormals",
    "MeshNormals",
    "PCPNetToCloud",
    "symmetric_part",
    "symmetric_rotations",
]
