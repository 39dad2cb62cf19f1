"""Points of mechanical parts with exact normals, for normal estimation and classification."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch

from fa_pyg import checks
from fa_pyg.datasets.clouds.cad_parts import Part, read_index, read_parts, spec
from fa_pyg.datasets.clouds.cad_splits import SPLITTINGS, split_of
from fa_pyg.datasets.clouds.pools import Pools, stamp
from fa_pyg.datasets.splits import PARTS
from fa_pyg.files.tensors import Tensors, cached

__all__ = ["SHIPPED", "CADNormals"]

PACKAGE = Path(__file__).resolve().parents[2]
SHIPPED = PACKAGE / "shipped_parts"  # of a wheel
if not SHIPPED.is_dir():
    SHIPPED = PACKAGE.parent / "data" / "cad"  # of a checkout


class CADNormals(Pools):
    """Point clouds of mechanical parts, with the exact normals of their CAD surfaces.

    Each access draws ``num_points`` of the points that are stored of a part, without repetition.

    **Card.** Source: built by ``fa-pyg build parts`` from the tables of ``bd_warehouse`` (Apache-2.0;
    fasteners, bearings, gears, flanges, ... of ISO, DIN and ASME) and from random parameters (extrusions,
    revolutions, booleans, lofts, sweeps). Solids: the Open CASCADE kernel by ``build123d`` (Apache-2.0).
    Sampling: uniform by area, up to the triangles that faces are divided into; points and normals are those
    of the exact surfaces, in float32. Size: 100 KB a part of 4096 points, about 0.3 s to build. Not
    comparable with figures for ABC, which has other parts and the normals of triangles. Limits: some 80
    families; threads are plain cylinders; random parts have no function.

    Args:
        root: folder of built parts; a cache is written to its folder ``processed``.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all.
        num_points: points of a cloud, at most those stored (4096, of shipped parts 1024).
        splitting: ``"family"`` keeps families whole, so that no test part is a resized training part;
            ``"random"`` takes 80, 10 and 10 % of the parts of all families. Adding parts moves none.
        num_parts: only the first so many parts of the split, evenly over its families; None: all.
        fresh: draw other points at each access (by the global generator of torch); False: always the first
            ones. None: True for training parts.
        shipped: the few dozen parts that come with fa_pyg; ``root`` is ignored, nothing is written.
        transform: called on each ``Data`` at access.

    Attributes:
        families: all names of families in ``root``, in alphabetical order; ``y`` is an index into it.
        surfaces: the kinds of surface; ``surface`` is an index into it.
        names: of the parts of the split.

    A slice is a data set of its parts, with all families. The cache is made again when files change.

    Shapes: ``pos [n, 3]`` (mm, float32), ``normal [n, 3]`` (unit, outward), ``surface [n]`` (int64),
    ``y [1]``.

    Raises:
        ValueError: for arguments out of range; where ``root`` holds no parts, with the command that builds
            them; and for files that are missing, damaged or something else, by name.

    Not guaranteed: that ``y`` is the same for folders with other families; that clouds are centered or of one
    size (see ``NormalizeCloud``); the same parts from other versions of the kernel.
    """

    of_parts = (*Pools.of_parts, "parts")

    def __init__(
        self,
        root: str | os.PathLike | None = None,
        split: str | None = "train",
        *,
        num_points: int = 512,
        splitting: str = "family",
        num_parts: int | None = None,
        fresh: bool | None = None,
        shipped: bool = False,
        transform: Callable | None = None,
    ) -> None:
        checks.instance("root", root, (str, os.PathLike), "a path", optional=checks.flag("shipped", shipped))
        checks.one_of("split", split, PARTS, optional=True)
        checks.one_of("splitting", splitting, SPLITTINGS)
        checks.integer("num_parts", num_parts, optional=True)
        checks.flag("fresh", fresh, optional=True)
        checks.function("transform", transform, optional=True)
        super().__init__(None, transform)
        if shipped and not SHIPPED.is_dir():
            raise ValueError(f"shipped: expected the parts that come with fa_pyg, found no {SHIPPED}")
        folder = SHIPPED if shipped or root is None else Path(root)
        parts, points = read_index(folder)
        self.num_points = checks.integer("num_points", num_points, 1, points)
        self.fresh = split == "train" if fresh is None else fresh
        self.families = sorted({part.family for part in parts})
        self.parts = [p for p in parts if split in (None, split_of(p.family, p.index, splitting))]
        if not self.parts:
            raise ValueError(f"split: expected parts for {split!r}, found none in {folder}: build more")
        tensors = read_parts(self.parts, points) if shipped else _cached(folder, self.parts, points)
        self.parts = self.parts[:num_parts]
        self.pos, self.normal, self.surface = (
            tensors[key][:num_parts] for key in ("pos", "normal", "surface")
        )
        numbers = {family: number for number, family in enumerate(self.families)}
        self.y = torch.tensor([numbers[part.family] for part in self.parts])

    @property
    def names(self) -> list[str]:
        """Names of the parts."""
        return [part.name for part in self.parts]


def _cached(root: Path, parts: list[Part], points: int) -> Tensors:
    """Return the points of parts from one file, written at the first use: thousands are slow to open."""
    content = "\n".join(f"{part.name} {part.about.get('area')} {stamp(part.path)}" for part in parts)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    path = root / "processed" / f"parts{len(parts)}x{points}_{digest}.pt"
    return cached(str(path), spec(len(parts), points), lambda: read_parts(parts, points))
