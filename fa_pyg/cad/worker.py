"""Worker script: build a part, sample it, and write its points to a file."""

from __future__ import annotations

import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["TASKS", "part", "versions"]

ASSEMBLIES = ("ball_bearing", "roller_bearing", "open_builds_part")  # several solids; others are one


def part(family: str, index: int, points: int, path: str) -> Iterator[dict[str, Any]]:
    """Build part ``index`` of a family, and write ``points`` of its points to ``path`` (NPZ)."""
    import build123d

    from fa_pyg.cad.draw import Draw, NoMoreParts
    from fa_pyg.cad.families import load_families

    begun, draw = time.monotonic(), Draw(family, index)
    try:
        shape = load_families()[family](build123d, draw)
    except NoMoreParts:
        yield {"none": True}
        return
    _check(shape, family)
    area = _write(shape, family, index, points, path)
    size = shape.bounding_box().size
    yield {
        "parameters": draw.parameters,
        "faces": len(shape.faces()),
        "area": area,
        "volume": shape.volume,
        "size": [size.X, size.Y, size.Z],
        "seconds": round(time.monotonic() - begun, 2),
    }


def _check(shape: Any, family: str) -> None:
    solids = len(shape.solids())
    if solids == 0 or (solids > 1 and family not in ASSEMBLIES):
        raise ValueError(f"part: expected one solid, found {solids}")
    if not shape.is_valid:
        raise ValueError("part: expected a valid solid, found another")


def _write(shape: Any, family: str, index: int, points: int, path: str) -> float:
    import numpy as np

    from fa_pyg.cad.sampling import check_closed, sample_shape
    from fa_pyg.files import atomic_write

    rng = np.random.RandomState([zlib.crc32(family.encode()), index, 1])
    found = sample_shape(shape, points, rng)
    check_closed(found, shape.volume)
    pos, normal = found.pos.astype("<f4"), found.normal.astype("<f4")
    with atomic_write(path, "wb") as file:
        np.savez_compressed(file, pos=pos, normal=normal, surface=found.surface)
    return found.area


def versions() -> dict[str, str]:
    """Import what parts need, and return the versions."""
    import logging
    from importlib.metadata import version

    import bd_warehouse.fastener  # noqa: F401
    import build123d  # noqa: F401

    logging.disable()
    warnings.simplefilter("ignore")
    return {name: version(name) for name in ("build123d", "bd_warehouse", "numpy")}


TASKS = {"part": part}

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])  # instead of this folder
    from fa_pyg.workers.serve import serve

    serve(TASKS, versions)
