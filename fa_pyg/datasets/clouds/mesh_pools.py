"""Pools of points of many meshes, sampled once and kept in a cache of several files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.cad import SURFACES
from fa_pyg.datasets.clouds.meshes import sample_mesh
from fa_pyg.datasets.clouds.pools import Pools, stamp
from fa_pyg.datasets.splits import name_hash
from fa_pyg.files.tensors import Tensors, cached

__all__ = ["ON_ERROR", "MeshPools"]

ON_ERROR = ("raise", "skip")
BLOCK = 64  # meshes in a file: what is sampled again after a kill


class MeshPools(Pools):
    """Point clouds drawn from pools of points of meshes: the common part of data sets of meshes.

    Args:
        root: the names of meshes are relative to it; the cache is its folder ``processed``.
        files: the meshes.
        families: names of all classes.
        y: the class of each file.
        num_points, pool, fresh, smooth, repair, on_error, transform: see
            :class:`~fa_pyg.datasets.MeshNormals`.
    """

    of_parts = (*Pools.of_parts, "names")

    def __init__(
        self,
        root: Path,
        files: Sequence[Path],
        families: Sequence[str],
        y: Sequence[int],
        *,
        num_points: int,
        pool: int,
        fresh: bool,
        smooth: bool,
        repair: bool,
        on_error: str,
        transform: Callable | None,
    ) -> None:
        checks.integer("pool", pool)
        checks.integer("num_points", num_points, 1, pool)
        checks.flag("fresh", fresh)
        checks.flag("smooth", smooth)
        checks.flag("repair", repair)
        checks.one_of("on_error", on_error, ON_ERROR)
        checks.function("transform", transform, optional=True)
        super().__init__(None, transform)
        self.num_points, self.fresh = num_points, fresh
        blocks = [files[i : i + BLOCK] for i in range(0, len(files), BLOCK)]
        found = [_block(root, block, pool, smooth, repair, on_error) for block in blocks]
        self.pos, self.normal, is_good = (
            torch.cat([b[key] for b in found]) for key in ("pos", "normal", "good")
        )
        kept = is_good.nonzero().view(-1).tolist()
        if len(kept) < len(files):
            bad = [str(file) for file, good in zip(files, is_good.tolist(), strict=True) if not good]
            warnings.warn(f"skipped {len(bad)} of {len(files)} meshes: {', '.join(bad)}", stacklevel=3)
            self.pos, self.normal = self.pos[kept], self.normal[kept]
        if not kept:
            raise ValueError(f"root: expected meshes, found {len(files)} files of {root} that are not")
        self.surface = torch.full(self.pos.shape[:2], SURFACES.index("other"), dtype=torch.uint8)
        self.names = [files[i].relative_to(root).with_suffix("").as_posix() for i in kept]
        self.families = list(families)
        self.y = torch.tensor([y[i] for i in kept])


def _block(
    root: Path, files: Sequence[Path], pool: int, smooth: bool, repair: bool, on_error: str
) -> Tensors:
    """Return the pools of some meshes, from their file in the cache; ``good`` tells which are meshes."""

    def make() -> Tensors:
        found = [_sampled(file, pool, smooth, repair, on_error) for file in files]
        empty = torch.zeros(pool, 3)
        pos, normal = (torch.stack([empty if one is None else one[i] for one in found]) for i in range(2))
        return {"pos": pos, "normal": normal, "good": torch.tensor([one is not None for one in found])}

    vectors = (torch.float32, (len(files), pool, 3))
    spec = {"pos": vectors, "normal": vectors, "good": (torch.bool, (len(files),))}
    path = root / "processed" / f"meshes_{_digest(root, files, pool, smooth, repair)}.pt"
    found = cached(str(path), spec, make)
    if on_error == "raise":
        for i in (~found["good"]).nonzero().view(-1).tolist():  # the cache of a call that skipped
            sample_mesh(files[i], pool, smooth, repair)
    return found


def _sampled(
    file: Path, pool: int, smooth: bool, repair: bool, on_error: str
) -> tuple[Tensor, Tensor] | None:
    try:
        return sample_mesh(file, pool, smooth, repair)
    except ValueError:
        if on_error == "raise":
            raise
        return None


def _digest(root: Path, files: Sequence[Path], *options: object) -> str:
    """Return a name for all that pools depend on: files, their sizes and times, and options."""
    lines = [f"{file.relative_to(root).as_posix()} {stamp(file)}" for file in files]
    return name_hash("\n".join([*lines, repr(options)])).hex()[:24]
