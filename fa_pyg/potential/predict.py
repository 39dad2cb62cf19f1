"""Predict energies, forces, ... for XYZ files with a trained potential."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.builders.weighted.smoothness import SMOOTHNESS
from fa_pyg.files import atomic_write
from fa_pyg.io import XYZError, find_files, is_periodic, iterate_xyz, write_xyz
from fa_pyg.models import Potential
from fa_pyg.potential.batches import batches, is_atomic, predicted
from fa_pyg.potential.device import find_device
from fa_pyg.potential.saved import load

__all__ = ["Report", "main", "predict"]


@dataclass
class Report:
    """Outcome of a prediction: the number of molecules that are ``done``, and an error for every other."""

    done: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, error: XYZError) -> None:
        self.errors.append(f"{error}; the rest of the file was not read" if error.ends_file else str(error))


def predict(
    model: Potential, files: Iterable[str | Path], out: str | Path, batch_size: int = 64, device: str = "cpu"
) -> Report:
    """Write the predictions of a potential for all molecules of XYZ files, in their order, as extended XYZ.

    The comment line of a molecule has its predictions (forces and other numbers of atoms are columns), and in
    ``source`` its file and line; characters of the file name that would break the line are written as in a
    URL (``%0A``), which ``urllib.parse.unquote_to_bytes`` takes back. A molecule is left out and reported
    with its file and line if it cannot be read, has an element that is not in the training set, makes the
    model fail in any way, or has predictions that are not finite; the rest of its file as well, if it is
    unclear where the next molecule begins. No molecule affects the predictions of another. Memory is that of
    a batch, and the output appears under its name when it is complete.

    Args:
        model: in evaluation mode; its weights may be float32: positions are read, and frames computed, in
            float64.
        files: files, and folders of them.
        out: the file to write.
        batch_size: molecules in a call of the model.
        device: to run on.

    Raises:
        ValueError: if the file to write is one of those to read, or a folder; for a device that does not
            exist, and an empty batch.
    """
    checks.integer("batch_size", batch_size)
    report, model, out, files = Report(), model.to(find_device(device)), Path(out), list(files)
    if out.exists() and any(path.exists() and path.samefile(out) for path in _found(files, Report())):
        raise ValueError(f"out: expected another file than those to read, found {out}, which is among them")
    atomic = [name for name in (*model.heads, "forces") if is_atomic(model, name)]
    with atomic_write(out) as file:
        for molecules in batches(_readable(files, report), batch_size):
            for data, values in predicted(model, molecules, report.errors):
                cell = {"cell": data.cell, "pbc": data.pbc} if is_periodic(data) else {}
                rows = {name: value.reshape(len(value), -1).squeeze(1) for name, value in values.items()}
                result = Data(z=data.z, pos=data.pos, source=data.source, **cell, **rows)
                report.done += write_xyz(file, result, columns=atomic, digits=10, source=True)
    return report


def _readable(files: Iterable[str | Path], report: Report) -> Iterator[Data]:
    """Yield the molecules of all files; errors go to the report."""
    for path in _found(files, report):
        yield from iterate_xyz(path, on_error=report.add, dtype=torch.float64)


def _found(files: Iterable[str | Path], report: Report) -> Iterator[Path]:
    """Yield the files, and those of folders."""
    for given in files:
        try:
            paths = find_files(given)
        except (ValueError, OSError) as error:
            report.errors.append(str(error))
            continue
        yield from paths


def _shown(text: str) -> str:
    """Escape what is not printable: file names may hold anything."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def main(args: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line; return 0, 1 if molecules were left out, or 2 if nothing was done."""
    description = "Predict energies, forces, ... for XYZ files with a trained model."
    parser = argparse.ArgumentParser(prog, description=description, allow_abbrev=False)
    parser.add_argument("checkpoint", help="best.ckpt of a run, or the folder of the run")
    parser.add_argument("files", nargs="+", help="XYZ files, plain, extended or gzipped, and folders of them")
    parser.add_argument("-o", "--out", required=True, help="extended XYZ to write")
    parser.add_argument("--batch_size", type=int, default=64, help="molecules in a call of the model (64)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        help="a class or module that config.yaml may name, beside those of fa_pyg",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the network")
    parser.add_argument("--frame", choices=SMOOTHNESS, help="to evaluate in; default: that of the training")
    given = parser.parse_args(args)
    if given.batch_size < 1:
        parser.error(f"--batch_size: expected 1 or more, found {given.batch_size}")
    try:
        find_device(given.device, "--device")
        model = load(given.checkpoint, given.trust)
        model = model if given.frame is None else model.set_frame(given.frame)
        model = model.to(getattr(torch, given.dtype))
        report = predict(model, given.files, given.out, given.batch_size, given.device)
    except (ValueError, OSError) as error:
        print(_shown(f"error: {error}"), file=sys.stderr)
        return 2
    for error in report.errors:
        print(_shown(error), file=sys.stderr)
    left = f", {len(report.errors)} errors" if report.errors else ""
    print(_shown(f"{report.done} molecules{left}; written to {given.out}"))
    if report.done:
        print(
            _shown(f'next: fa_pyg.io.read_xyz("{given.out}") has them as attributes; ase reads the file, too')
        )
    return 1 if report.errors else 0
