"""Data sets of molecules, particles, graphs and mechanical parts, with their loaders and edge transforms."""

from __future__ import annotations

from fa_pyg.datasets.bonds import CovalentBonds, RadiusGraph, RDKitBonds
from fa_pyg.datasets.clouds import (
    ABCNormals,
    CADNormals,
    MeshNormals,
    PCPNetToCloud,
    symmetric_part,
    symmetric_rotations,
)
from fa_pyg.datasets.exp import EXP
from fa_pyg.datasets.exp_like import EXPLike
from fa_pyg.datasets.graph8c import GRAPH8c
from fa_pyg.datasets.hard_graphs import cfi_pair, csl, rook, shrikhande, strongly_regular_pair
from fa_pyg.datasets.md import MDTrajectory
from fa_pyg.datasets.molecule_statistics import Statistics, statistics
from fa_pyg.datasets.nbody import NBody
from fa_pyg.datasets.nci import NCIConformers
from fa_pyg.datasets.xyz import XYZ
from fa_pyg.datasets.xyz_disk import OnDiskXYZ
from fa_pyg.datasets.xyz_lazy import LazyXYZ, XYZStream
from fa_pyg.io import Table, read_xyz
from fa_pyg.loader import InMemoryLoader, OnDiskLoader

__all__ = [
    "EXP",
    "XYZ",
    "ABCNormals",
    "CADNormals",
    "CovalentBonds",
    "EXPLike",
    "GRAPH8c",
    "InMemoryLoader",
    "LazyXYZ",
    "MDTrajectory",
    "MeshNormals",
    "NBody",
    "NCIConformers",
    "OnDiskLoader",
    "OnDiskXYZ",
    "PCPNetToCloud",
    "RDKitBonds",
    "RadiusGraph",
    "Statistics",
    "Table",
    "XYZStream",
    "cfi_pair",
    "csl",
    "read_xyz",
    "rook",
    "shrikhande",
    "statistics",
    "strongly_regular_pair",
    "symmetric_part",
    "symmetric_rotations",
]
