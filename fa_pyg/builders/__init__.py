"""Frames as modules: maps from a batch to :class:`fa_pyg.Frames`, one file per idea."""

from fa_pyg.builders.base import Frame, MotionFrame, PermutationFrame
from fa_pyg.builders.canonical import CanonicalFrame
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.combine import PerMode, Sample
from fa_pyg.builders.coset import CosetFrame
from fa_pyg.builders.galilean import GalileanFrame
from fa_pyg.builders.graphs import Graphs
from fa_pyg.builders.group import GroupFrame
from fa_pyg.builders.haar import HaarFrame
from fa_pyg.builders.learned import LearnedFrame, identity_prior
from fa_pyg.builders.local import LocalFrame, LocalPCAFrame
from fa_pyg.builders.pca import PCAFrame
from fa_pyg.builders.polar import PolarFrame
from fa_pyg.builders.qr import GeneralisedQRFrame, GeneralizedQRFrame
from fa_pyg.builders.random_nodes import RandomNodeFrame
from fa_pyg.builders.random_similarity import RandomBoostFrame, RandomScaleFrame
from fa_pyg.builders.scale import ScaleFrame
from fa_pyg.builders.spectral import SpectralFrame
from fa_pyg.builders.vector_net import VectorNet
from fa_pyg.builders.weighted import WeightedPCAFrame

__all__ = [
    "CanonicalFrame",
    "Cloud",
    "CosetFrame",
    "Frame",
    "GalileanFrame",
    "GeneralisedQRFrame",
    "GeneralizedQRFrame",
    "Graphs",
    "GroupFrame",
    "HaarFrame",
    "LearnedFrame",
    "LocalFrame",
    "LocalPCAFrame",
    "MotionFrame",
    "PCAFrame",
    "PerMode",
    "PermutationFrame",
    "PolarFrame",
    "Quantity",
    "RandomBoostFrame",
    "RandomNodeFrame",
    "RandomScaleFrame",
    "Sample",
    "ScaleFrame",
    "SpectralFrame",
    "VectorNet",
    "WeightedPCAFrame",
    "identity_prior",
]
