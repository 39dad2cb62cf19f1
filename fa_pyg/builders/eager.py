"""Frames that compilers cannot trace: computed outside compiled code, or refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.graphs import Graphs
from fa_pyg.frames import FrameSet
from fa_pyg.typed import disable

if TYPE_CHECKING:
    from fa_pyg.builders.base import Frame

__all__ = ["RAGGED", "VALUES", "evaluate_eagerly", "outside_old_compilers"]

RAGGED = "the number depends on the data"
VALUES = "the order depends on the data"


_HINT = (
    "compile the network inside, FrameAveraging(torch.compile(net, dynamic=True), frame); or take a frame "
    'with a fixed number of elements, such as WeightedPCAFrame("E(3)", max_frames=48) or PCAFrame("E(3)")'
)
_TAKES_REASON = "reason" in inspect.signature(disable).parameters
_REASON = {"reason": f"frames whose number or order depends on the data: {_HINT}"} if _TAKES_REASON else {}


def outside_old_compilers(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Keep a method out of code compiled by torch 2.9 and older, which misread cached properties."""
    return forward if torch.__version__ >= "2.10" else disable(forward)


def evaluate_eagerly(frame: Frame, seen: Cloud | Graphs) -> FrameSet:
    """Return the frames of a batch, computed outside the compiled code.

    Raises:
        ValueError: in ``torch.export``, which has no outside.
    """
    if not torch.compiler.is_dynamo_compiling():
        name, found = type(frame).__name__, f"one of which {frame.untraced}"
        raise ValueError(f"{name}: expected a frame that can be exported, found {found}: {_HINT}")
    return _evaluate(frame, seen)


@disable(**_REASON)
def _evaluate(frame: Frame, seen: Cloud | Graphs) -> FrameSet:
    return frame.evaluate(seen)
