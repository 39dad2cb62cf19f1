"""Data sets, generators and loaders."""

from fa_pyg.datasets.bonds import CovalentBonds, RadiusGraph, RDKitBonds
from fa_pyg.datasets.exp import EXP
from fa_pyg.datasets.exp_like import EXPLike
from fa_pyg.datasets.graph8c import GRAPH8c
from fa_pyg.datasets.hard_graphs import cfi_pair, csl, rook, shrikhande, strongly_regular_pair
from fa_pyg.datasets.loader import InMemoryLoader
from fa_pyg.datasets.md import MDTrajectory
from fa_pyg.datasets.nbody import NBody
from fa_pyg.datasets.nci import NCIConformers
from fa_pyg.datasets.xyz import XYZ, read_xyz

__all__ = [
    "EXP",
    "XYZ",
    "CovalentBonds",
    "EXPLike",
    "GRAPH8c",
    "InMemoryLoader",
    "MDTrajectory",
    "NBody",
    "NCIConformers",
    "RDKitBonds",
    "RadiusGraph",
    "cfi_pair",
    "csl",
    "read_xyz",
    "rook",
    "shrikhande",
    "strongly_regular_pair",
]
