"""Labeled geometries on disk: a folder with one file per part, collated for an in-memory data set."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.datasets.collation import offsets
from fa_pyg.files import write_atomically
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.tensors import load, save

__all__ = ["Parts", "check_graphs", "collate_parts", "pack"]

GRAPH = ("energy", "atomization", "dipole", "quadrupole", "net_charge", "kinetic")  # [G, ...]
NODE = ("z", "pos", "forces", "charges")  # [N, ...]
DOUBLE = ("energy",)  # always float64
SHAPES: dict[str, tuple[int, ...]] = dict.fromkeys((*GRAPH, *NODE), ())  # of an entry
SHAPES |= {"dipole": (3,), "quadrupole": (3, 3), "pos": (3,), "forces": (3,)}
FILES = re.compile(r"(part\d{4,}|start)\.pt|about\.json|failures\.txt")


class Parts:
    """A folder of parts, and ``about.json`` with their settings and the versions of packages.

    Damaged parts are named in a warning and count as missing.

    Args:
        folder: created where missing.
        settings: all that the numbers depend on.
        again: discard stored parts.
    """

    def __init__(self, folder: str | os.PathLike, settings: dict[str, Any], again: bool = False) -> None:
        self.folder, self.settings = Path(folder), settings
        self.about = self.folder / "about.json"
        self._damaged: set[str] = set()
        self._outdated = again or not self._fits()

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.pt")

    def __contains__(self, name: str) -> bool:
        return not self._outdated and name not in self._damaged and os.path.lexists(self.path(name))

    def save(self, name: str, part: dict[str, Any]) -> None:
        save(self.path(name), part)
        self._damaged.discard(name)

    def load(self, name: str, check: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
        """Return a part, or None where it is missing or damaged; ``check`` raises what is wrong with it."""
        if name not in self:
            return None
        try:
            found = load(self.path(name))
            try:
                check(found)
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise DamagedFile(
                    Path(self.path(name)), f"not a part ({type(error).__name__}: {error})"
                ) from error
            return found
        except DamagedFile as damage:
            self._damaged.add(name)
            damage.warn(stacklevel=6)
            return None

    def begin(self, versions: dict[str, str]) -> None:
        """Prepare the folder for parts by these versions of packages.

        Raises:
            ValueError: where stored parts were made by other versions.
        """
        if self._outdated:  # not earlier: only now is it certain that parts can be made again
            self._remove()
        if not self.about.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"settings": self.settings, "versions": versions}, indent=2) + "\n"
            write_atomically(self.about, text, follow_links=False)
        found = self._about().get("versions")
        if found != versions:
            raise ValueError(
                f"{self.folder}: expected parts made with {versions}, which is installed, found {found}: "
                "they would not fit together; delete the folder or pass force_reload=True"
            )

    def _fits(self) -> bool:
        """Return whether stored parts have these settings."""
        try:
            if not self._names():
                return True
            found = self._about()
            if found.get("settings") != json.loads(json.dumps(self.settings)) or "versions" not in found:
                raise DamagedFile(self.about, "other settings")
            return True
        except DamagedFile as damage:
            damage.warn(stacklevel=5)
            return False

    def _about(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.about.read_bytes()))
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise DamagedFile(self.about, f"not a description of parts ({error})") from error

    def _names(self) -> list[Path]:
        """Return the files of this class in the folder."""
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        return [path for path in found if FILES.fullmatch(path.name)]

    def _remove(self) -> None:
        """Remove the files of this class, and no others."""
        for path in self._names():
            if path.is_file() or path.is_symlink():
                path.unlink()
        self._outdated = False


def check_graphs(graphs: dict[str, Any]) -> int:
    """Return the number of labeled geometries.

    Raises:
        ValueError: where tensors do not fit together.
    """
    sizes = graphs["sizes"]
    count, total = len(sizes), int(sizes.sum())
    if sizes.dtype != torch.long or sizes.dim() != 1 or (count and int(sizes.min()) < 1):
        raise ValueError("sizes are not numbers of atoms")
    for key in graphs.keys() - {"sizes"}:
        rows, value = total if key in NODE else count, graphs[key]
        if key not in SHAPES or value.dtype != _type(key) or value.shape != (rows, *SHAPES[key]):
            raise ValueError(f"{key} is {value.dtype} {list(value.shape)}")
        if not bool(value.isfinite().all()):
            raise ValueError(f"{key} is not finite")
    if count and not {"z", "pos", "energy", "forces"} <= graphs.keys():
        raise ValueError("no labels")
    return count


def pack(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Concatenate labeled geometries, in float64 and int64."""
    keys = [key for key in (*GRAPH, *NODE) if answers and key in answers[0]]
    part = {key: [torch.tensor(answer[key], dtype=_type(key)) for answer in answers] for key in keys}
    joined = {key: torch.cat(part[key]) if key in NODE else torch.stack(part[key]) for key in keys}
    return {"sizes": torch.tensor([len(answer["pos"]) for answer in answers], dtype=torch.long), **joined}


def _type(key: str) -> torch.dtype:
    return torch.long if key in ("z", "net_charge") else torch.float64


def collate_parts(
    parts: list[dict[str, Any]], ids: Tensor, dtype: torch.dtype
) -> tuple[Data, dict[str, Tensor]]:
    """Return the graphs ``ids`` of all parts in the collated form of an ``InMemoryDataset``."""
    parts = [part for part in parts if len(part["sizes"])]
    sizes = torch.cat([part["sizes"] for part in parts])
    starts, chosen = offsets(sizes)[:-1], sizes[ids]
    ends = offsets(chosen)
    rows = (starts[ids] - ends[:-1]).repeat_interleave(chosen) + torch.arange(int(ends[-1]))
    data, slices = Data(), {}
    for key in (key for key in (*NODE, *GRAPH) if key in parts[0]):
        value = torch.cat([part[key] for part in parts])[rows if key in NODE else ids]
        data[key] = value.to(dtype) if value.is_floating_point() and key not in DOUBLE else value
        slices[key] = ends if key in NODE else torch.arange(len(ids) + 1)
    return data, slices
