"""The simplest baseline: straight on, at a learned pace."""

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    r"""Straight on for a learned time, the baseline *Linear* of "E(n) Equivariant Graph Neural Networks"
    (Satorras et al. 2021). One weight; equivariant to all of E(d).

    .. math:: y_i = x_i + a v_i

    Shapes: ``pos, vel [N, d]``; returns ``[N, d]``. The other arguments are not used; they are taken so that
    all models of the benchmark are called alike.
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
