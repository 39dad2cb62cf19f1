"""Reading of folders that ``fa-pyg build parts`` writes: an index, and the points of each part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from fa_pyg import checks
from fa_pyg.cad import SURFACES
from fa_pyg.cad.build import VERSION
from fa_pyg.datasets.clouds.pools import repeated
from fa_pyg.files.checked_json import DamagedFile, read_checked_json
from fa_pyg.files.tensors import Spec, Tensors

__all__ = ["BUILD", "INDEX", "Part", "read_index", "read_parts", "spec"]

INDEX = "index.json"
BUILD = "fa-pyg build parts --root {root} (with build123d and bd_warehouse)"
UNIT = 1e-5  # deviation of the length of a normal; that of float32 is 1e-7
TYPES = {"pos": "<f4", "normal": "<f4", "surface": "|u1"}


class Part(NamedTuple):
    """A part of an index."""

    index: int
    family: str
    name: str
    path: Path
    about: dict[str, Any]


def read_index(root: Path) -> tuple[list[Part], int]:
    """Return the parts of a folder, the first of every family before the second, and the points of each.

    Raises:
        ValueError: naming the index, where there is none or another file, with the command that builds one;
            for another version of the files, and parts that are listed twice.
    """
    path = root / INDEX
    try:
        found = read_checked_json(path)
    except DamagedFile as damage:
        raise ValueError(f"{path}: expected an index as it was written, found {damage.found}") from damage
    if found is None:
        hint = f": build them by {BUILD.format(root=root)}, or take shipped=True"
        raise ValueError(f"root: expected a folder of parts, found no {path}{hint}")
    try:
        points = checks.integer("points", found["points"])
        parts = [_part(root, record) for record in found["parts"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected an index of parts, found another file ({error!r})") from error
    if (version := found.get("version")) != VERSION:
        raise ValueError(f"{path}: expected parts of version {VERSION}, found version {version!r}")
    if not parts:
        raise ValueError(f"{path}: expected parts, found none: build more by {BUILD.format(root=root)}")
    if twice := repeated(part.name for part in parts):
        raise ValueError(f"{path}: expected each part once, found {twice} twice")
    return sorted(parts), points


def read_parts(parts: Sequence[Part], points: int) -> Tensors:
    """Return the points of parts, stacked: ``pos``, ``normal`` ``[P, n, 3]`` and ``surface`` ``[P, n]``.

    Raises:
        ValueError: naming the first file that is missing, damaged or something else.
    """
    found = [_read(part.path, points) for part in parts]
    return {key: torch.from_numpy(np.stack([one[key] for one in found])) for key in TYPES}


def spec(parts: int, points: int) -> Spec:
    """Return types and shapes of what :func:`read_parts` returns."""
    vectors = (torch.float32, (parts, points, 3))
    return {"pos": vectors, "normal": vectors, "surface": (torch.uint8, (parts, points))}


def _part(root: Path, record: dict[str, Any]) -> Part:
    family, index = record["family"], checks.integer("index", record["index"], 0)
    if not re.fullmatch("[a-z0-9_]+", family):  # it becomes a path
        checks.refuse("family", "a name of small letters", family)
    return Part(index, family, f"{family}-{index}", root / family / f"{index:05d}.npz", record)


def _read(path: Path, points: int) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in TYPES}
    except FileNotFoundError as error:
        raise ValueError(f"{path}: expected a part of the index, found no file") from error
    except Exception as error:  # whatever a file of any kind can cause
        raise ValueError(f"{path}: expected a part as it was written, found {error!r}") from error
    if fault := _fault(found, points):
        raise ValueError(f"{path}: expected {points} points with unit normals and kinds, found {fault}")
    return found


def _fault(found: dict[str, np.ndarray], points: int) -> str | None:
    shapes = {"pos": (points, 3), "normal": (points, 3), "surface": (points,)}
    for key, value in found.items():
        if value.dtype != TYPES[key] or value.shape != shapes[key]:
            return f"{key} as {value.dtype} {list(value.shape)}"
    if not np.isfinite(found["pos"]).all():
        return "points that are not finite"
    lengths = np.linalg.norm(found["normal"], axis=1)
    if not (np.abs(lengths - 1) <= UNIT).all():
        return "normals of other lengths"
    return None if found["surface"].max() < len(SURFACES) else f"the kind {found['surface'].max()}"
