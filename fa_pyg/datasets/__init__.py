"""Data sets, generators and loaders."""

from fa_pyg.datasets.nbody import NBody

__all__ = ["NBody"]
