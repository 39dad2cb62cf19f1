"""Frame averaging for PyTorch Geometric: any model made exactly invariant or equivariant, in one line."""

from importlib import import_module
from typing import Any

from fa_pyg.builders import (
    CanonicalFrame,
    CosetFrame,
    Frame,
    GeneralisedQRFrame,
    GeneralizedQRFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    LocalPCAFrame,
    MotionFrame,
    PCAFrame,
    PerMode,
    PermutationFrame,
    PolarFrame,
    RandomNodeFrame,
    Sample,
    SpectralFrame,
    WeightedPCAFrame,
)
from fa_pyg.frames import Frames
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.groups import Group
from fa_pyg.moved import install
from fa_pyg.nn import FrameAveraging
from fa_pyg.reps import Rep

install()

__version__ = "0.1.0"

__all__ = [
    "CanonicalFrame",
    "CosetFrame",
    "Frame",
    "FrameAveraging",
    "Frames",
    "GeneralisedQRFrame",
    "GeneralizedQRFrame",
    "Group",
    "GroupFrame",
    "HaarFrame",
    "LearnedFrame",
    "LocalFrame",
    "LocalPCAFrame",
    "MotionFrame",
    "PCAFrame",
    "PerMode",
    "PermutationFrame",
    "PermutationFrames",
    "PolarFrame",
    "RandomNodeFrame",
    "Rep",
    "Sample",
    "SpectralFrame",
    "WeightedPCAFrame",
    "read_xyz",
]


def __getattr__(name: str) -> Any:
    if name in ("ase", "datasets", "models", "plot", "testing"):  # imported when they are used
        return import_module(f"fa_pyg.{name}")
    if name == "read_xyz":
        return import_module("fa_pyg.datasets").read_xyz
    raise AttributeError(f"module 'fa_pyg' has no attribute {name!r}")
