"""Linear extrapolation, the simplest baseline of n-body benchmarks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Linear"]


class Linear(nn.Module):
    r"""Linear extrapolation for a learned time, the baseline *Linear* of Satorras et al. (2021).

    "E(n) Equivariant Graph Neural Networks". A single weight; equivariant to E(d).

    .. math:: y_i = x_i + a v_i

    Shapes: ``pos, vel [N, d]``; returns ``[N, d]``. The other arguments are ignored: all models of the
    benchmark have the same signature.
    """

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Parameter(torch.ones(()))

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        return pos + self.time * vel
