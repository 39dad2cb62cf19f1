"""Catalogue of degenerate point clouds, on which frames may fail, with their point groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.renamed import renamed
from fa_pyg.testing import clouds
from fa_pyg.testing.molecules import Entry, g2, molecules

__all__ = ["KINDS", "NamedCloud", "catalogue", "checked_kinds", "modified", "modifiers"]


class NamedCloud(NamedTuple):
    """Cloud, its colors (atomic numbers) or None, and the order of its stabilizer in O(d) and in SO(d).

    The orders are ``inf`` for points and (d = 3) lines, and None for nearly symmetric clouds, whose
    stabilizer depends on a tolerance.
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
    "colored": clouds.colored,
    "chiral": clouds.chiral,
}
KINDS: dict[int, dict[str, Callable[[], Iterable[Entry]]]] = {
    2: {kind: partial(make, 2) for kind, make in _FLAT.items()},
    3: {**_SOLID, **{kind: partial(make, 3) for kind, make in _FLAT.items()}},
}
"""Kinds of clouds in each dimension."""


def catalogue(dim: int = 3, kinds: Sequence[str] | None = None) -> Iterator[NamedCloud]:
    """Yield degenerate clouds ``[N, d]`` in float64, symmetric up to rounding, near the origin in ångström.

    Symmetric, planar, linear and coincident clouds, chiral clouds with isotropic covariance, and nearly
    degenerate ones: eigenvalues of the covariance coincide, moments vanish, or directions are undefined.

    Some have no colors, ``z=None``. Models that need atomic numbers may use equal ones:
    ``z = torch.ones(len(pos), dtype=torch.long) if z is None else z``.

    Args:
        dim: 2 or 3.
        kinds: some of ``fa_pyg.testing.catalogue.KINDS``; default all. ``"g2"``, the molecules of
            the G2 set, needs ASE.

    Raises:
        ValueError: for another dimension, and unknown kinds.
    """
    if not checks.is_integer(dim, 2, 3):
        checks.refuse("dim", "2 or 3", dim)
    for kind in checked_kinds(kinds, KINDS[dim]):
        yield from (NamedCloud(*entry) for entry in KINDS[dim][kind]())


def checked_kinds(kinds: Sequence[str] | None, options: Iterable[str]) -> list[str]:
    """Return some of the options, default all; "coloured" may be written for "colored".

    Raises:
        ValueError: for other kinds.
    """
    if isinstance(kinds, Sequence) and not isinstance(kinds, str):
        kinds = [kind.replace("coloured", "colored") if isinstance(kind, str) else kind for kind in kinds]
    return checks.some_of("kinds", kinds, options) or list(options)


@renamed(coloured="colored")
def modified(cloud: NamedCloud, offset: float = 0.0, scale: float = 1.0, colored: bool = True) -> NamedCloud:
    """Scale a cloud, translate it by ``offset`` ångström off all axes, or remove its colors.

    Raises:
        ValueError: for arguments of other types.

    Not guaranteed: symmetry beyond the rounding of the coordinates, ``offset`` times 1e-16.
    """
    checks.instance("cloud", cloud, NamedCloud, "a NamedCloud")
    checks.number("offset", offset)
    checks.number("scale", scale)
    checks.flag("colored", colored)
    direction = torch.tensor([0.48, -0.64, 0.6], dtype=torch.float64)[: cloud.pos.size(1)]
    words = [f"scale {scale:g}"] * (scale != 1) + [f"offset {offset:g}"] * (offset != 0)
    z, plain = cloud.z, not colored and cloud.z is not None
    name = ", ".join([cloud.name, *words, *(["without colors"] * plain)])
    order = (
        (None, None) if plain else (cloud.order, cloud.rotations)
    )  # without colors the group may be larger
    return NamedCloud(name, None if plain else z, scale * cloud.pos + offset * direction, *order)


def modifiers() -> list[dict]:
    """List arguments of :func:`modified`: unchanged, far away, tiny, huge, without colors."""
    far = [{"offset": 1e3}, {"offset": 1e6}]
    return [{}, *far, {"scale": 1e-6}, {"scale": 1e6}, {"colored": False}]
