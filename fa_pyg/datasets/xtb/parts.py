"""Data sets of labelled geometries that lie on disk in parts: one folder, one file a part."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.files import write_atomically
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.tensors import load, save

GRAPH = ("energy", "atomization", "dipole", "quadrupole", "net_charge", "kinetic")  # [G, ...]
NODE = ("z", "pos", "forces", "charges")  # [N, ...]
KEPT = ("energy",)  # in float64, whatever the type of the rest
SHAPES: dict[str, tuple[int, ...]] = dict.fromkeys((*GRAPH, *NODE), ())  # of one
SHAPES |= {"dipole": (3,), "quadrupole": (3, 3), "pos": (3,), "forces": (3,)}
OWN = re.compile(r"(part\d{4,}|start)\.pt|about\.json|failures\.txt")


class Parts:
    """The folder: parts, and ``about.json`` with the settings and the versions they were made with.

    Parts that do not check out are named in a warning, and count as missing.

    Args:
        folder: made where missing.
        settings: what decides about every number in it.
        again: forget what is there.
    """

    def __init__(self, folder: str | os.PathLike, settings: dict[str, Any], again: bool = False) -> None:
        self.folder, self.settings = Path(folder), settings
        self.about = self.folder / "about.json"
        self._damaged: set[str] = set()
        self._outdated = again or not self._is_ours()

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.pt")

    def __contains__(self, name: str) -> bool:
        return not self._outdated and name not in self._damaged and os.path.lexists(self.path(name))

    def save(self, name: str, part: dict[str, Any]) -> None:
        save(self.path(name), part)
        self._damaged.discard(name)

    def load(self, name: str, check: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
        """A part, or None where there is none that checks out; ``check`` raises what is wrong with it."""
        if name not in self:
            return None
        try:
            found = load(self.path(name))
            try:
                check(found)
            except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise DamagedFile(
                    Path(self.path(name)), f"no part ({type(error).__name__}: {error})"
                ) from error
            return found
        except DamagedFile as damage:
            self._damaged.add(name)
            damage.warn(stacklevel=6)
            return None

    def begin(self, versions: dict[str, str]) -> None:
        """Before parts are added. Raises ValueError where those there were made by other versions."""
        if self._outdated:  # not before: what can be made again is known only now
            self._forget()
        if not self.about.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"settings": self.settings, "versions": versions}, indent=2) + "\n"
            write_atomically(self.about, text, follow_links=False)
        found = self._about().get("versions")
        if found != versions:
            raise ValueError(
                f"{self.folder}: found parts made with {found}, expected {versions}, which is installed: "
                "they would not fit together; delete the folder or pass force_reload=True"
            )

    def _is_ours(self) -> bool:
        """Whether what is there belongs to these settings."""
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
            raise DamagedFile(self.about, f"no description of the parts ({error})") from error

    def _names(self) -> list[Path]:
        """The files that are ours."""
        there = self.folder.iterdir() if self.folder.is_dir() else ()
        return [path for path in there if OWN.fullmatch(path.name)]

    def _forget(self) -> None:
        """Removes what is ours, and nothing else."""
        for path in self._names():
            if path.is_file() or path.is_symlink():
                path.unlink()
        self._outdated = False


def check_graphs(graphs: dict[str, Any]) -> int:
    """The number of labelled geometries; raises ValueError where they do not lie end to end."""
    sizes = graphs["sizes"]
    count, total = len(sizes), int(sizes.sum())
    if sizes.dtype != torch.long or sizes.dim() != 1 or (count and int(sizes.min()) < 1):
        raise ValueError("sizes are no numbers of atoms")
    for key in graphs.keys() - {"sizes"}:
        rows, value = total if key in NODE else count, graphs[key]
        if key not in SHAPES or value.dtype != _type(key) or value.shape != (rows, *SHAPES[key]):
            raise ValueError(f"{key} is {value.dtype} {list(value.shape)}")
        if not bool(value.isfinite().all()):
            raise ValueError(f"{key} is not finite")
    if count and not {"z", "pos", "energy", "forces"} <= graphs.keys():
        raise ValueError("no labels")
    return count


def packed(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Labelled geometries end to end: numbers in float64 and whole numbers in int64."""
    keys = [key for key in (*GRAPH, *NODE) if answers and key in answers[0]]
    part = {key: [torch.tensor(answer[key], dtype=_type(key)) for answer in answers] for key in keys}
    joined = {key: torch.cat(part[key]) if key in NODE else torch.stack(part[key]) for key in keys}
    return {"sizes": torch.tensor([len(answer["pos"]) for answer in answers], dtype=torch.long), **joined}


def _type(key: str) -> torch.dtype:
    return torch.long if key in ("z", "net_charge") else torch.float64


def collated(parts: list[dict[str, Any]], ids: Tensor, dtype: torch.dtype) -> tuple[Data, dict[str, Tensor]]:
    """The graphs ``ids`` of all parts, in the contiguous form of an InMemoryDataset."""
    parts = [part for part in parts if len(part["sizes"])]
    sizes = torch.cat([part["sizes"] for part in parts])
    starts, chosen = _starts(sizes)[:-1], sizes[ids]
    ends = _starts(chosen)
    rows = (starts[ids] - ends[:-1]).repeat_interleave(chosen) + torch.arange(int(ends[-1]))
    data, slices = Data(), {}
    for key in (key for key in (*NODE, *GRAPH) if key in parts[0]):
        value = torch.cat([part[key] for part in parts])[rows if key in NODE else ids]
        data[key] = value.to(dtype) if value.is_floating_point() and key not in KEPT else value
        slices[key] = ends if key in NODE else torch.arange(len(ids) + 1)
    return data, slices


def _starts(sizes: Tensor) -> Tensor:
    return pad(sizes.cumsum(0), (1, 0))


def is_positive(value: object) -> bool:
    return checks.is_number(value) and value > 0
