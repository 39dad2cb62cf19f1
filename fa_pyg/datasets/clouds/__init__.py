"""Data sets of point clouds with normals."""

from __future__ import annotations

from fa_pyg.cad import SURFACES
from fa_pyg.datasets.clouds.cad import CADNormals
from fa_pyg.datasets.clouds.symmetric import SYMMETRIC, symmetric_part, symmetric_rotations

__all__ = ["SURFACES", "SYMMETRIC", "CADNormals", "symmetric_part", "symmetric_rotations"]
