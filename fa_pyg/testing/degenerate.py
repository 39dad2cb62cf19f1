"""Random degenerate clouds, as starting points of lines: otherwise generic, or symmetric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from torch import Generator, Tensor

from fa_pyg.testing.catalogue import NamedCloud, catalogue

__all__ = ["LINES"]

# Draws a cloud [N, d] of spread 1 with its weighted centroid in the origin, and its colors or None.
Start = Callable[[Generator], "tuple[Tensor, Tensor | None]"]


def _normal(generator: Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _colors(generator: Generator, n: int) -> Tensor:
    return torch.randint(1, 10, (n,), generator=generator)


def _spread_one(x: Tensor) -> Tensor:
    return x / x.pow(2).sum(1).mean().sqrt()


def _rotated(x: Tensor, generator: Generator) -> Tensor:
    """Rotate to general position."""
    return _spread_one(x @ torch.linalg.qr(_normal(generator, x.size(1), x.size(1)))[0])


def _spectrum(
    values: Sequence[float], generator: Generator, colored: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Generic cloud whose covariance, weighted by colors, has eigenvalues in these proportions."""
    x, z = _normal(generator, 8, len(values)), _colors(generator, 8) if colored else None
    root = (torch.ones(8) if z is None else z).to(x.dtype).sqrt().unsqueeze(1)
    white = torch.linalg.qr(torch.cat([root, root * x], 1))[0][:, 1:]  # orthonormal, and centered
    return _rotated(white / root * torch.tensor(values, dtype=x.dtype).sqrt(), generator), z


def _mirrored(dim: int, generator: Generator, colored: bool = False) -> tuple[Tensor, Tensor | None]:
    """Generic cloud and its mirror image: odd moments across the mirror vanish."""
    half = _normal(generator, 4, dim) * torch.linspace(1, 2, dim, dtype=torch.float64)
    flip = torch.ones(dim, dtype=half.dtype)
    flip[int(torch.randint(dim, (1,), generator=generator))] = -1
    z = _colors(generator, 4).repeat(2)
    weight = (z if colored else torch.ones(8)).to(half.dtype).unsqueeze(1)
    x = torch.cat([half, half * flip])
    return _rotated(x - (weight * x).sum(0) / weight.sum(), generator), z if colored else None


def _balanced(dim: int, generator: Generator) -> tuple[Tensor, None]:
    """Asymmetric cloud whose third moment along a principal axis is 0."""
    line = torch.tensor([-1.5, -0.9, -0.4, 0.0, 0.4, 0.9, 1.5], dtype=torch.float64).unsqueeze(1)
    rest = torch.cat([torch.ones_like(line), line, _normal(generator, len(line), dim - 1)], 1)
    rest = torch.linalg.qr(rest)[0][:, 2:] * torch.linspace(1.2, 3, dim - 1, dtype=torch.float64)
    return _rotated(torch.cat([line, rest], 1), generator), None


@lru_cache
def _symmetric_clouds(dim: int, kinds: tuple[str, ...], straight: bool) -> tuple[NamedCloud, ...]:
    """Symmetric clouds of the catalogue, either linear or not."""
    rank = [(cloud, torch.linalg.matrix_rank(cloud.pos, atol=1e-6)) for cloud in catalogue(dim, kinds)]
    some = (c for c, r in rank if (r == 1) == straight and r and 3 <= len(c.pos) < 40)
    return tuple(c for c in some if c.order is not None and c.order > 1)


def _symmetric(
    dim: int, kinds: tuple[str, ...], straight: bool, generator: Generator
) -> tuple[Tensor, Tensor | None]:
    clouds = _symmetric_clouds(dim, kinds, straight)
    cloud = clouds[int(torch.randint(len(clouds), (1,), generator=generator))]
    weight = torch.ones(len(cloud.pos)) if cloud.z is None else cloud.z
    weight = (weight / weight.sum()).to(cloud.pos.dtype)
    return _rotated(cloud.pos - weight @ cloud.pos, generator), cloud.z


LINES: dict[int, dict[str, Start]] = {
    2: {
        "equal eigenvalues": partial(_spectrum, (1, 1)),
        "equal eigenvalues, colored": partial(_spectrum, (1, 1), colored=True),
        "symmetric": partial(_symmetric, 2, ("polygons",), False),
        "straight": partial(_spectrum, (1, 0)),
        "straight molecule": partial(_symmetric, 2, ("lines",), True),
        "mirror": partial(_mirrored, 2),
        "mirror, colored": partial(_mirrored, 2, colored=True),
        "odd moment": partial(_balanced, 2),
    },
    3: {
        "small eigenvalues equal": partial(_spectrum, (1, 1, 2.5)),
        "large eigenvalues equal": partial(_spectrum, (1, 2.5, 2.5)),
        "eigenvalues equal": partial(_spectrum, (1, 1, 1)),
        "eigenvalues equal, colored": partial(_spectrum, (1, 1, 1), colored=True),
        "symmetric": partial(_symmetric, 3, ("prisms", "solids", "colored", "chiral"), False),
        "symmetric molecule": partial(_symmetric, 3, ("molecules",), False),
        "plane": partial(_spectrum, (1, 2, 0)),
        "plane of equal eigenvalues": partial(_spectrum, (1, 1, 0)),
        "straight": partial(_spectrum, (1, 0, 0)),
        "straight molecule": partial(_symmetric, 3, ("lines",), True),
        "mirror": partial(_mirrored, 3),
        "mirror, colored": partial(_mirrored, 3, colored=True),
        "odd moment": partial(_balanced, 3),
    },
}
"""Lines of clouds through degenerate ones, by dimension and name; see :func:`~fa_pyg.testing.lines`."""
