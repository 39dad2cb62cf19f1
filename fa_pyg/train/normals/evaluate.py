"""Evaluation of models on point clouds: errors by kind of surface, equivariance."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.runs import KINDS
from fa_pyg.train.tasks.clouds import Clouds, rotations
from fa_pyg.train.tasks.normals import angles

__all__ = ["equivariance", "predictions", "scores", "turned"]

MOVED = 64  # clouds that equivariance is measured on


@torch.no_grad()
def predictions(module: FitModule, clouds: Clouds, batch_size: int = 32) -> Tensor:
    """Return the predictions of a model in evaluation mode: normals ``[N, 3]``, or logits ``[B, C]``."""
    module.eval()
    parts = torch.arange(len(clouds)).split(batch_size)
    return torch.cat([module(clouds.select(ids).to(module.device).batch()).cpu() for ids in parts])


def scores(predicted: Tensor, clouds: Clouds, task: str) -> dict[str, float]:
    """Return loss and score of predictions, and the angle on each kind of surface (nan for classes)."""
    if task == "classes":
        loss, right = cross_entropy(predicted, clouds.y), (predicted.argmax(1) == clouds.y).double().mean()
        return {"loss": float(loss), "score": float(right), **dict.fromkeys(KINDS, math.nan)}
    normal, kinds = clouds.normal.flatten(0, 1), clouds.surface.flatten()
    angle = angles(predicted, normal).double()
    loss = 1 - (predicted * normal).sum(1).double().square().mean()
    of_clouds = angle.view(len(clouds), -1).square().mean(1).sqrt()
    by_kind = {name: _rms(angle[kinds == i]) for i, name in enumerate(KINDS)}
    return {"loss": float(loss.clamp(min=0)), "score": float(of_clouds.mean()), **by_kind}


def equivariance(module: FitModule, clouds: Clouds, task: str) -> tuple[float, float]:
    """Return how far a model is from equivariance under random rotations of the first clouds, in float32.

    Returns:
        For normals the root mean square and the median of the angle in degrees between f(gx) and g f(x); for
        classes the largest and the median deviation of the logits of a cloud, relative to its largest logit.
    """
    some = clouds.select(torch.arange(min(MOVED, len(clouds))))
    rotation = rotations("SO(3)", len(some), torch.Generator().manual_seed(0))
    still, moved = predictions(module, some), predictions(module, turned(some, rotation))
    if task == "classes":
        error = (moved - still).abs().amax(1) / still.abs().amax(1).clamp(min=1e-12)
        return float(error.max()), float(error.median())
    still = (still.view(len(some), -1, 3) @ rotation.mT).flatten(0, 1)
    error = angles(moved, still)
    return _rms(error.double()), float(error.median())


def turned(clouds: Clouds, rotation: Tensor) -> Clouds:
    """Return clouds rotated by matrices ``[B, 3, 3]``."""
    turn = rotation.to(clouds.pos).mT
    return Clouds(clouds.pos @ turn, clouds.normal @ turn, clouds.surface, clouds.y)


def _rms(angle: Tensor) -> float:
    return float(angle.square().mean().sqrt()) if len(angle) else math.nan
