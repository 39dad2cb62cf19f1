"""Random clouds of parts: fresh points, noise, uneven density, rotation, scale; many at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch_geometric.data import Batch

from fa_pyg import checks
from fa_pyg.groups import Group

__all__ = ["REGIMES", "Clouds", "Draw", "draw", "rotations"]

REGIMES = ("I", "z", "SO(3)", "O(3)")  # of rotations


@dataclass(frozen=True)
class Draw:
    r"""Settings of the draw of a cloud from the stored points of a part.

    The order is that of a scan and its preparation: points, noise, normalization (as by
    :class:`~fa_pyg.transforms.NormalizeCloud`), rotation, scale. A scale before the normalization would have
    no effect.

    Args:
        num_points: of a cloud, without repetition.
        rotation: ``"I"`` none, ``"z"`` about the third axis, ``"SO(3)"``, ``"O(3)"`` with reflections;
            uniform, another one at each draw, of positions and normals together.
        scale: range of a factor, uniform.
        noise: standard deviation of normal noise of the coordinates, in units of the root mean square radius.
        density: a of the density of points, proportional to :math:`\exp(-a\,x \cdot u)` along a random
            direction u, with x in units of the root mean square radius; 0 is even.

    Raises:
        ValueError: for values out of range.
    """

    num_points: int = 512
    rotation: str = "I"
    scale: tuple[float, float] = (1.0, 1.0)
    noise: float = 0.0
    density: float = 0.0

    def __post_init__(self) -> None:
        checks.integer("num_points", self.num_points)
        checks.one_of("rotation", self.rotation, REGIMES)
        checks.number("noise", self.noise, least=0)
        checks.number("density", self.density, least=0)
        if len(self.scale) != 2:
            checks.refuse("scale", "a pair, the least and the largest factor", self.scale)
        checks.number("scale", self.scale[0], above=0)
        checks.number("scale", self.scale[1], least=self.scale[0])


@dataclass(frozen=True)
class Clouds:
    """Clouds, or parts that clouds are drawn from, of equally many points.

    Shapes:
        pos, normal ``[B, n, 3]``, surface ``[B, n]``, y ``[B]``.
    """

    pos: Tensor
    normal: Tensor
    surface: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.pos)

    def select(self, ids: Tensor) -> Clouds:
        """Return some of the clouds."""
        return self._map(lambda tensor: tensor[ids.to(tensor.device)])

    def to(self, device: torch.device | str | None) -> Clouds:
        """Return the clouds on a device."""
        return self._map(lambda tensor: tensor.to(device))

    def batch(self) -> Batch:
        """Return the clouds as a PyG batch."""
        size, points = self.pos.shape[:2]
        ptr = torch.arange(0, (size + 1) * points, points, device=self.pos.device)
        batch = torch.arange(size, device=self.pos.device).repeat_interleave(points)
        values = {name: getattr(self, name).flatten(0, 1) for name in ("pos", "normal", "surface")}
        found = Batch(**values, y=self.y, batch=batch, ptr=ptr)
        found._num_graphs = size
        return found

    @classmethod
    def joined(cls, parts: Sequence[Clouds]) -> Clouds:
        """Return all clouds of some."""
        return cls(*(torch.cat([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Clouds:
        return Clouds(*(function(getattr(self, one.name)) for one in fields(self)))


def draw(parts: Clouds, ids: Tensor, how: Draw, generator: torch.Generator | None = None) -> Clouds:
    """Return random clouds of parts.

    Args:
        parts: the stored points of all parts, at least as many as in a cloud.
        ids: of the parts, ``[B]``.
        how: the settings.
        generator: of the random numbers; default that of the device.
    """
    ids = ids.to(parts.pos.device)
    index = ids.unsqueeze(1), _points(parts, ids, how, generator)
    pos, normal = parts.pos[index], parts.normal[index]
    if how.noise:
        radius = _centered(pos).square().sum(2).mean(1).sqrt()
        pos = pos + how.noise * radius.view(-1, 1, 1) * _random(torch.randn, pos.shape, pos, generator)
    pos = _normalized(pos)
    if how.rotation != "I":
        turn = rotations(how.rotation, len(ids), generator, pos.device).mT
        pos, normal = pos @ turn, normal @ turn
    least, most = how.scale
    if least != 1 or most != 1:
        pos = pos * (least + (most - least) * _random(torch.rand, (len(ids), 1, 1), pos, generator))
    return Clouds(pos, normal, parts.surface[index].long(), parts.y[ids])


def rotations(
    regime: str,
    count: int,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return random rotations ``[count, 3, 3]`` of a regime, uniform."""
    if regime == "z":
        angle = torch.rand(count, generator=generator, device=device) * (2 * math.pi)
        c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
        return torch.stack([c, -s, zero, s, c, zero, zero, zero, one], dim=1).view(-1, 3, 3)
    if regime == "I":
        return torch.eye(3, device=device).expand(count, 3, 3)
    return Group.of(regime).haar(count, generator, device)


def _points(parts: Clouds, ids: Tensor, how: Draw, generator: torch.Generator | None) -> Tensor:
    """Return indices of random points of parts, ``[B, num_points]``: those of the largest random keys."""
    keys = _random(torch.rand, (len(ids), parts.pos.shape[1]), parts.pos, generator)
    if how.density:
        # Log weight + Gumbel noise: a draw without repetition by weights (Efraimidis and Spirakis 2006).
        keys = _log_density(parts.pos[ids], how.density, generator) - torch.log(-torch.log(keys))
    return keys.topk(how.num_points, dim=1, sorted=False).indices


def _log_density(pos: Tensor, slope: float, generator: torch.Generator | None) -> Tensor:
    """Return the logarithm of an uneven density at points ``[B, n]``, up to a constant."""
    along = _random(torch.randn, (len(pos), 3, 1), pos, generator)
    return -slope * (_normalized(pos) @ (along / along.norm(dim=1, keepdim=True))).squeeze(2)


def _centered(pos: Tensor) -> Tensor:
    return pos - pos.mean(1, keepdim=True)


def _normalized(pos: Tensor) -> Tensor:
    """Return clouds ``[B, n, 3]``, centered and divided by their root mean square radius."""
    centered = _centered(pos)
    radius = centered.square().sum(2).mean(1).sqrt()
    return centered / radius.clamp(min=1e-12).view(-1, 1, 1)


def _random(make, shape, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return random numbers, drawn where the generator is."""
    where = like.device if generator is None else generator.device
    return make(shape, generator=generator, device=where, dtype=like.dtype).to(like.device)
