"""Inputs of the command line: calculators of trained models, names of runs, and the initial structure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["calculator", "names", "start"]


def calculator(
    checkpoint: str | Path,
    numbers: Any,
    dtype: str,
    device: str,
    trust: str | Iterable[str] = (),
    frame: str | None = None,
) -> Any:
    """Load the calculator of a run, to evaluate in a frame of another smoothness if one is given.

    Raises:
        ValueError: naming the checkpoint, if it predicts no forces or was not trained on one of the elements;
            as :class:`~fa_pyg.ase.FACalculator`.
    """
    import torch

    from fa_pyg.ase import FACalculator

    found = FACalculator(checkpoint, device=device, dtype=dtype, trust=trust)
    found.allow_nan = True  # a run stops there, and keeps the states before
    if frame is not None and not found.model.is_framed:
        raise ValueError(f"{checkpoint}: expected a model in a frame for --frame {frame}, found one without")
    if frame is not None:
        found.model.set_frame(frame)
    if not found.model.gradient and "forces" not in found.model.heads:
        raise ValueError(f"{checkpoint}: expected a model of forces, found one of {found.model.heads}")
    if unknown := found.model.unknown_elements(torch.as_tensor(numbers, device=device)):
        raise ValueError(f"{checkpoint}: expected elements of its training set, found {unknown}")
    return found


def names(checkpoints: Sequence[str | Path]) -> list[str]:
    """Return the names of the runs; equal names are followed by the version, then by the file.

    Raises:
        ValueError: for a checkpoint that is given twice.
    """
    files = [_file(one) for one in checkpoints]
    if twice := [str(file) for file, count in Counter(files).items() if count > 1]:
        raise ValueError(f"{twice[0]}: expected different checkpoints, found it twice")
    found = [_name(file) for file in files]
    for part in (lambda file: file.parent.name, lambda file: file.stem, lambda file: str(files.index(file))):
        counts = Counter(found)
        longer = [f"{name}_{part(file)}" for name, file in zip(found, files, strict=True)]
        found = [more if counts[name] > 1 else name for name, more in zip(found, longer, strict=True)]
    return found


def start(checkpoint: str | Path, xyz: str | None, index: int, trust: str | Iterable[str] = ()) -> Any:
    """Return the ASE ``Atoms`` of an XYZ file, or of a molecule of the test set of a run.

    Raises:
        ValueError: for a file without exactly one structure, an index out of range; as the readers.
    """
    import torch
    from ase import Atoms

    from fa_pyg.io import is_periodic, read_xyz

    if xyz is None:
        data = _tested(checkpoint, index, trust)
    else:
        found = read_xyz(xyz, dtype=torch.float64)
        if len(found) != 1:
            raise ValueError(f"{xyz}: expected one structure to start from, found {len(found)}")
        data = found[0]
    cell = {}
    if is_periodic(data):
        cell = {"cell": data.cell.reshape(3, 3).numpy(), "pbc": data.pbc.flatten().tolist()}
    return Atoms(data.z.tolist(), data["pos"].double().numpy(), **cell)


def _tested(checkpoint: str | Path, index: int, trust: str | Iterable[str]) -> Any:
    from fa_pyg.train.tasks.load_split import load_split

    split = load_split(checkpoint, "test", trust)
    if not 0 <= index < len(split):
        last = len(split) - 1
        raise ValueError(f"--index: expected 0 to {last}, a molecule of the test set, found {index}")
    return split[index]


def _file(checkpoint: str | Path) -> Path:
    path = Path(checkpoint).resolve()
    return path / "best.ckpt" if path.is_dir() else path


def _name(file: Path) -> str:
    """Return the name of a run, which is safe as the name of a folder below the output."""
    from fa_pyg.config.plain import read

    try:
        found = read(file.parent / "config.yaml").get("name")
    except ValueError:  # explained when the model is loaded
        found = None
    name = Path(str(found)).name if found is not None else ""
    return name if re.fullmatch(r"(?!\.)[\w. +-]{1,100}", name) else file.parent.name
