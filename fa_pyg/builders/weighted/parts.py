"""Bodies of a batch by what has to be decided about their frames."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.weighted.blend import Blend, Gaps
from fa_pyg.typed import integers

__all__ = ["Parts"]


@dataclass(frozen=True)
class Parts:
    """Bodies by what has to be decided: a single synchronization with the device.

    Args:
        decided: bodies whose only frame (in all signs, or in chosen ones) are their principal axes.
        mixed: bodies with good axes, in several signs or orders, or with NaN.
        symmetric: bodies whose principal axes do not suffice.
        is_free: whether a body has frames without a good axis.
        is_unbounded: whether a body is, at least nearly, a line or a point.
    """

    decided: Tensor
    mixed: Tensor
    symmetric: Tensor
    is_free: bool
    is_unbounded: bool

    @classmethod
    def of(cls, decided: Tensor, gaps: Gaps) -> Parts:
        """Return the parts of bodies, of which some have a single sign or order if their axes are good."""
        decided, blended = gaps.clear & decided, gaps.blended
        kind = 1 - decided.long() + blended.long()
        kinds = torch.stack([decided, kind == 1, blended, gaps.free, gaps.unbounded])
        *counts, free, unbounded = integers(kinds.sum(1))
        order = kind.argsort(stable=True)
        decided, mixed, symmetric = torch.split(order, counts)
        return cls(decided, mixed, symmetric, free > 0, unbounded > 0)

    @property
    def are_decided(self) -> bool:
        return not len(self.mixed) and not len(self.symmetric)

    def undecided(self, blend: Blend) -> tuple[Tensor, Tensor]:
        """The other bodies, and the shares of their principal axes, given the blend of the symmetric."""
        share = torch.cat([blend.generic.new_ones(len(self.mixed)), blend.generic])
        return torch.cat([self.mixed, self.symmetric]), share
