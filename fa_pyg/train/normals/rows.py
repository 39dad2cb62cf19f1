"""Rows of the tables of normals and of classes: a configuration file each, at any size."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.plain import read
from fa_pyg.train.benchmark.recipes import HasPath, find, section

__all__ = ["ROWS", "Row", "find_rows", "resized"]


@dataclass(frozen=True)
class Row(HasPath):
    """One model of the table.

    Attributes:
        name: of its configuration file, without the suffix.
        title: in the table.
        backbone: row of the same network without frames, for the ratio of times.
        published: losses on 10 000 parts of ABC (Puny et al. 2022): trained and tested upright, trained
            upright and tested turned, trained and tested turned.
        path: the configuration file; None in :data:`ROWS`.
    """

    name: str
    title: str
    backbone: str | None = None
    published: tuple[float, float, float] | None = None
    path: Path | None = None


ROWS = (  # one line each; rows without a file are left out
    Row("pointnet", "PointNet", None, (0.207, 0.449, 0.258)),
    Row("vn_pointnet", "VN-PointNet", "pointnet", (0.215, 0.216, 0.223)),
    Row("fa_pointnet", "FA-PointNet", "pointnet", (0.158, 0.163, 0.161)),
    Row("fa_local_pointnet", "FA-Local-PointNet", "pointnet", (0.097, 0.098, 0.098)),
    Row("dgcnn", "DGCNN", None, (0.070, 0.193, 0.121)),
    Row("vn_dgcnn", "VN-DGCNN", "dgcnn", (0.133, 0.130, 0.144)),
    Row("fa_dgcnn", "FA-DGCNN", "dgcnn", (0.067, 0.069, 0.071)),
    Row("fa_dgcnn_weighted", "FA-DGCNN in weighted frames, lines averaged", "dgcnn"),
    Row("fa_dgcnn_haar", "the same network in random motions; weighted frames", "dgcnn"),
)


def find_rows(names: Sequence[str] | None, folder: Path) -> list[Row]:
    """Return rows by name, in the order of the table; by default all that have a configuration.

    A configuration of the folder, or any YAML file by its path, that is not in :data:`ROWS` becomes a row
    under its own name.

    Raises:
        ValueError: for a name without a configuration or unfit for the record, and for two files of one name.
    """
    return find(names, folder, ROWS, lambda name: Row(name, name))


def resized(path: Path, width: float = 1.0, k: int | None = None, num_classes: int | None = None) -> dict:
    """Return the settings of a configuration at another size, the same for all rows.

    They are set wherever the configuration names a network that has the argument ``width``.

    Args:
        path: of the configuration.
        width: multiplies published widths.
        k: number of neighbors; default that of the configuration.
        num_classes: of the classification; None for normals.

    Raises:
        ValueError: naming the file, for one without such a network where the size is to be another.
    """
    settings, changes = read(path), {"width": width, "k": k, "num_classes": num_classes}
    changes = {name: value for name, value in changes.items() if value not in (None, 1.0)}
    if not changes:
        return settings
    model = section(settings, "model", path)
    found, changed = _resized(model.get("model"), changes)
    if not changed:
        raise ValueError(f"{path}: model.model: expected a network with an argument width, found none")
    return {**settings, "model": {**model, "model": found}}


def _resized(value: Any, changes: Mapping[str, Any]) -> tuple[Any, bool]:
    """Return the settings of an object at another size, and whether any network in it has one."""
    value = {"class_path": value} if isinstance(value, str) and value.startswith("fa_pyg.") else value
    if not isinstance(value, Mapping):
        return value, False
    arguments = value.get("init_args", {})
    parts = {name: _resized(one, changes) for name, one in arguments.items() if isinstance(one, Mapping)}
    found = {**arguments, **{name: one for name, (one, _) in parts.items()}}
    accepted = _arguments(value.get("class_path"))
    is_network = "width" in accepted
    if is_network:
        found |= {name: one for name, one in changes.items() if name in accepted}
    return {**value, "init_args": found}, is_network or any(changed for _, changed in parts.values())


def _arguments(name: Any) -> set[str]:
    kind = Allowlist(training=True).find(name)
    return set(inspect.signature(kind).parameters) if inspect.isclass(kind) else set()
