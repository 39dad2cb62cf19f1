"""Haar samples: group averaging over random motions."""

from __future__ import annotations

import torch

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import Frames
from fa_pyg.groups import GroupLike
from fa_pyg.typed import computed

__all__ = ["HaarFrame"]


class HaarFrame(MotionFrame):
    r"""Group averaging over k Haar (uniform) random motions per graph.

    .. math:: \langle\Phi\rangle(x) \approx \frac1k \sum_{i=1}^k \rho(g_i) \Phi(\rho(g_i)^{-1} x),
              \qquad g_i \sim \mathrm{Haar}(G)

    Translations, whose group does not have a uniform probability measure, are removed exactly by the
    centroid. With ``k=1`` in training this is data augmentation by random motions (combine with
    :class:`~fa_pyg.PerMode`). Elements of a finite group are drawn with equal probability; use
    :class:`~fa_pyg.builders.group.GroupFrame` to average over all elements exactly.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``, or a finite one: ``"Oh"``.
        k: samples per graph and call.
        generator: for reproducible draws; default the global generator of torch.

    Not guaranteed: equivariance of a single call. It holds in expectation; the error falls as 1 / sqrt(k).
    """

    def __init__(self, group: GroupLike, k: int = 1, generator: torch.Generator | None = None) -> None:
        super().__init__(group)
        self.k = checks.integer("k", k)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    @computed
    def is_random(self) -> bool:
        return self.group.rotates

    def build(self, cloud: Cloud) -> Frames:
        n, dim = self.k * cloud.size, self.group.dim
        rotation = self.group.haar(n, self.generator, cloud.device, cloud.dtype)
        return Frames.uniform(
            rotation.reshape(self.k, cloud.size, dim, dim), cloud.origin(self.group), cloud.batch, exact=-1
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, k={self.k}"
