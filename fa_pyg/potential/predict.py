"""Predictions for XYZ files: read, run in batches and written as extended XYZ, structure by structure."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from fa_pyg.builders.weighted import LEVELS
from fa_pyg.files import atomic_write
from fa_pyg.io.elements import SYMBOLS
from fa_pyg.io.xyz.blocks import Block, Text
from fa_pyg.io.xyz.collect import find_files
from fa_pyg.io.xyz.open import XYZError
from fa_pyg.io.xyz.parse import Reading, structure
from fa_pyg.io.xyz.stream import each
from fa_pyg.models import Potential
from fa_pyg.potential.device import find_device
from fa_pyg.potential.predicted import is_periodic, write_structure
from fa_pyg.potential.saved import load

__all__ = ["Report", "main", "predict"]

READING = Reading(dtype=torch.float64)  # the model may be float32, the frames need the digits


@dataclass
class Report:
    """What became of the molecules: how many were ``done``, and what was wrong with the others."""

    done: int = 0
    errors: list[str] = field(default_factory=list)


def predict(
    model: Potential, files: Iterable[str | Path], out: str | Path, batch_size: int = 64, device: str = "cpu"
) -> Report:
    """Write the predictions of a model for all molecules of XYZ files, in their order, as extended XYZ.

    Each has the predictions in its comment (forces and other numbers of atoms in columns), and in ``source``
    its file and line; what would not be one word of UTF-8 in the name of the file is written as in a URL
    (``%0A``), which ``urllib.parse.unquote_to_bytes`` takes back. A molecule that cannot be read, that has an
    element the model has not seen, for which the model fails in whatever way, or whose predictions are not
    finite is left out and reported with its file and line; where it is not clear how many lines it has, so is
    the rest of its file. No molecule spoils the predictions of another. Memory is that of a batch, and the
    output appears under its name when it is complete.

    Args:
        model: in evaluation mode; its numbers may be float32: positions are read, and frames computed, in
            float64.
        files: files, and folders of them.
        out: the file to write.
        batch_size: molecules that are run together.
        device: to run on.

    Raises:
        ValueError: if the file to write is one of those to read, or a folder; for a device that is not there,
            and for a batch of none.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: expected 1 or more, found {batch_size}")
    report, model, out, files = Report(), model.to(find_device(device)), Path(out), list(files)
    if out.exists() and any(path.exists() and path.samefile(out) for path in _found(files, Report())):
        raise ValueError(f"out: found {out}, which is among the files to read, expected another")
    with atomic_write(out) as file:
        for molecules in _batches(_readable(files, report), batch_size):
            for data, values in _predicted(model, molecules, report):
                write_structure(file, data, values, [name for name in values if _of_atoms(model, name)])
                report.done += 1
    return report


def _readable(files: Iterable[str | Path], report: Report) -> Iterator[Data]:
    """The molecules of all files; what is wrong goes to the report."""
    for path in _found(files, report):
        yield from _molecules(path, report)


def _found(files: Iterable[str | Path], report: Report) -> Iterator[Path]:
    """The files, and those of folders."""
    for given in files:
        try:
            paths = find_files(given)
        except (ValueError, OSError) as error:
            report.errors.append(str(error))
            continue
        yield from paths


def _molecules(path: Path, report: Report) -> Iterator[Data]:
    try:
        for _, _, data in each(path, READING, lambda text, block: _molecule(text, block, report)):
            if data is not None:
                yield data
    except Exception as error:  # where the next one begins is not known
        report.errors.append(f"{_reason(error, path)}; the rest of the file was not read")


def _molecule(text: Text, block: Block, report: Report) -> Data | None:
    try:
        return structure(text, block, READING)
    except Exception as error:  # one molecule, whatever is wrong with it, is not all of them
        report.errors.append(_reason(error, f"{text.file}, line {text.number(block.start)}"))
    return None


def _reason(error: Exception, where: object) -> str:
    """What is wrong, and where; errors of the reader say both."""
    if isinstance(error, XYZError):
        return str(error)
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{where}: {kind}{str(error).partition(chr(10))[0]}"


