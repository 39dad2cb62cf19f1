"""Files of point clouds: scans and vertices of meshes in, points with normals out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from fa_pyg import checks
from fa_pyg.files import write_atomically

__all__ = ["WRITTEN", "read_points", "write_points"]

COLUMNS = (".csv", ".pts", ".txt", ".xyz")
WRITTEN = (".npz", ".ply")


def read_points(path: str | Path) -> np.ndarray:
    """Read the points of a scan, or the vertices of a mesh, ``[N, 3]`` float64.

    Formats: arrays ``.npy``; columns of numbers, of which the first three are x, y, z, apart by white space,
    commas or semicolons, perhaps below one line of titles (``.xyz``, ``.txt``, ``.csv``, ``.pts``); and what
    trimesh reads (``.ply``, ``.obj``, ``.stl``, ``.off``, ...; the corners of an STL are merged).

    Raises:
        ValueError: naming the file, without points in it, or with some that are not finite.
        ImportError: without trimesh, for its formats.
    """
    path = Path(path)
    try:
        found = np.asarray(_reader(path)(path))
    except ImportError:
        raise
    except Exception as error:  # whatever a file of any kind can cause
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: expected points, found none ({_line(reason)})") from error
    if found.ndim != 2 or found.shape[1] < 3 or not len(found) or found.dtype.kind not in "fiu":
        raise ValueError(f"{path}: expected numbers [N, 3], found {found.dtype} {list(found.shape)}")
    pos = found[:, :3].astype(np.float64)
    if wrong := int((~np.isfinite(pos)).any(1).sum()):
        raise ValueError(f"{path}: expected finite points, found {wrong} others of {len(pos)}")
    return pos


def write_points(path: str | Path, pos: np.ndarray, normal: np.ndarray | None = None) -> None:
    """Write points, and their normals if there are any, atomically, in float64.

    A ``.ply`` is binary, with normals in float32; an ``.npz`` has ``pos`` and ``normal``.

    Raises:
        ValueError: for another ending, and a file that cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise ValueError(f"{path}: expected a file {' or '.join(WRITTEN)}, found {path.suffix!r}")
    write_atomically(path, (_npz if path.suffix.lower() == ".npz" else _ply)(pos, normal))


def _reader(path: Path):
    if path.suffix.lower() == ".npy":
        return lambda name: np.load(name, allow_pickle=False)
    return _columns if path.suffix.lower() in COLUMNS else _trimesh


def _columns(path: Path) -> np.ndarray:
    lines = path.read_text(encoding="utf-8-sig").replace(",", " ").replace(";", " ").splitlines()
    lines = lines[int(bool(lines) and _is_title(lines[0])) :]
    if not any(line.strip() for line in lines):
        return np.empty((0, 3))
    try:
        return np.loadtxt(lines, ndmin=2)
    except ValueError as error:
        hint = "; columns of numbers are read (fa-pyg predict molecules reads molecules)"
        raise ValueError(f"{_line(str(error))}{hint}") from error


def _is_title(line: str) -> bool:
    """Tell whether no word of a line is a number."""
    words = line.split()
    try:
        [float(word) for word in words[:1]]
    except ValueError:
        return not line.lstrip().startswith("#")
    return False


def _trimesh(path: Path) -> np.ndarray:
    with checks.from_extra(str(path), "clouds"):
        import trimesh

    if not path.is_file():  # which trimesh would take for another kind of argument
        raise FileNotFoundError(2, "no such file")
    found: Any = trimesh.load(path, process=False, skip_materials=True)
    if isinstance(found, trimesh.Scene):
        parts: Any = found.dump()
        return np.concatenate([part.vertices for part in parts])
    if path.suffix.lower() == ".stl":
        found.merge_vertices()
    return found.vertices


def _ply(pos: np.ndarray, normal: np.ndarray | None) -> bytes:
    values = np.asarray(pos) if normal is None else np.concatenate([pos, normal], axis=1)
    kind = [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("nx", "<f4"), ("ny", "<f4"), ("nz", "<f4")]
    kind = kind[: values.shape[1]]
    rows = np.empty(len(values), kind)
    for i, (name, _) in enumerate(kind):
        rows[name] = values[:, i]
    types = {"<f8": "double", "<f4": "float"}
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(pos)}"]
    head += [f"property {types[one]} {name}" for name, one in kind]
    return "\n".join([*head, "end_header", ""]).encode() + rows.tobytes()


def _npz(pos: np.ndarray, normal: np.ndarray | None) -> bytes:
    file = io.BytesIO()
    if normal is None:
        np.savez_compressed(file, pos=pos)
    else:
        np.savez_compressed(file, pos=pos, normal=normal)
    return file.getvalue()


def _line(text: str) -> str:
    return text.partition("\n")[0][:200]
