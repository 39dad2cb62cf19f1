"""The degenerate catalogue: clouds on which frames go wrong, each of a known point group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.testing import clouds
from fa_pyg.testing.molecules import Entry, g2, molecules

__all__ = ["KINDS", "NamedCloud", "catalogue", "modified", "modifiers"]


class NamedCloud(NamedTuple):
    """A cloud, its colours (atomic numbers) or None, and the size of its stabiliser in O(d) and in SO(d).

    The sizes are ``inf`` for points and (d = 3) lines, and None where the cloud is only nearly symmetric:
    which motions fix it is then a question of tolerance.
    """

    name: str
    z: Tensor | None
    pos: Tensor
    order: float | None
    rotations: float | None


_FLAT = {
    "coincident": clouds.coincident,
    "lines": clouds.lines,
    "polygons": clouds.polygons,
    "planes": clouds.flat,
    "nearly": clouds.nearly,
}
_SOLID = {
    "g2": g2,
    "molecules": molecules,
    "prisms": clouds.prisms,
    "solids": clouds.solids,
    "coloured": clouds.coloured,
    "chiral": clouds.chiral,
}
# What there is in each dimension.
KINDS: dict[int, dict[str, Callable[[], Iterable[Entry]]]] = {
    2: {kind: partial(make, 2) for kind, make in _FLAT.items()},
    3: _SOLID | {kind: partial(make, 3) for kind, make in _FLAT.items()},
}


def catalogue(dim: int = 3, kinds: Sequence[str] | None = None) -> Iterator[NamedCloud]:
    """Yields degenerate clouds ``[N, d]`` in float64, symmetric to rounding, about the origin in ångström.

    Symmetric, planar, linear and coincident ones, chiral ones whose covariance is isotropic, and some that
    are only nearly so: where eigenvalues of a covariance coincide, a moment vanishes or a direction is open.

    Some have no colours: their ``z`` is None. For a model that needs atomic numbers let all be alike:
    ``z = torch.ones(len(pos), dtype=torch.long) if z is None else z``.

    Args:
        dim: 2 or 3.
        kinds: some of :data:`KINDS`; default all. ``"g2"``, the molecules of the G2 set, needs ASE.

    Raises:
        ValueError: for a kind that there is not in this dimension.
    """
    if not checks.is_integer(dim, 2, 3):
        checks.refuse("dim", "2 or 3", dim)
    checks.some_of("kinds", kinds, KINDS[dim])
    for kind in kinds or KINDS[dim]:
        yield from (NamedCloud(*entry) for entry in KINDS[dim][kind]())


def modified(cloud: NamedCloud, offset: float = 0.0, scale: float = 1.0, coloured: bool = True) -> NamedCloud:
    """Returns ``scale * pos``, moved by ``offset`` ångström in a direction off all axes; or without colours.

    Not guaranteed: symmetry beyond the rounding of the moved coordinates, ``offset`` times 1e-16.
    """
    checks.instance("cloud", cloud, NamedCloud, "a NamedCloud")
    checks.number("offset", offset)
    checks.number("scale", scale)
    checks.flag("coloured", coloured)
    direction = torch.tensor([0.48, -0.64, 0.6], dtype=torch.float64)[: cloud.pos.size(1)]
    words = [f"scale {scale:g}"] * (scale != 1) + [f"offset {offset:g}"] * (offset != 0)
    z, plain = cloud.z, not coloured and cloud.z is not None
    name = ", ".join([cloud.name, *words, *(["without colours"] * plain)])
    order = (None, None) if plain else (cloud.order, cloud.rotations)  # colours are lost: the group may grow
    return NamedCloud(name, None if plain else z, scale * cloud.pos + offset * direction, *order)


def modifiers() -> list[dict]:
    """The arguments of :func:`modified` to try: as it is, far away, tiny, huge, without colours."""
    far = [{"offset": 1e3}, {"offset": 1e6}]
    return [{}, *far, {"scale": 1e-6}, {"scale": 1e6}, {"coloured": False}]
