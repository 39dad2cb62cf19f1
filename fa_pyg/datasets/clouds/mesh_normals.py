"""Point clouds of any folder of meshes, with the normals of their faces."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from fa_pyg import checks
from fa_pyg.datasets.clouds.mesh_pools import MeshPools
from fa_pyg.datasets.clouds.meshes import mesh_files, some_of
from fa_pyg.datasets.splits import PARTS, hashed_part

__all__ = ["MeshNormals"]


class MeshNormals(MeshPools):
    """Point clouds of the meshes of a folder (obj, ply, stl, off, glb), with normals; needs trimesh.

    Of each mesh a pool of points is drawn once, uniformly by area, and cached; each access takes
    ``num_points`` of them. Positions are relative to the center of the bounding box of the mesh, so that
    scans in geographic coordinates keep their precision.

    Args:
        root: folder of meshes, at any depth; the cache is written to its folder ``processed``. A class is
            the name of the first folder below ``root`` on the way to a mesh (``"."`` for none).
        split: ``"train"``, ``"val"`` or ``"test"``: 80, 10 and 10 %, by a hash of the name of the mesh, so
            that adding meshes moves none; None for all.
        num_points: points of a cloud.
        pool: points that are drawn of a mesh.
        num_parts: only so many meshes of the split, by a hash of their names; None: all.
        fresh: take other points of the pool at each access (by the global generator of torch); False: always
            the first ones. None: True for training meshes.
        smooth: normals of vertices, interpolated over faces; coincident vertices are merged, so that edges
            become round.
        repair: make the winding of faces consistent, and outward for closed bodies. By default normals
            follow the file, and their signs may differ from face to face.
        on_error: ``"raise"`` for a file without a mesh; ``"skip"`` leaves it out, with a warning that lists
            all of them.
        transform: called on each ``Data`` at access.

    Attributes:
        families: names of the classes, in alphabetical order; ``y`` is an index into it.
        surfaces: the kinds of surface of all data sets of clouds.
        names: of the meshes, relative to ``root``, without suffix.

    A slice is a data set of its meshes, with all families.

    Shapes: ``pos [n, 3]``, ``normal [n, 3]`` (unit, float32), ``surface [n]`` (int64; all ``"other"``),
    ``y [1]``.

    Raises:
        ValueError: for arguments out of range, a folder without meshes, and, naming the file, for one that is
            damaged, or has no area, or vertices that are not finite or out of the range of float32.
        ImportError: without trimesh.

    Faces of no area are not drawn; scenes of several bodies are joined, with the transforms of the scene.
    Links are followed, but each folder and each file is read once.

    Not guaranteed: that normals point outward (see ``repair``); that points lie on the outer surface: those
    of inner walls and of bodies within others are drawn too.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str | None = None,
        *,
        num_points: int = 512,
        pool: int = 4096,
        num_parts: int | None = None,
        fresh: bool | None = None,
        smooth: bool = False,
        repair: bool = False,
        on_error: str = "raise",
        transform: Callable | None = None,
    ) -> None:
        root = Path(checks.instance("root", root, (str, os.PathLike), "a path"))
        checks.one_of("split", split, PARTS, optional=True)
        checks.integer("num_parts", num_parts, optional=True)
        names = [file.relative_to(root) for file in mesh_files(root)]
        family = {name: name.parts[0] if len(name.parts) > 1 else "." for name in names}
        families = sorted(set(family.values()))
        chosen = [name for name in names if split in (None, hashed_part(name.as_posix()))]
        if not chosen:
            raise ValueError(f"split: expected meshes for {split!r}, found none of {len(names)} in {root}")
        chosen = some_of(chosen, num_parts)
        super().__init__(
            root,
            [root / name for name in chosen],
            families,
            [families.index(family[name]) for name in chosen],
            num_points=num_points,
            pool=pool,
            fresh=split == "train" if fresh is None else fresh,
            smooth=smooth,
            repair=repair,
            on_error=on_error,
            transform=transform,
        )
