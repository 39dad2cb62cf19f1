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
        read: whether the frame reads it; None if it reads all. Other vectors serve lines and points alone:
            elsewhere they are not needed, and frames would jump where they go through 0.
        third: the third moments of each body, which distinguish vectors of equal length.
    """

    x: Tensor
    bonus: Tensor
    body: Tensor
    read: Tensor | None
    third: Tensor

    @property
    def size(self) -> int:
        """The number of bodies."""
        return self.third.size(0)

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
        joint, third = point.new_zeros(1, dtype=cloud.dtype), point.new_zeros(1, 3, 3, 3, dtype=cloud.dtype)
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
        third = third.masked_fill(point[:, None, None, None], 0)
        found = [
            (x / _root(joint if own else square).index_select(0, body), bonus, body)
            for x, square, bonus, body, own in vectors
        ]
        x, bonus, owner = found[0] if len(found) == 1 else map(torch.cat, zip(*found, strict=True))
        read = None
        if not all(own for *_, own in vectors):
            read = torch.cat([torch.full_like(body, own, dtype=torch.bool) for *_, body, own in vectors])
        if bodies is not None:
            order = torch.argsort(owner, stable=True)
            x, bonus, owner = (value.index_select(0, order) for value in (x, bonus, owner))
            read = None if read is None else read.index_select(0, order)
        return cls(x, bonus, owner, read, third)

    def serve(self, at: Tensor | None, unread: Tensor, wanted: Tensor) -> Tensor:
        """Those wanted of some candidates that serve: that are read, or for which ``unread`` holds."""
        return wanted if self.read is None else wanted & (_at(self.read, at) | unread)

    def height(self, at: Tensor | None) -> tuple[Tensor, Tensor]:
        """Scores and directions of some candidates, or of all, as axes."""
        x = _at(self.x, at)
        square = _dot(x, x)
        none = square == 0
        safe = square.masked_fill(none, 1)
        axis = x / safe.sqrt().unsqueeze(1)
        third = self.third.index_select(0, _at(self.body, at))
        third = _dot(_contracted(_contracted(third, axis), axis), axis)
        return safe.log().masked_fill(none, -torch.inf) + _at(self.bonus, at) + third, axis

    def across(
        self, a: Tensor, averaged: Tensor, oriented: Tensor, at: Tensor, hands: int, chiral: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores ``[n, hands]`` of candidates across axes a, their direction e across the axis, and a x e.

        Args:
            a: unit vectors.
            averaged: whether frames are averaged over rotations about the axis: for lines and points.
            oriented: whether the axis is distinguished from its opposite; else scores are equal for both.
            at: the candidates.
            hands: 2 for frames and their mirror images, 1 for the former alone.
            chiral: whether scores of mirror images differ.

        Shapes:
            a ``[n, 3]``, averaged, oriented and at ``[n]``.
        """
        x = self.x.index_select(0, at)
        height = _dot(x, a)
        p = x - height.unsqueeze(1) * a
        fixed = p.detach() - _dot(p.detach(), a).unsqueeze(1) * a  # rotates with the axis, not about it
        p = torch.where((_dot(p, p).detach() > _FIXED**2).unsqueeze(1), p, fixed)
        square = _dot(p, p)
        e = p / _root(square)
        up = cross(a, e, dim=-1)
        body = self.body.index_select(0, at)
        of_e = _contracted(self.third.index_select(0, body), e)
        lost = ~self.serve(at, averaged, square > _ACROSS**2)
        side = (height / (1 + height * height).sqrt()).masked_fill(~oriented, 0)
        even = square.masked_fill(lost, 1).log() + side + _dot(_contracted(of_e, e), e)
        even = even.masked_fill(lost, -torch.inf) + self.bonus.index_select(0, at)
        if not chiral:
            return even.unsqueeze(1).expand(-1, hands), e, up
        # With (e, u, a) orthonormal: uuu + eeu + aau + aeu. Across a line both hands have equal weights:
        # others would depend on the orientation of the line.
        traces = self.third.diagonal(dim1=2, dim2=3).sum(-1).index_select(0, body)
        odd = _dot(traces + _contracted(of_e, a), up).masked_fill(averaged | ~oriented, 0)
        return torch.stack([even + odd, even - odd][:hands], dim=1), e, up


def _positions(bodies: Tensor, size: int) -> Tensor:
    """The position of each body among some of them; -1 for others."""
    number = bodies.new_full((size,), -1)
    return number.scatter_(0, bodies, torch.arange(len(bodies), device=bodies.device))


def _vectors(
    cloud: Cloud, quantity: Quantity, origin: Tensor | None, number: Tensor | None
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The vectors of a quantity, padded to 3 dimensions, with their weights and the numbers of their bodies.

    Those of bodies of negative number are left out.
    """
    x, index, c = cloud.rows(quantity)
    index = torch.zeros(x.size(0), dtype=torch.long, device=x.device) if index is None else index
    body = index if number is None else number.index_select(0, index)
    if number is not None and len(number) > 1:
        kept = (body >= 0).nonzero().squeeze(1)
        x, body, index = (value.index_select(0, kept) for value in (x, body, index))
        c = None if c is None else c.index_select(0, kept)
    if quantity.rep.affine and origin is not None:
        center = origin.index_select(0, index)
        x = x - center
        # What is left of a point at the centroid is rounding, which would be scaled up: set it to 0.
        rounding = (32 * torch.finfo(x.dtype).eps) ** 2 * _dot(center, center)
        x = x.masked_fill((_dot(x, x) <= rounding).unsqueeze(1), 0)
    return torch.nn.functional.pad(x, (0, 3 - x.size(1))), c, body


def _sums(
    x: Tensor, c: Tensor | None, body: Tensor, size: int, third: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The mean square of the rows of each body, the bonus of the weight of each row, and third moments.

    The third moments ``[B, 3, 3, 3]`` are relative to the absolute one; None unless they are asked for.
    """
    square = _dot(x, x)
    c = torch.ones_like(square) if c is None else c
    columns = [c, c * c, c * square]
    if third:
        columns.append(columns[-1] * square.masked_fill(square == 0, 1).sqrt())
    columns = torch.stack(columns, 1)
    if third:
        cube = (x.unsqueeze(2) * x.unsqueeze(1)).flatten(1).unsqueeze(2) * (x * c.unsqueeze(1)).unsqueeze(1)
        columns = torch.cat([columns, cube.flatten(1)], 1)
    sums = scatter_sum(columns, body, size)
    amount, weight, spread = sums[:, :3].unbind(1)
    amount, none = _or_one(amount), c <= 0
    share = c / (c + (weight / amount).index_select(0, body))
    bonus = share.masked_fill(none, 1).log().masked_fill(none, -torch.inf)
    moment = (sums[:, 4:] / _or_one(sums[:, 3:4])).view(size, 3, 3, 3) if third else None
    return spread / amount, bonus, moment


def _at(x: Tensor, index: Tensor | None) -> Tensor:
    return x if index is None else x.index_select(0, index)


def _root(square: Tensor) -> Tensor:
    return _or_one(square).sqrt().unsqueeze(1)


def _or_one(x: Tensor) -> Tensor:
    return x + (x == 0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(1)


def _contracted(tensor: Tensor, vector: Tensor) -> Tensor:
    """Symmetric tensors ``[n, 3, ..., 3]`` along vectors ``[n, 3]``: with one axis less."""
    return (tensor * vector.view(-1, *(1,) * (tensor.dim() - 2), 3)).sum(-1)
