"""Triangle meshes from files, and points on their faces with normals."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fa_pyg.datasets.splits import PARTS

__all__ = ["FORMATS", "mesh_files", "sample_mesh", "some_of", "split_by_hash"]

FORMATS = (".glb", ".obj", ".off", ".ply", ".stl")


def mesh_files(root: Path) -> list[Path]:
    """Return all meshes below a folder, in the order of their names.

    Raises:
        ValueError: where there is none.
    """
    found = [Path(at) / name for at, _, names in os.walk(root, followlinks=True) for name in names]
    found = sorted(path for path in found if path.suffix.lower() in FORMATS)
    if not found:
        raise ValueError(f"root: expected a folder with meshes ({', '.join(FORMATS)}), found none in {root}")
    return found


def split_by_hash(name: str) -> str:
    """Return the split of a name: 80 % ``"train"``, 10 % ``"val"`` and 10 % ``"test"``."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return PARTS[(share >= 0.8) + (share >= 0.9)]


def some_of(names: Sequence[Path], number: int | None) -> list[Path]:
    """Return so many of the names (None: all), in their order: those of the smallest hash, of all classes."""
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.as_posix().encode()).digest())
    chosen = set(by_hash[:number])
    return [name for name in names if name in chosen]


def sample_mesh(
    path: Path, num_points: int, smooth: bool = False, repair: bool = False
) -> tuple[Tensor, Tensor]:
    """Draw points uniformly by area, with the normal of the face, always the same of a file of this name.

    Args:
        path: a file; the bodies of a scene are joined.
        num_points: how many.
        smooth: take normals of the vertices, interpolated, of which coincident ones are merged.
        repair: make the faces of each body consistent, and closed bodies oriented outward.

    Shapes: positions relative to the center of the bounding box, and unit normals, ``[n, 3]``, float32.

    Raises:
        ValueError: naming the file, where there is no mesh with an area in it, or one with vertices that are
            not finite.
        ImportError: without trimesh.
    """
    mesh = _read(path, merge=smooth or repair)
    if repair:
        _repair(mesh)
    corners = np.asarray(mesh.vertices)[np.asarray(mesh.faces)]  # [F, 3, 3]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(cross, axis=1)
    if not (total := area.sum()) > 0:
        raise ValueError(f"{path}: expected a mesh, found {len(area)} faces of no area")
    rng = np.random.default_rng(list(hashlib.sha256(path.name.encode()).digest()))
    # Faces of no area have steps of 0 in the cumulative sum, and are not drawn.
    face = np.searchsorted(area.cumsum(), (1 - rng.random(num_points)) * total)
    face = face.clip(max=area.nonzero()[0][-1])
    root, second = np.sqrt(rng.random(num_points)), rng.random(num_points)
    share = np.stack([1 - root, root * (1 - second), root * second], axis=1)
    pos = np.einsum("nc,ncd->nd", share, corners[face])
    pos = pos - (corners.reshape(-1, 3).min(0) + corners.reshape(-1, 3).max(0)) / 2
    normal = cross[face] / area[face, None]
    if smooth:
        normal = _smooth(normal, np.asarray(mesh.vertex_normals)[np.asarray(mesh.faces)[face]], share)
    return torch.from_numpy(pos).float(), torch.from_numpy(normal).float()


def _smooth(flat: np.ndarray, corners: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return interpolated normals of corners ``[n, 3, 3]``; those of the faces where they cancel."""
    normal = np.einsum("nc,ncd->nd", share, corners)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.where(length > 1e-6, normal / length.clip(min=1e-6), flat)


def _read(path: Path, merge: bool):
    import trimesh

    try:
        mesh = trimesh.load_mesh(path, process=False, skip_materials=True)
        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    except Exception as error:  # whatever a file of any kind can cause
        raise ValueError(f"{path}: expected a mesh, found {error!r}") from error
    if not len(faces):
        raise ValueError(f"{path}: expected a mesh, found no triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        most = len(vertices) - 1
        raise ValueError(f"{path}: expected vertices 0 to {most}, found {faces.min()} to {faces.max()}")
    if not np.isfinite(vertices[faces]).all():
        raise ValueError(f"{path}: expected finite vertices, found others")
    if merge:
        mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def _repair(mesh) -> None:
    from trimesh import repair

    repair.fix_normals(mesh, multibody=True)