def _batches(molecules: Iterable[Data], size: int) -> Iterator[list[Data]]:
    """Lists of at most so many molecules, of which all have a stress or none has."""
    held: list[Data] = []
    for data in molecules:
        if held and (len(held) == size or _kind(held[0]) != _kind(data)):
            yield held
            held = []
        held.append(data)
    if held:
        yield held


def _kind(data: Data) -> tuple[bool, bool]:
    """Whether a molecule is periodic, and in all directions: what is said of it depends on no other."""
    return is_periodic(data), is_periodic(data) and bool(data.pbc.all())


def _predicted(
    model: Potential, molecules: list[Data], report: Report
) -> Iterator[tuple[Data, dict[str, Tensor]]]:
    """Each molecule with its predictions."""
    yield from _tried(model, [data for data in molecules if _is_known(model, data, report)], report)


def _is_known(model: Potential, data: Data, report: Report) -> bool:
    """Whether the model has seen the elements of a molecule."""
    try:
        unknown = model.unknown_elements(data.z.to(model.scales.device))
    except Exception as error:
        report.errors.append(_reason(error, data.source))
        return False
    if unknown:
        names = ", ".join(SYMBOLS[z] if 0 <= z < len(SYMBOLS) else str(z) for z in unknown)
        report.errors.append(f"{data.source}: found {names}, expected elements of the training set")
    return not unknown


def _tried(
    model: Potential, molecules: list[Data], report: Report
) -> Iterator[tuple[Data, dict[str, Tensor]]]:
    """Runs molecules together, and where that fails in halves, down to the one that it is."""
    if not molecules:
        return
    try:
        found = _run(model, molecules)
    except Exception as error:
        if len(molecules) == 1:
            report.errors.append(_reason(error, molecules[0].source))
            return
        middle = len(molecules) // 2
        for half in (molecules[:middle], molecules[middle:]):
            yield from _tried(model, half, report)
        return
    for data, values in zip(molecules, found, strict=True):
        odd = [name for name, value in values.items() if not value.isfinite().all()]
        if not odd:
            yield data, values
        elif len(molecules) > 1:  # another one may have spoilt it
            yield from _tried(model, [data], report)
        else:
            report.errors.append(f"{data.source}: found {', '.join(odd)} that are not finite")


def _run(model: Potential, molecules: list[Data]) -> list[dict[str, Tensor]]:
    keys = ("z", "pos", "cell", "pbc") if is_periodic(molecules[0]) else ("z", "pos")
    batch = Batch.from_data_list([Data(**{key: data[key] for key in keys}) for data in molecules])
    batch = batch.to(model.scales.device)
    cells = {key: batch[key] for key in keys[2:]}
    stress = bool(cells) and bool(batch.pbc.all()) and model.heads.get("energy") == "scalar"
    with torch.no_grad():
        out = model(batch.z, batch.pos, batch=batch.batch, num_graphs=len(molecules), stress=stress, **cells)
    sizes = [data.num_nodes for data in molecules]
    rows = {
        name: value.double().cpu().split(sizes if _of_atoms(model, name) else 1)
        for name, value in out.items()
    }
    return [{name: parts[k] for name, parts in rows.items()} for k in range(len(molecules))]


def _of_atoms(model: Potential, name: str) -> bool:
    return name == "forces" or (name in model.heads and model.kinds[name].level == "node")


def _shown(text: str) -> str:
    """Text in one line that any terminal takes: names of files may be neither."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, 1 where molecules had to be left out, or 2 where nothing was done."""
    parser = argparse.ArgumentParser(
        description="Predict energies, forces, ... for XYZ files with a trained model.", allow_abbrev=False
    )
    parser.add_argument("checkpoint", help="best.ckpt of a run, or the folder of the run")
    parser.add_argument("files", nargs="+", help="XYZ files, plain, extended or gzipped, and folders of them")
    parser.add_argument("-o", "--out", required=True, help="extended XYZ to write")
    parser.add_argument("--batch_size", type=int, default=64, help="molecules that are run together (64)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        help="a class or module that config.yaml may name, beside fa_pyg's",
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the network")
    parser.add_argument("--frame", choices=LEVELS, help="to evaluate in; that of the training if not given")
    given = parser.parse_args(args)
    if given.batch_size < 1:
        parser.error(f"--batch_size is {given.batch_size}, expected 1 or more")
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
    return 1 if report.errors else 0
