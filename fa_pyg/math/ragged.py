"""Entries of ragged bodies: their index within the body."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["index_within_body"]


def index_within_body(body: Tensor, counts: Tensor, by_body: Tensor | None = None) -> Tensor:
    """For each entry, how many entries before it belong to the same body; ``by_body``: their stable order."""
    by_body = torch.argsort(body, stable=True) if by_body is None else by_body
    start = counts.cumsum(0) - counts
    place = torch.arange(len(body), device=body.device)
    return torch.empty_like(body).scatter_(0, by_body, place - start[body[by_body]])
