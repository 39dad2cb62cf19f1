"""Frames that wrap other frames: samples, and different frames in training and evaluation."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.graphs import Graphs
from fa_pyg.frames import FrameSet
from fa_pyg.typed import computed

__all__ = ["PerMode", "Sample", "WrappedFrame"]


class WrappedFrame(Frame):
    """A frame of the same type and group as an inner frame, which reads the arguments."""

    @property
    @abstractmethod
    def inner(self) -> Frame:
        """The wrapped frame in the current mode."""

    @computed
    def seen(self) -> type[Cloud] | type[Graphs]:
        return self.inner.seen

    def read(self, *args: Any, **kwargs: Any) -> Cloud | Graphs:
        return self.inner.read(*args, **kwargs)

    def check(self, frames: FrameSet, size: int) -> FrameSet:
        return self.inner.check(frames, size)


class Sample(WrappedFrame):
    """k frames drawn from another frame for each graph and call in training; all of them in evaluation.

    The stochastic frames of FAENet (Duval et al. 2023). Draws by weight, independently for every graph:
    the output of each step and its gradient with respect to the model's parameters are unbiased estimates of
    those of the full frame. The gradient with respect to the input is biased where the weights depend on the
    input, as in :class:`~fa_pyg.WeightedPCAFrame`: compute forces from all frames.

    Args:
        frame: the frame to draw from.
        k: frames a graph in training.
        eval_k: frames a graph in evaluation; default all.
        generator: for reproducible draws; default torch's global one.

    Raises:
        ValueError: if ``frame`` is not a frame, or k or eval_k is not a positive integer.

    Not guaranteed: equivariance of one call in training, or of any call with ``eval_k``.
    """

    is_random = True

    def __init__(
        self, frame: Frame, k: int = 1, eval_k: int | None = None, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(_frame("frame", frame).group)
        self.frame = frame
        self.k = checks.integer("k", k)
        self.eval_k = checks.integer("eval_k", eval_k, optional=True)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    @property
    def inner(self) -> Frame:
        return self.frame

    def build(self, seen: Cloud | Graphs) -> FrameSet:
        frames = self.frame.build(seen)
        k = self.k if self.training else self.eval_k
        return frames if k is None else frames.sample(k, self.generator)

    def extra_repr(self) -> str:
        return f"k={self.k}, eval_k={'all' if self.eval_k is None else self.eval_k}"


class PerMode(WrappedFrame):
    """One frame in training, another in evaluation.

    Args:
        train: the frame of ``module.train()``.
        eval: the frame of ``module.eval()``; of the same group.

    Raises:
        ValueError: if their groups differ, or one is not a frame.
    """

    def __init__(self, train: Frame, eval: Frame) -> None:  # the fixed public name of the argument
        super().__init__(_frame("eval", eval).group)
        _frame("train", train)
        if train.group != eval.group:
            raise ValueError(f"train and eval: expected one group, found {train.group} and {eval.group}")
        self.in_training = train
        self.in_evaluation = eval

    @computed
    def is_random(self) -> bool:
        return self.in_training.is_random

    @property
    def inner(self) -> Frame:
        return self.in_training if self.training else self.in_evaluation

    def build(self, seen: Cloud | Graphs) -> FrameSet:
        return self.inner.build(seen)

    def extra_repr(self) -> str:
        return ""


def _frame(name: str, value: Frame) -> Frame:
    return checks.instance(name, value, Frame, 'a frame such as PCAFrame("E(3)")')
