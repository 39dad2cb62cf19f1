"""Predict energies, forces, ... for XYZ files with a trained potential."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.files import atomic_write
from fa_pyg.io import XYZError, find_files, is_periodic, iterate_xyz, write_xyz
from fa_pyg.models import Potential
from fa_pyg.options import predict as options
from fa_pyg.options import printable
from fa_pyg.potential.batches import batches, is_atomic, predicted
from fa_pyg.potential.device import default_device, find_device
from fa_pyg.potential.saved import load

__all__ = ["Report", "main", "predict", "run"]


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
    a batch, and the output appears under its name when it is complete; it is not written without molecules.

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
    with suppress(_NothingDone), atomic_write(out) as file:
        for molecules in batches(_readable(files, report), batch_size):
            for data, values in predicted(model, molecules, report.errors):
                cell = {"cell": data.cell, "pbc": data.pbc} if is_periodic(data) else {}
                rows = {name: value.reshape(len(value), -1).squeeze(1) for name, value in values.items()}
                result = Data(z=data.z, pos=data.pos, source=data.source, **cell, **rows)
                report.done += write_xyz(file, result, columns=atomic, digits=10, source=True)
        if not report.done:
            raise _NothingDone  # a file of an earlier prediction stays
    return report


class _NothingDone(Exception):
    """End of a prediction without molecules."""


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


def main(args: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line; return 0, 1 if molecules were left out, or 2 if nothing was done."""
    try:
        return run(options.molecules(args, prog))
    except (ValueError, OSError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2


def run(given: Namespace) -> int:
    """Predict with the options of a command line, and say what was done; return as :func:`main`.

    Raises:
        ValueError: for a model that cannot be loaded, and as :func:`predict`.
    """
    device = default_device() if given.device is None else given.device
    find_device(device, "--device")
    model = load(given.checkpoint, given.trust)
    model = model if given.frame is None else model.set_frame(given.frame)
    model = model.to(getattr(torch, given.dtype))
    report = predict(model, given.files, given.out, given.batch_size, device)
    for error in report.errors:
        print(printable(error), file=sys.stderr)
    left = f"{len(report.errors)} error{'s' * (len(report.errors) != 1)}"
    if not report.done:
        print(
            printable(f"error: no molecule was predicted, {left}; {given.out} is not written"),
            file=sys.stderr,
        )
        return 2
    print(printable(f"{report.done} molecules{f', {left}' * bool(report.errors)}; written to {given.out}"))
    print(
        printable(f'next: fa_pyg.io.read_xyz("{given.out}") has them as attributes; ase reads the file, too')
    )
    return 1 if report.errors else 0
