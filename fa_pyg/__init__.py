"""Frame averaging for PyTorch Geometric: wrap any model to make it exactly invariant or equivariant.

Names are imported when they are first used, so that a part of the package loads only what it needs.
"""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fa_pyg.moved import MOVED, install

if TYPE_CHECKING:  # for type checkers and editors; HOMES is for Python
    from fa_pyg.builders import (
        CanonicalFrame,
        CosetFrame,
        Frame,
        GalileanFrame,
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
        RandomBoostFrame,
        RandomNodeFrame,
        RandomScaleFrame,
        Sample,
        ScaleFrame,
        SpectralFrame,
        WeightedPCAFrame,
    )
    from fa_pyg.frames import Frames
    from fa_pyg.frames.permutation import PermutationFrames
    from fa_pyg.groups import Group
    from fa_pyg.io import read_xyz
    from fa_pyg.nn import FrameAveraging
    from fa_pyg.reps import Rep

install()
logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is logged is for who asks for it

__version__ = "0.1.0"

__all__ = [
    "CanonicalFrame",
    "CosetFrame",
    "Frame",
    "FrameAveraging",
    "Frames",
    "GalileanFrame",
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
    "RandomBoostFrame",
    "RandomNodeFrame",
    "RandomScaleFrame",
    "Rep",
    "Sample",
    "ScaleFrame",
    "SpectralFrame",
    "WeightedPCAFrame",
    "read_xyz",
]

HOMES = {
    "FrameAveraging": "nn",
    "Frames": "frames",
    "Group": "groups",
    "PermutationFrames": "frames.permutation",
    "Rep": "reps",
    "read_xyz": "io",
}
ROOMS = [
    "ase",
    "batches",
    "builders",
    "cad",
    "calls",
    "canonical",
    "checks",
    "cli",
    "config",
    "copies",
    "datasets",
    "dynamics",
    "files",
    "frames",
    "groups",
    "io",
    "loader",
    "math",
    "memory",
    "models",
    "neighbors",
    "nn",
    "plot",
    "potential",
    "reps",
    "separation",
    "testing",
    "train",
    "trained",
    "transforms",
    "workers",
]
NEEDS = {"train": "lightning"}  # of an extra


def __getattr__(name: str) -> Any:
    if name in __all__:
        value = getattr(import_module(f"fa_pyg.{HOMES.get(name, 'builders')}"), name)
        globals()[name] = value
        return value
    if name in ROOMS or name in MOVED:
        return import_module(f"fa_pyg.{name}")
    raise AttributeError(f"module 'fa_pyg' has no attribute {name!r}")


def _installed() -> list[str]:
    """Return the rooms whose extras are installed."""
    return [room for room in ROOMS if room not in NEEDS or find_spec(NEEDS[room])]


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *__all__, *_installed()})
