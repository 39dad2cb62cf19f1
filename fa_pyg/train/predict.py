"""Predictions for XYZ files: read, run in batches and written as extended XYZ, one after the other."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from fa_pyg.datasets._xyz_blocks import Block, Text
from fa_pyg.datasets._xyz_collect import find_files
from fa_pyg.datasets._xyz_parse import Reading, structure
from fa_pyg.datasets._xyz_stream import each
from fa_pyg.datasets.elements import SYMBOLS
from fa_pyg.files import atomic_write
from fa_pyg.models import Potential
from fa_pyg.train.load import load_potential

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
    """Writes what a model says of all molecules of XYZ files, in their order, as extended XYZ.

    Each has the predictions in its comment (forces and other numbers of atoms in columns), and in ``source``
    its file and line. A molecule that cannot be read, that has an element the model has not seen, or whose
    predictions are not finite is left out and reported with its file and line; where it is not clear how many
    lines it has, so is the rest of its file. Memory is that of a batch, and the output appears under its name
    when it is complete.

    Args:
        model: in evaluation mode; its numbers may be float32: positions are read, and frames computed, in
            float64.
        files: files, and folders of them.
        out: the file to write.
        batch_size: molecules that are run together.
        device: to run on.

    Raises:
        ValueError: if the file to write is one of those to read.
    """
    report, model, out, files = Report(), model.to(device), Path(out), list(files)
    if out.exists() and any(path.exists() and path.samefile(out) for path in _found(files, Report())):
        raise ValueError(f"out: found {out}, which is among the files to read, expected another")
    with atomic_write(out) as file:
        for molecules in _batches(_readable(files, report), batch_size):
            for data, values in _predicted(model, molecules, device, report):
                _write(file, data, values, [name for name in values if _of_atoms(model, name)])
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
        except ValueError as error:
            report.errors.append(str(error))
            continue
        yield from paths


def _molecules(path: Path, report: Report) -> Iterator[Data]:
    try:
        for _, _, data in each(path, READING, lambda text, block: _molecule(text, block, report)):
            if data is not None:
                yield data
    except ValueError as error:  # where the next one begins is not known
        report.errors.append(f"{error}; the rest of the file was not read")


def _molecule(text: Text, block: Block, report: Report) -> Data | None:
    try:
        return structure(text, block, READING)
    except ValueError as error:
        report.errors.append(str(error))
    return None


def _batches(molecules: Iterable[Data], size: int) -> Iterator[list[Data]]:
    """Lists of at most so many molecules, of which all are periodic or none is."""
    held: list[Data] = []
    for data in molecules:
        if held and (len(held) == size or _is_periodic(held[0]) != _is_periodic(data)):
            yield held
            held = []
        held.append(data)
    if held:
        yield held


def _is_periodic(data: Data) -> bool:
    return "pbc" in data and bool(data.pbc.any())


def _predicted(
    model: Potential, molecules: list[Data], device: str, report: Report
) -> Iterator[tuple[Data, dict[str, Tensor]]]:
    """Each molecule with what is said of it."""
    good = []
    for data in molecules:
        if unknown := model.unknown_elements(data.z.to(model.scales.device)):
            names = ", ".join(SYMBOLS[z] for z in unknown)
            report.errors.append(f"{data.source}: found {names}, expected elements of the training set")
        else:
            good.append(data)
    try:
        found = _run(model, good, device) if good else []
    except ValueError as error:
        if len(good) == 1:
            report.errors.append(f"{good[0].source}: {error}")
            return
        for data in good:  # one of them it is
            yield from _predicted(model, [data], device, report)
        return
    for data, values in zip(good, found, strict=True):
        if odd := [name for name, value in values.items() if not value.isfinite().all()]:
            report.errors.append(f"{data.source}: found {', '.join(odd)} that are not finite")
        else:
            yield data, values


def _run(model: Potential, molecules: list[Data], device: str) -> list[dict[str, Tensor]]:
    keys = ("z", "pos", "cell", "pbc") if _is_periodic(molecules[0]) else ("z", "pos")
    batch = Batch.from_data_list([Data(**{key: data[key] for key in keys}) for data in molecules]).to(device)
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
    return name == "forces" or model.heads.get(name, "").startswith("node")


def _write(file: TextIO, data: Data, values: dict[str, Tensor], atomic: Sequence[str]) -> None:
    """One structure of extended XYZ; ``atomic`` names what goes to the columns."""
    columns = {"pos": data.pos, **{name: values[name] for name in atomic}}
    whole = {name: value for name, value in values.items() if name not in columns}
    columns = {name: value.reshape(len(data.z), -1) for name, value in columns.items()}
    layout = "".join(f":{name}:R:{value.size(1)}" for name, value in columns.items())
    entries = [f"Properties=species:S:1{layout}"]
    if _is_periodic(data):
        flags = " ".join("T" if one else "F" for one in data.pbc.flatten().tolist())
        entries = [f'Lattice="{_numbers(data.cell)}"', *entries, f'pbc="{flags}"']
    for name, value in whole.items():
        text = _numbers(value)
        entries.append(f'{name}="{text}"' if " " in text else f"{name}={text}")
    entries.append(f'source="{data.source}"')
    file.write(f"{len(data.z)}\n{' '.join(entries)}\n")
    table = torch.cat(list(columns.values()), dim=1).tolist()
    for z, row in zip(data.z.tolist(), table, strict=True):
        file.write(f"{SYMBOLS[z]:2s} {' '.join(f'{x:18.10f}' for x in row)}\n")


def _numbers(value: Tensor) -> str:
    return " ".join(f"{x:.10f}" for x in value.flatten().tolist())


def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns 0, or 1 where molecules had to be left out."""
    parser = argparse.ArgumentParser(description="What a model says of molecules.")
    parser.add_argument("checkpoint", help="best.ckpt of a run, or the folder of the run")
    parser.add_argument("files", nargs="+", help="XYZ files, plain, extended or gzipped, and folders of them")
    parser.add_argument("-o", "--out", required=True, help="extended XYZ to write")
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="of the network")
    given = parser.parse_args(args)
    if given.batch_size < 1:
        parser.error(f"--batch_size is {given.batch_size}, expected 1 or more")
    try:
        model = load_potential(given.checkpoint).to(getattr(torch, given.dtype))
        report = predict(model, given.files, given.out, given.batch_size, given.device)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for error in report.errors:
        print(error, file=sys.stderr)
    left = f", {len(report.errors)} errors" if report.errors else ""
    print(f"{report.done} molecules{left}; written to {given.out}")
    return 1 if report.errors else 0
