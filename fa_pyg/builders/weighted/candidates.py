"""Candidates: vectors of the input that give directions where principal axes are not well determined."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.typed import cross

__all__ = ["Candidates"]

# Below this distance from a line, relative to the size, the direction of a point across it is undefined ...
_ACROSS = 1e-13
# ... and below this one it is taken as constant: the average over quarter turns depends on it in fourth order
# only, so that the true derivative vanishes, but the numerical one is rounding divided by a small number.
_FIXED = 1e-4


@dataclass(frozen=True)
class Candidates:
    """Vectors that give directions to frames, sorted by body.

    Args:
        x: the vectors, padded to three dimensions, relative to the root mean square in their body: of all
            that is read, or, for a quantity that is not read, of this quantity.
        bonus: the contribution of the weight to the score; -inf for weight 0.
        body: the body of each vector, ascending.
        counts: the number of vectors of each body.
        read: whether the frame reads it. Other vectors serve lines and points alone: elsewhere they are not
            needed, and frames would jump where they go through 0.
        third: the third moments of each body, which distinguish vectors of equal length.
    """

    x: Tensor
    bonus: Tensor
    body: Tensor
    counts: Tensor
    read: Tensor
    third: Tensor

    @property
    def size(self) -> int:
        """The number of bodies."""
        return len(self.counts)

    @classmethod
    def of(
        cls, cloud: Cloud, origin: Tensor | None, bodies: Tensor, point: Tensor, reflects: bool
    ) -> Candidates:
        """Return all declared points and vectors of some bodies; what is read of a point is set to 0."""
        parts: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []
        joint = torch.zeros(len(bodies), dtype=cloud.dtype, device=cloud.device)
        third = joint.new_zeros(len(bodies), 3, 3, 3)
        for quantity in cloud.declared:
            if quantity.rep.rank != 1:
                continue
            x, c, body = _vectors(cloud, quantity, origin, bodies)
            square, bonus = _spread(x, c, body, len(bodies))
            is_read = any(quantity is other for other in cloud.read)
            if is_read:
                joint = joint + square
                third = third if quantity.rep.pseudo else third + _third(x, c, body, len(bodies))
            read = torch.full_like(body, is_read, dtype=torch.bool)
            shared = square.index_select(0, body), bonus, body, read
            parts.append((x, *shared))
            if quantity.rep.pseudo and reflects:  # its sign is arbitrary: both are candidates
                parts.append((-x, *shared))
        x, square, bonus, body, read = (torch.cat(part) for part in zip(*parts, strict=True))
        joint = torch.where(point, torch.inf, joint)
        square = torch.where(read, joint.index_select(0, body), square)
        x = x / (square + (square == 0)).sqrt().unsqueeze(1)
        order = torch.argsort(body, stable=True)
        counts = torch.bincount(body, minlength=len(bodies))
        third = torch.where(point[:, None, None, None], 0, third)
        x, bonus, body, read = (value.index_select(0, order) for value in (x, bonus, body, read))
        return cls(x, bonus, body, counts, read, third)

    def height(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and directions of some candidates as axes."""
        x, body = self.x.index_select(0, at), self.body.index_select(0, at)
        square = (x * x).sum(1)
        axis = x / (square + (square == 0)).sqrt().unsqueeze(1)
        third = _components(self.third.index_select(0, body), axis.unsqueeze(-1)).squeeze(1)
        return square.log() + self.bonus.index_select(0, at) + third, axis

    def across(
        self, a: Tensor, averaged: Tensor, oriented: Tensor, at: Tensor, chiral: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores ``[n, hands]`` of candidates across axes a, their direction e across the axis, and a x e.

        Args:
            a: unit vectors.
            averaged: whether frames are averaged over rotations about the axis: for lines and points.
            oriented: whether the axis is distinguished from its opposite; else scores are equal for both.
            at: the candidates.
            chiral: the sign of the pseudoscalars in the score of each hand; 0 for equal scores of both hands.

        Shapes:
            a ``[n, 3]``, averaged, oriented and at ``[n]``, chiral ``[hands]``.
        """
        x = self.x.index_select(0, at)
        height = (x * a).sum(1, keepdim=True)
        p = x - height * a
        fixed = p.detach() - (p.detach() * a).sum(1, keepdim=True) * a  # rotates with the axis, not about it
        p = torch.where((p * p).sum(1, keepdim=True).detach() > _FIXED**2, p, fixed)
        square = (p * p).sum(1, keepdim=True)
        e = p / (square + (square == 0)).sqrt()
        up = cross(a, e, dim=-1)
        third = self.third.index_select(0, self.body.index_select(0, at))
        third = _components(third, torch.stack([e, up, a], dim=-1))
        serves = self.read.index_select(0, at) | averaged
        apart = (square > _ACROSS**2) & serves.unsqueeze(1)
        side = torch.where(oriented.unsqueeze(1), height / (1 + height * height).sqrt(), 0)
        even = torch.where(apart, square, 1).log() + side
        even = torch.where(apart, even, -torch.inf)
        even = even + (self.bonus.index_select(0, at) + third[:, 0]).unsqueeze(1)
        odd = third[:, [13, 1, 25, 19]].sum(1, keepdim=True)  # uuu, eeu, aau and aeu of (e, u, a)
        # Across a line both hands have equal weights: others would depend on the orientation of the line.
        odd = torch.where((averaged | ~oriented).unsqueeze(1), 0, odd)
        return even + odd * chiral, e, up


def _vectors(
    cloud: Cloud, quantity: Quantity, origin: Tensor | None, bodies: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The vectors of a quantity in some bodies, padded to 3 dimensions, with their weights and bodies."""
    number = bodies.new_full((cloud.size,), -1)
    number[bodies] = torch.arange(len(bodies), device=bodies.device)
    x, index, weight = cloud.rows(quantity)
    body = number.expand(len(x)) if index is None else number.index_select(0, index)
    kept = (body >= 0).nonzero().squeeze(1)
    x, body = x.index_select(0, kept), body.index_select(0, kept)
    if quantity.rep.affine and origin is not None:
        center = origin.index_select(0, bodies).index_select(0, body)
        x = x - center
        # What is left of a point at the centroid is rounding, which would be scaled up: set it to 0.
        rounding = (32 * torch.finfo(x.dtype).eps) ** 2 * (center * center).sum(1, keepdim=True)
        x = torch.where((x * x).sum(1, keepdim=True) <= rounding, 0, x)
    c = x.new_ones(len(x)) if weight is None else weight.index_select(0, kept)
    return torch.nn.functional.pad(x, (0, 3 - x.size(1))), c, body


def _spread(x: Tensor, c: Tensor, body: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The mean square of the rows of each body, and the bonus of the weight c of each row."""
    count = scatter_sum(torch.stack([c, c * (x * x).sum(1), c * c], 1), body, size)
    square, weight = (count[:, 1:] / (count[:, :1] + (count[:, :1] == 0))).unbind(1)
    share = torch.where(c > 0, c / (c + weight.index_select(0, body)), 1)
    return square, torch.where(c > 0, share.log(), -torch.inf)


def _third(x: Tensor, c: Tensor, body: Tensor, size: int) -> Tensor:
    """The third moments ``[B, 3, 3, 3]`` relative to the absolute one."""
    square = (x * x).sum(1)
    safe = torch.where(square == 0, 1, square)
    norm = torch.where(square == 0, 0, safe * safe.sqrt()).unsqueeze(1)
    cube = (x.unsqueeze(2) * x.unsqueeze(1)).flatten(1).unsqueeze(2) * x.unsqueeze(1)
    total = scatter_sum(torch.cat([cube.flatten(1), norm], dim=1) * c.unsqueeze(1), body, size)
    return (total[:, :-1] / (total[:, -1:] + (total[:, -1:] == 0))).view(-1, 3, 3, 3)


def _components(third: Tensor, axes: Tensor) -> Tensor:
    """The components of symmetric tensors ``[n, 3, 3, 3]`` along k axes ``[n, 3, k]``: ``[n, k^3]``."""
    for _ in range(3):  # each product contracts the first index and appends the new one
        third = torch.unflatten(third.flatten(1), 1, (3, -1)).transpose(1, 2) @ axes
    return third.flatten(1)
