"""Triangle meshes from files, and points on their faces with normals."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.datasets.splits import name_hash

__all__ = ["FORMATS", "mesh_files", "sample_mesh", "some_of"]

FORMATS = (".glb", ".obj", ".off", ".ply", ".stl")
SIZES = (1e-15, 1e15)  # of meshes whose points and squared distances are numbers in float32


def mesh_files(root: Path) -> list[Path]:
    """Return all meshes below a folder, in the order of their names.

    Links are followed, but each folder and each file is found once: where it is, else by the link that comes
    first.

    Raises:
        ValueError: where there is none.
    """
    found = [Path(at) / name for at, names in _folders(root) for name in sorted(names)]
    found = [path for path in found if path.suffix.lower() in FORMATS]
    found.sort(key=os.path.islink)
    once = {os.path.realpath(path): path for path in reversed(found)}  # the first of each remains
    if not once:
        raise ValueError(f"root: expected a folder with meshes ({', '.join(FORMATS)}), found none in {root}")
    return sorted(once.values())


def _folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder below another, and the names of its files; those behind links come last."""
    seen, tops = set(), [os.fspath(root)]
    for top in tops:  # grows
        for at, folders, names in os.walk(top):
            folders.sort()
            if (real := os.path.realpath(at)) in seen:
                folders.clear()
                continue
            seen.add(real)
            yield at, names
            tops += [path for name in folders if os.path.islink(path := os.path.join(at, name))]


def some_of(names: Sequence[Path], number: int | None) -> list[Path]:
    """Return so many of the names (None: all), in their order: those of the smallest hash, of all classes."""
    by_hash = sorted(names, key=lambda name: name_hash(name.as_posix()))
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
            not finite, farther than 1e15 from the origin, or within 1e-15 of each other.
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
    rng = np.random.default_rng(list(name_hash(path.name)))
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
    with checks.from_extra(str(path), "clouds"):
        import trimesh

    if not path.is_file():  # a link to nowhere; and a pipe would be waited for
        raise ValueError(f"{path}: expected a mesh, found no file")
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
    least, most = SIZES
    if (size := np.abs(vertices[faces]).max()) > most:
        raise ValueError(f"{path}: expected coordinates up to {most:g}, found {size:g}")
    if (size := np.ptp(vertices[faces].reshape(-1, 3), axis=0).max()) < least:
        raise ValueError(f"{path}: expected a mesh of a size of at least {least:g}, found {size:g}")
    if merge:
        mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def _repair(mesh) -> None:
    from trimesh import repair

    repair.fix_normals(mesh, multibody=True)
