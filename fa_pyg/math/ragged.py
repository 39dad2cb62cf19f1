"""Ragged bodies: the index of each entry within its body."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["index_within_body"]


def index_within_body(body: Tensor, counts: Tensor, by_body: Tensor | None = None) -> Tensor:
    """Count, for each entry, the entries of the same body before it; ``by_body`` is their stable order."""
    by_body = torch.argsort(body, stable=True) if by_body is None else by_body
    start = counts.cumsum(0) - counts
    place = torch.arange(len(body), device=body.device)
    return torch.empty_like(body).scatter_(0, by_body, place - start[body[by_body]])
