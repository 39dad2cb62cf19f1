"""The vectors of the input that frames take directions from where its principal axes say little."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.math.linalg import scatter_sum

__all__ = ["Candidates"]

# What lies across a line by less than this share of its size has no direction ...
_ACROSS = 1e-13
# ... and by less than this, one without a derivative: in the average over quarter turns, whose dependence on
# the direction is of fourth order, the true one vanishes, but in numbers it is rounding over a small number.
_FIXED = 1e-4


@dataclass(frozen=True)
class Candidates:
    """The vectors that directions are taken from, body after body.

    Args:
        x: relative to the root mean square, in its body, of all that is read, or of its own quantity where
            that is not read; in three dimensions.
        bonus: what its weight adds to its score; -inf for weight 0.
        body: ascending.
        read: what is not read serves lines and points alone. Elsewhere it is not needed, and its frames
            would jump where it goes through 0.
        third: the third moments of each body's cloud, which tell apart what radii do not.
    """

    x: Tensor
    bonus: Tensor
    body: Tensor
    counts: Tensor
    read: Tensor
    third: Tensor

    @property
    def size(self) -> int:
        return len(self.counts)

    @classmethod
    def of(
        cls, cloud: Cloud, origin: Tensor | None, bodies: Tensor, point: Tensor, reflects: bool
    ) -> Candidates:
        """Return all declared points and vectors of some bodies; of points, what is read is rounding: 0."""
        place = bodies.new_full((cloud.size,), -1)
        place[bodies] = torch.arange(len(bodies), device=bodies.device)
        parts, third, joint = [], 0, 0
        for quantity in cloud.declared:
            if quantity.rep.rank != 1:
                continue
            x, index, weight = cloud.rows(quantity)
            own = place.expand(len(x)) if index is None else place.index_select(0, index)
            kept = (own >= 0).nonzero().squeeze(1)
            x, body = x.index_select(0, kept), own.index_select(0, kept)
            if quantity.rep.affine and origin is not None:
                center = origin.index_select(0, bodies).index_select(0, body)
                x = x - center
                # What is left of a point at its centroid is rounding, which must not be made large.
                rounding = (32 * torch.finfo(x.dtype).eps) ** 2 * (center * center).sum(1, keepdim=True)
                x = torch.where((x * x).sum(1, keepdim=True) <= rounding, 0, x)
            c = x.new_ones(len(x)) if weight is None else weight.index_select(0, kept)
            x = torch.nn.functional.pad(x, (0, 3 - x.size(1)))
            square, bonus = _spread(x, c, body, len(bodies))
            is_read = any(quantity is one for one in cloud.read)
            read = torch.full_like(body, is_read, dtype=torch.bool)
            if is_read:
                joint = joint + square
                third = third if quantity.rep.pseudo else third + _third(x, c, body, len(bodies))
            parts.append((x, square.index_select(0, body), bonus, body, read))
            if quantity.rep.pseudo and reflects:  # its sign is not its own
                parts.append((-x, square.index_select(0, body), bonus, body, read))
        x, square, bonus, body, read = (torch.cat(part) for part in zip(*parts, strict=True))
        joint = torch.where(point, torch.inf, joint)
        square = torch.where(read, joint.index_select(0, body), square)
        x = x / (square + (square == 0)).sqrt().unsqueeze(1)
        order = torch.argsort(body, stable=True)
        counts = torch.bincount(body, minlength=len(bodies))
        third = torch.where(point[:, None, None, None], 0, x.new_zeros(len(bodies), 3, 3, 3) + third)
        x, bonus, body, read = (value.index_select(0, order) for value in (x, bonus, body, read))
        return cls(x, bonus, body, counts, read, third)

    def height(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """Score and direction of some candidates as an axis."""
        x, body = self.x.index_select(0, at), self.body.index_select(0, at)
        square = (x * x).sum(1)
        axis = x / (square + (square == 0)).sqrt().unsqueeze(1)
        third = _turned(self.third.index_select(0, body), axis.unsqueeze(-1)).squeeze(1)
        return square.log() + self.bonus.index_select(0, at) + third, axis

    def across(
        self, a: Tensor, turned: Tensor, oriented: Tensor, at: Tensor, chiral: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores ``[n, hands]`` of candidates across axes a, their direction e and a x e.

        Args:
            a: unit vectors.
            turned: of which axes the frames are averaged over turns: those of lines and points.
            oriented: which axes are told from their opposites; scores for others are the same for both.
            at: the candidates.
            chiral: of each hand, the sign of the pseudoscalars in its score; 0 where mirror images are equal.

        Shapes:
            a ``[n, 3]``, turned, oriented and at ``[n]``, chiral ``[hands]``.
        """
        x = self.x.index_select(0, at)
        height = (x * a).sum(1, keepdim=True)
        p = x - height * a
        fixed = p.detach() - (p.detach() * a).sum(1, keepdim=True) * a  # it turns with the axis, not about it
        p = torch.where((p * p).sum(1, keepdim=True).detach() > _FIXED**2, p, fixed)
        square = (p * p).sum(1, keepdim=True)
        e = p / (square + (square == 0)).sqrt()
        up = torch.linalg.cross(a, e, dim=-1)
        third = self.third.index_select(0, self.body.index_select(0, at))
        third = _turned(third, torch.stack([e, up, a], dim=-1))
        serves = self.read.index_select(0, at) | turned
        apart = (square > _ACROSS**2) & serves.unsqueeze(1)
        side = torch.where(oriented.unsqueeze(1), height / (1 + height * height).sqrt(), 0)
        even = torch.where(apart, square, 1).log() + side
        even = torch.where(apart, even, -torch.inf)
        even = even + (self.bonus.index_select(0, at) + third[:, 0]).unsqueeze(1)
        odd = third[:, [13, 1, 25, 19]].sum(1, keepdim=True)  # uuu, eeu, aau and aeu of (e, u, a)
        # Across a line both hands weigh the same: what they tell apart would depend on its direction at once.
        odd = torch.where((turned | ~oriented).unsqueeze(1), 0, odd)
        return even + odd * chiral, e, up


def _spread(x: Tensor, c: Tensor, body: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The mean square of each body's rows, and the bonus of each row's weight c."""
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


def _turned(third: Tensor, axes: Tensor) -> Tensor:
    """The components of symmetric tensors ``[n, 3, 3, 3]`` along k axes ``[n, 3, k]``: ``[n, k^3]``."""
    for _ in range(3):  # each product turns the first index and puts it last
        third = third.flatten(1).unflatten(1, (3, -1)).transpose(1, 2) @ axes
    return third.flatten(1)
