"""Candidates: vectors of the input that give directions where principal axes are not well determined."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.weighted.cubics import along, cubes
from fa_pyg.math.columns import columns, sums, take

__all__ = ["Candidates"]


@dataclass(frozen=True)
class Candidates:
    """Vectors that give directions to frames, sorted by body.

    Args:
        x: the vectors, padded to three dimensions, relative to the root mean square in their body: of all
            that is read, or, for a quantity that is not read, of this quantity.
        bonus: the contribution of the weight to the score; -inf for weight 0.
        body: the body of each vector, ascending.
        read: whether the frame reads it; None if it reads all. Other vectors serve lines and points alone:
            elsewhere they are not needed, and frames would jump where they go through 0.
        third: the third moments of each body, which distinguish vectors of equal length (``cubics.py``).

    Shapes:
        x ``[3, n]``, bonus, body and read ``[n]``, third ``[10, B]``.
    """

    x: Tensor
    bonus: Tensor
    body: Tensor
    read: Tensor | None
    third: Tensor

    @property
    def size(self) -> int:
        """The number of bodies."""
        return self.third.size(1)

    @classmethod
    def of(
        cls, cloud: Cloud, origin: Tensor | None, bodies: Tensor | None, point: Tensor, reflects: bool
    ) -> Candidates:
        """Return all declared points and vectors of some bodies; what is read of a point is set to 0.

        Args:
            cloud: the input of the frame.
            origin: the origin of the points.
            bodies: the bodies; None for all of them, whose candidates stay in their order, without a sync.
            point: whether each of these bodies is a point.
            reflects: whether the group has reflections.
        """
        number = None if bodies is None else _positions(bodies, cloud.size)
        vectors: list[tuple[Tensor, Tensor, Tensor, Tensor, bool]] = []
        joint, third = point.new_zeros(1, dtype=cloud.dtype), point.new_zeros(10, 1, dtype=cloud.dtype)
        for quantity in cloud.declared:
            if quantity.rep.rank != 1:
                continue
            x, c, body = _vectors(cloud, quantity, origin, number)
            is_read, pseudo = any(quantity is other for other in cloud.read), quantity.rep.pseudo
            square, bonus, moment = _sums(x, c, body, point.size(0), is_read and not pseudo)
            joint = joint + square if is_read else joint
            third = third if moment is None else third + moment
            signs = (x, -x) if pseudo and reflects else (x,)  # its sign is arbitrary: both are candidates
            vectors += [(signed, square, bonus, body, is_read) for signed in signs]
        joint = joint.masked_fill(point, torch.inf)
        third = third.masked_fill(point, 0)
        found = [
            (x / take(_or_one(joint if own else square).sqrt(), body), bonus, body)
            for x, square, bonus, body, own in vectors
        ]
        x, bonus, owner = (
            parts[0] if len(parts) == 1 else torch.cat(parts, -1) for parts in zip(*found, strict=True)
        )
        read = None
        if not all(own for *_, own in vectors):
            read = torch.cat([torch.full_like(body, own, dtype=torch.bool) for *_, body, own in vectors])
        if bodies is not None:
            order = torch.argsort(owner, stable=True)
            x, bonus, owner = (take(value, order) for value in (x, bonus, owner))
            read = None if read is None else take(read, order)
        return cls(x, bonus, owner, read, third)

    def serve(self, at: Tensor | None, unread: Tensor) -> Tensor:
        """Whether some candidates, or all, serve: those that are read, or for which ``unread`` holds."""
        return torch.ones_like(unread) if self.read is None else take(self.read, at) | unread

    def height(self, at: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores ``[n]`` and directions ``[3, n]`` of some candidates, or of all, as axes."""
        x, bonus, third = take(self.x, at), take(self.bonus, at), take(self.third, take(self.body, at))
        square = (x * x).sum(0)
        none = square == 0
        safe = square.masked_fill(none, 1)
        axis = x / safe.sqrt()
        return safe.log().masked_fill(none, -torch.inf) + bonus + along(third, axis), axis


def _positions(bodies: Tensor, size: int) -> Tensor:
    """The position of each body among some of them; -1 for others."""
    number = bodies.new_full((size,), -1)
    return number.scatter_(0, bodies, torch.arange(len(bodies), device=bodies.device))


def _vectors(
    cloud: Cloud, quantity: Quantity, origin: Tensor | None, number: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The vectors ``[3, n]`` of a quantity, padded by 0, with their weights and the numbers of their bodies.

    Those of bodies of negative number are left out.
    """
    x, index, c = cloud.rows(quantity)
    index = torch.zeros(x.size(0), dtype=torch.long, device=x.device) if index is None else index
    body = index if number is None else number.index_select(0, index)
    if number is not None and len(number) > 1:
        kept = (body >= 0).nonzero().squeeze(1)
        x, body, index = (value.index_select(0, kept) for value in (x, body, index))
        c = None if c is None else c.index_select(0, kept)
    x = columns(x)
    if quantity.rep.affine and origin is not None:
        center = take(origin.mT, index)
        x = x - center
        # What is left of a point at the centroid is rounding, which would be scaled up: set it to 0.
        rounding = (32 * torch.finfo(x.dtype).eps) ** 2 * (center * center).sum(0)
        x = x.masked_fill((x * x).sum(0) <= rounding, 0)
    return x if x.size(0) == 3 else torch.nn.functional.pad(x, (0, 0, 0, 3 - x.size(0))), c, body


def _sums(
    x: Tensor, c: Tensor | None, body: Tensor, size: int, third: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The mean square of the vectors of each body, the bonus of the weight of each, and third moments.

    The third moments ``[10, B]`` are relative to the absolute one; None unless they are asked for.
    """
    square = (x * x).sum(0)
    c = torch.ones_like(square) if c is None else c
    rows = [c, c * c, c * square]
    if third:
        rows.append(rows[-1] * square.masked_fill(square == 0, 1).sqrt())
    rows = torch.stack(rows)
    found = sums(torch.cat([rows, cubes(x) * c]) if third else rows, body, size)
    amount, weight, spread = found[:3]
    amount, none = _or_one(amount), c <= 0
    share = c / (c + take(weight / amount, body))
    bonus = share.masked_fill(none, 1).log().masked_fill(none, -torch.inf)
    return spread / amount, bonus, found[4:] / _or_one(found[3]) if third else None


def _or_one(x: Tensor) -> Tensor:
    return x + (x == 0)
