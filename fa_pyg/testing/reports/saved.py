"""Files of a report: text, page, and the worst inputs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.files import write_atomically
from fa_pyg.io import write_xyz
from fa_pyg.testing.reports.result import FAULT, Report, Row, Section, Worst
from fa_pyg.testing.reports.structures import count

__all__ = ["save"]

SKIPPED = ("name_", "num_nodes", "z", "pos", "batch", "ptr")


def save(report: Report, folder: str | Path) -> list[Path]:
    """Write ``report.txt``, ``report.html``, and ``worst/*.xyz`` (``.json`` without points in space)."""
    folder = Path(folder)
    try:
        (folder / "worst").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"folder: expected one that can be written to, found {folder} ({error.strerror})"
        ) from error
    files = [folder / "report.txt", folder / "report.html"]
    for path, content in zip(files, (report.text(), report.html()), strict=True):
        write_atomically(path, content)
    for section, row, worst in _kept(report):
        files.append(_written(folder / "worst" / _name(section, row), worst, row))
    return files


def _kept(report: Report) -> Iterator[tuple[Section, Row, Worst]]:
    """Rows whose input is written: all faults, and the largest error of sections without any."""
    for section in report.sections:
        faults = [row for row in section.rows if row.verdict == FAULT and row.worst is not None]
        rows = faults or [row for row in [section.worst] if row is not None and row.worst is not None]
        yield from ((section, row, row.worst) for row in rows if row.worst is not None)


def _name(section: Section, row: Row) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", f"{section.name} {row.case} {row.output}".lower()).strip("_")
    return words[:80]


def _written(path: Path, worst: Worst, row: Row) -> Path:
    first = worst.structures[0]
    if first.get("pos") is not None and first["pos"].shape[1:] == (3,):
        path = path.with_suffix(".xyz")
        write_xyz(path, [_extended(one, worst, k, row) for k, one in enumerate(worst.structures)])
        return path
    path = path.with_suffix(".json")
    kept = {
        "what": worst.text,
        "motion": _motion(worst),
        "structures": [_plain(one) for one in worst.structures],
    }
    write_atomically(path, json.dumps(kept, indent=1))
    return path


def _extended(data: Data, worst: Worst, number: int, row: Row) -> Data:
    """Structure for an XYZ file, with the motion and the error in its comment line."""
    z = data.get("z")
    if z is None or z.dim() != 1 or not 0 < int(z.min()) <= int(z.max()) <= 118:
        z = torch.ones(count(data), dtype=torch.long)
    made = Data(
        z=z,
        pos=data["pos"],
        structure=_text(data["name_"]),
        what=_text(worst.text),
        number=torch.tensor([number]),
    )
    for key, value in data.to_dict().items():
        is_numbers = isinstance(value, Tensor) and value.dim() > 0 and bool(value.isfinite().all())
        if (
            key not in SKIPPED
            and is_numbers
            and "index" not in key
            and "edge" not in key
            and len(value) == len(z)
        ):
            made[key] = value.reshape(len(z), -1)
    for key in ("cell", "pbc"):
        if key in data:
            made[key] = data[key]
    if worst.motion is not None:
        made.rotation = worst.motion.rotation.reshape(1, -1)
        made.translation = worst.motion.translation.reshape(1, -1)
    if row.largest is not None and torch.isfinite(torch.tensor(row.largest)):
        made.error = torch.tensor([row.largest], dtype=torch.float64)
    return made


def _text(value: str) -> str:
    """Text that a comment line can hold."""
    return re.sub(r"[^ -~]|[\"'{}\[\]\\=]", " ", value)[:500]


def _motion(worst: Worst) -> dict[str, Any] | None:
    if worst.motion is None:
        return None
    return {"rotation": worst.motion.rotation.tolist(), "translation": worst.motion.translation.tolist()}


def _plain(data: Data) -> dict[str, Any]:
    return {k: v.tolist() if isinstance(v, Tensor) else v for k, v in data.to_dict().items()}
