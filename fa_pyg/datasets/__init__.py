"""Data sets, generators and loaders."""

from fa_pyg.datasets.bonds import CovalentBonds, RadiusGraph, RDKitBonds
from fa_pyg.datasets.loader import InMemoryLoader
from fa_pyg.datasets.nbody import NBody
from fa_pyg.datasets.xyz import XYZ, read_xyz

__all__ = ["XYZ", "CovalentBonds", "InMemoryLoader", "NBody", "RDKitBonds", "RadiusGraph", "read_xyz"]
