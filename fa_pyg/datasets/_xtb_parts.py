"""Data sets of labelled geometries that lie on disk in parts: one folder, one file a part."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.datasets._files import _load, write

GRAPH = ("energy", "atomization", "dipole", "quadrupole", "net_charge", "kinetic")  # [G, ...]
NODE = ("z", "pos", "forces", "charges")  # [N, ...]
KEPT = ("energy",)  # in float64, whatever the type of the rest


class Parts:
    """The folder: parts, and ``about.json`` with the settings and the versions they were made with.

    Args:
        folder: made where missing.
        settings: what decides about every number in it.
        again: forget what is there.
    """

    def __init__(self, folder: str | os.PathLike, settings: dict[str, Any], again: bool = False) -> None:
        self.folder, self.settings = Path(folder), settings
        self.about = self.folder / "about.json"
        if again and self.about.exists():  # no folder that is not ours
            shutil.rmtree(self.folder)

    def path(self, name: str) -> str:
        return str(self.folder / f"{name}.pt")

    def __contains__(self, name: str) -> bool:
        return os.path.exists(self.path(name))

    def save(self, name: str, part: dict[str, Any]) -> None:
        write(self.path(name), lambda path: torch.save(part, path))

    def load(self, name: str, keys: tuple[str, ...]) -> dict[str, Any]:
        """Raises ValueError for a file that is no part."""
        return _load(self.path(name), keys)

    def begin(self, versions: dict[str, str]) -> None:
        """Before parts are added. Raises ValueError where those there were made by other versions."""
        if not self.about.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"settings": self.settings, "versions": versions}, indent=2) + "\n"
            write(str(self.about), lambda path: Path(path).write_text(text))
        found = self._about().get("versions")
        if found != versions:
            raise ValueError(
                f"{self.folder}: found parts made with {found}, expected {versions}, which is installed: "
                "they would not fit together; delete the folder or pass force_reload=True"
            )

    def _about(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.about.read_text()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.about}: found {error}, expected JSON; delete the folder") from error


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
