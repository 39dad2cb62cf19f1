"""A parallel, resumable build of parts: a folder of NPZ files and an index."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.cad.families import load_families
from fa_pyg.files.checked_json import read_checked_json, write_checked_json
from fa_pyg.files.lock import locked
from fa_pyg.progress import is_shown
from fa_pyg.workers import Answer, Worker
from fa_pyg.workers.pool import Workers

__all__ = ["INDEX", "build_parts", "file_of"]

INDEX = "index.json"
SCRIPT = Path(__file__).with_name("worker.py")
NEEDS = "build123d and bd_warehouse (pip install 'fa_pyg[cad]', Python >= 3.11)"
VERSION = 1  # of the files
HOPELESS = 20  # failures in a row after which a family is given up


def build_parts(
    root: str | os.PathLike,
    parts: int = 2000,
    *,
    points: int = 4096,
    jobs: int = 1,
    seconds: float = 60.0,
    families: list[str] | None = None,
    retry: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Build parts of all families in turn, until the folder holds ``parts`` of them; return the index.

    Part i of a family is always the same. Parts that fail, or take too long, are left out, and listed with
    the reason; so are families after 20 failures in a row. A build that was killed continues; one with more
    parts adds to those that exist.

    Args:
        root: folder of the parts, created where missing.
        parts: how many in all, as evenly over the families as their numbers allow.
        points: points of each part.
        jobs: processes at work.
        seconds: time limit of a part.
        families: names of some families; None: all.
        retry: try parts again that failed before; else they stay left out.
        progress: show on standard error how far the build is.

    Raises:
        ImportError: without the CAD kernel.
        ValueError: for wrong arguments, and for a folder of parts with another number of points.
        TimeoutError: where another process builds in this folder.

    Not guaranteed: the same parts from other versions of the kernel or of the tables.
    """
    checks.integer("parts", parts)
    checks.integer("points", points)
    checks.integer("jobs", jobs, 1, 1024)
    checks.number("seconds", seconds, above=0)
    checks.flag("retry", retry)
    names = checks.some_of("families", families, load_families()) or list(load_families())
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(locked(root / "build.lock", patience=0))
        build = _Build(root, points, progress)
        if retry:
            build.failed.clear()
        if len(build.parts) < parts:
            workers = [Worker(SCRIPT, seconds, "build_parts", NEEDS) for _ in range(jobs)]
            build.run(stack.enter_context(Workers(workers)), names, parts)
        return build.index()


def file_of(family: str, index: int) -> str:
    """Return the path of a part below the root."""
    return f"{family}/{index:05d}.npz"


class _Build:
    """Parts of a folder, and those that failed, by family and index."""

    def __init__(self, root: Path, points: int, progress: bool) -> None:
        self.root, self.points, self.progress = root, points, progress
        found = read_checked_json(root / INDEX) or {
            "version": VERSION,
            "points": points,
            "parts": [],
            "failed": [],
        }
        if (found["version"], found["points"]) != (VERSION, points):
            raise ValueError(
                f"{root / INDEX}: expected parts of {points} points (version {VERSION}), "
                f"found {found['points']} (version {found['version']}): choose another root"
            )
        self.versions = found.get("versions", {})
        self.parts = {(one["family"], one["index"]): one for one in found["parts"]}
        self.failed = {(one["family"], one["index"]): one for one in found["failed"]}
        self.shapes = {_shape(one) for one in self.parts.values()}
        self.begun, self.before = time.monotonic(), len(self.parts)

    def run(self, workers: Workers, names: list[str], wanted: int) -> None:
        """Build wave after wave, the parts of one index in all families that have one."""
        self.versions = workers.versions()
        index, left = 0, list(names)
        try:
            while left and len(self.parts) < wanted:
                keys = [(name, index) for name in left]
                new = [key for key in keys if key not in self.parts and key not in self.failed]
                ended: set[str] = set()
                while new and len(self.parts) < wanted:
                    now, new = new[: wanted - len(self.parts)], new[wanted - len(self.parts) :]
                    ended |= self._wave(workers, now, wanted)
                left = [name for name in left if name not in ended and not self._is_hopeless(name, index)]
                index += 1
        finally:
            self._save()

    def _wave(self, workers: Workers, keys: list[tuple[str, int]], wanted: int) -> set[str]:
        """Build parts, and return the families that have no more."""
        ended = set()
        for number, answers in workers.run([self._request(*key) for key in keys]):
            family, index = keys[number]
            if answers and answers[-1].get("none"):
                ended.add(family)
            else:
                self._keep(family, index, answers[-1] if answers else {"error": "no answer"})
            self._show(wanted)
        self._save()
        self._show(wanted, "\n")
        return ended

    def _is_hopeless(self, family: str, index: int) -> bool:
        """Return whether a family failed many times in a row, up to this index."""
        return index + 1 >= HOPELESS and all((family, index - k) in self.failed for k in range(HOPELESS))

    def _request(self, family: str, index: int) -> Answer:
        path = self.root / file_of(family, index)
        path.parent.mkdir(exist_ok=True)
        return {"task": "part", "family": family, "index": index, "points": self.points, "path": str(path)}

    def _keep(self, family: str, index: int, answer: Answer) -> None:
        record = {"family": family, "index": index, "name": f"{family}-{index}"}
        if "error" not in answer and _shape({**record, **answer}) in self.shapes:
            (self.root / file_of(family, index)).unlink()
            answer = {"error": "a part of the same family, area, volume and size"}
        if "error" in answer:
            self.failed[family, index] = {**record, "error": answer["error"]}
        else:
            self.parts[family, index] = {**record, **answer}
            self.shapes.add(_shape(self.parts[family, index]))

    def index(self) -> dict[str, Any]:
        """Return what the index file holds."""
        parts, failed = ([found[key] for key in sorted(found)] for found in (self.parts, self.failed))
        about = {"version": VERSION, "points": self.points, "versions": self.versions}
        return {**about, "parts": parts, "failed": failed}

    def _save(self) -> None:
        write_checked_json(self.root / INDEX, self.index())

    def _show(self, wanted: int, end: str = "") -> None:
        if is_shown(self.progress) and (end or sys.stderr.isatty()):  # lines of a log are for waves
            done, passed = len(self.parts), time.monotonic() - self.begun
            pace = (done - self.before) / max(passed, 1e-9)
            left = (wanted - done) / pace if pace else 0
            text = f"{done}/{wanted} parts, {len(self.failed)} failed, {pace:.1f} parts/s, {left:.0f} s left"
            print(f"\r{text:<70}", end=end, file=sys.stderr, flush=True)


def _shape(record: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells two parts of a family apart."""
    values = (record["area"], record["volume"], *record["size"])
    return (record["family"], *(f"{value:.6g}" for value in values))
