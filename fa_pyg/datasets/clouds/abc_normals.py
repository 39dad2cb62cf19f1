"""The ABC data set of CAD models, in the layout of its published benchmark of normals."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fa_pyg import checks
from fa_pyg.datasets.clouds.mesh_pools import MeshPools
from fa_pyg.datasets.clouds.meshes import mesh_files, some_of
from fa_pyg.datasets.clouds.pools import repeated
from fa_pyg.datasets.splits import PARTS, hashed_part

__all__ = ["ABCNormals"]


class ABCNormals(MeshPools):
    """Point clouds of the ABC data set (Koch et al. 2019), with the normals of faces; needs trimesh.

    The layout of its benchmark of normals, which Puny et al. (2022) use: ``root`` is the folder of an
    unpacked archive ``abc_full_10k_v00.zip`` (50k, 100k) with its files ``.obj``, and their published splits
    are ``train.json`` and ``test.json``::

        {"scans": {"all": ["0000250_partstudio_02_model_ste_00_512", ...]}}

    for the file ``0000250_partstudio_02_model_ste_00_512.obj``. Without these two files, 20 % of the meshes
    are for testing, by a hash of their names.

    Args:
        root: folder of meshes, at any depth; the cache is written to its folder ``processed``.
        split: ``"train"``, ``"val"`` (a tenth of the published training meshes, by a hash of their names),
            ``"test"``, or None for all of them.
        splits: folder of ``train.json`` and ``test.json``; None: ``root``.
        num_points: points of a cloud; published: 512.
        pool: points that are drawn of a mesh, of which each access takes some.
        num_parts: only so many meshes of the split, by a hash of their names; None: all.
        fresh: take other points at each access; None: for training meshes.
        on_error: ``"raise"`` or ``"skip"`` for damaged files.
        transform: called on each ``Data`` at access.

    Attributes, shapes and what is not guaranteed are those of :class:`~fa_pyg.datasets.MeshNormals`; there is
    a single family.

    Raises:
        ValueError: for arguments out of range, a folder without meshes, a split file of another form, names
            in it of meshes that are missing, repeated, or in both splits, meshes of the same name, and
            damaged files, by name.
        ImportError: without trimesh.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str | None = "train",
        *,
        splits: str | os.PathLike | None = None,
        num_points: int = 512,
        pool: int = 4096,
        num_parts: int | None = None,
        fresh: bool | None = None,
        on_error: str = "raise",
        transform: Callable | None = None,
    ) -> None:
        root = Path(checks.instance("root", root, (str, os.PathLike), "a path"))
        checks.one_of("split", split, PARTS, optional=True)
        checks.instance("splits", splits, (str, os.PathLike), "a folder", optional=True)
        checks.integer("num_parts", num_parts, optional=True)
        objects = [file for file in mesh_files(root) if file.suffix.lower() == ".obj"]
        files = {file.stem: file for file in objects}
        lists = _lists(files, root if splits is None else Path(splits), splits is not None)
        names = [Path(name) for part in lists for name in lists[part] if split in (None, part)]
        if not names:
            raise ValueError(f"split: expected meshes for {split!r}, found none of {len(files)} in {root}")
        used = {name for part in lists.values() for name in part}
        if twice := repeated(file.stem for file in objects if file.stem in used):
            paths = " and ".join(str(file) for file in objects if file.stem == twice)
            raise ValueError(f"root: expected one mesh of a name, found {paths}")
        chosen = some_of(names, num_parts)
        super().__init__(
            root,
            [files[name.name] for name in chosen],
            ["abc"],
            [0] * len(chosen),
            num_points=num_points,
            pool=pool,
            fresh=split == "train" if fresh is None else fresh,
            smooth=False,
            repair=False,
            on_error=on_error,
            transform=transform,
        )


def _lists(files: dict[str, Path], folder: Path, is_given: bool) -> dict[str, list[str]]:
    """Return the names of meshes for training, validation and testing."""
    paths = {part: folder / f"{part}.json" for part in ("train", "test")}
    if is_given or any(path.exists() for path in paths.values()):
        found = {part: _names(path, files) for part, path in paths.items()}
        if common := sorted({*found["train"]} & {*found["test"]}):
            raise ValueError(f"{paths['test']}: expected other meshes than in train.json, found {common[0]}")
    else:
        is_test = {name: hashed_part(name) != "train" for name in files}  # 20 %
        found = {"train": [n for n in files if not is_test[n]], "test": [n for n in files if is_test[n]]}
    held_out = [name for name in found["train"] if hashed_part(f"val {name}") == "val"]
    return {"train": sorted(set(found["train"]) - set(held_out)), "val": held_out, "test": found["test"]}


def _names(path: Path, files: dict[str, Path]) -> list[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = [name for classes in content.values() for names in classes.values() for name in names]
        names = [PurePosixPath(name).name for name in found]
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f'{path}: expected {{"scans": {{"all": [names]}}}}, found {error!r}') from error
    if twice := repeated(names):
        raise ValueError(f"{path}: expected each mesh once, found {twice} twice")
    if missing := [name for name in names if name not in files]:
        some = ", ".join(missing[:3])
        raise ValueError(
            f"{path}: expected names of meshes, found {len(missing)} without a file: {some}, ..."
        )
    return names
