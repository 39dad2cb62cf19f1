"""Data sets of point clouds that trainings read, each split as one tensor of points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import Dataset
from torch_geometric.datasets import PCPNetDataset

from fa_pyg.datasets import ABCNormals, CADNormals, MeshNormals, PCPNetToCloud
from fa_pyg.datasets.clouds.pools import Pools
from fa_pyg.train.tasks.clouds import Clouds

__all__ = ["SOURCES", "stored"]


def _cad(root: str, split: str, num_points: int, num_parts: int | None, **how: Any) -> CADNormals:
    how.pop("on_error")  # of files of others
    return CADNormals(root, split, num_points=num_points, num_parts=num_parts, **how)


def _meshes(root: str, split: str, num_points: int, num_parts: int | None, **how: Any) -> MeshNormals:
    sizes = {"num_points": num_points, "num_parts": num_parts}
    return MeshNormals(root, split, **sizes, on_error=how["on_error"])


def _abc(root: str, split: str, num_points: int, num_parts: int | None, **how: Any) -> ABCNormals:
    sizes = {"num_points": num_points, "num_parts": num_parts}
    return ABCNormals(root, split, **sizes, on_error=how["on_error"])


def _pcpnet(root: str, split: str, num_points: int, num_parts: int | None, **how: Any) -> Dataset:
    found: Any = PCPNetDataset(root, "NoNoise", split, transform=PCPNetToCloud(None, fresh=False))
    return found[:num_parts]


# Called with root, split, num_points and num_parts, the options of CADNormals, and on_error.
SOURCES: dict[str, Callable[..., Dataset]] = {
    "cad": _cad,
    "meshes": _meshes,
    "abc": _abc,
    "pcpnet": _pcpnet,
}


def stored(dataset: Dataset) -> Clouds:
    """Return all points that a data set has of its parts."""
    if not isinstance(dataset, Pools):  # read item by item
        every: Any = dataset
        items = [every[i] for i in range(len(every))]
        values = (torch.stack([item[name] for item in items]) for name in ("pos", "normal", "surface"))
        pos, normal, surface = values
        return Clouds(pos, normal, surface, torch.cat([item.y for item in items]))
    return Clouds(dataset.pos, dataset.normal, dataset.surface, dataset.y)
