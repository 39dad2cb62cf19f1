"""Run a potential on batches of molecules, such that one that fails affects no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from fa_pyg.io import is_periodic
from fa_pyg.io.elements import SYMBOLS
from fa_pyg.models import Potential

__all__ = ["batches", "is_atomic", "predicted"]


def _reason(error: Exception, source: str) -> str:
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{source}: {kind}{str(error).partition(chr(10))[0]}"


def batches(molecules: Iterable[Data], size: int) -> Iterator[list[Data]]:
    """Yield lists of at most ``size`` molecules that are periodic in the same way."""
    batch: list[Data] = []
    for data in molecules:
        if batch and (len(batch) == size or _periodicity(batch[0]) != _periodicity(data)):
            yield batch
            batch = []
        batch.append(data)
    if batch:
        yield batch


def _periodicity(data: Data) -> tuple[bool, bool]:
    """Return whether a molecule is periodic, and in all directions, which decides about its stress."""
    return is_periodic(data), is_periodic(data) and bool(data.pbc.all())


def predicted(
    model: Potential, molecules: list[Data], errors: list[str]
) -> Iterator[tuple[Data, dict[str, Tensor]]]:
    """Yield molecules with their predictions, row by row of the molecule; errors are appended to a list."""
    yield from _tried(model, [data for data in molecules if _is_known(model, data, errors)], errors)


def _is_known(model: Potential, data: Data, errors: list[str]) -> bool:
    """Return whether the elements of a molecule are in the training set."""
    try:
        unknown = model.unknown_elements(data.z.to(model.scales.device))
    except Exception as error:
        errors.append(_reason(error, data.source))
        return False
    if unknown:
        names = ", ".join(SYMBOLS[z] if 0 <= z < len(SYMBOLS) else str(z) for z in unknown)
        errors.append(f"{data.source}: expected elements of the training set, found {names}")
    return not unknown


def _tried(
    model: Potential, molecules: list[Data], errors: list[str]
) -> Iterator[tuple[Data, dict[str, Tensor]]]:
    """Run molecules together; if that fails, halves of them, down to the molecule that fails."""
    if not molecules:
        return
    try:
        results = _run(model, molecules)
    except Exception as error:
        if len(molecules) == 1:
            errors.append(_reason(error, molecules[0].source))
            return
        middle = len(molecules) // 2
        for half in (molecules[:middle], molecules[middle:]):
            yield from _tried(model, half, errors)
        return
    for data, values in zip(molecules, results, strict=True):
        odd = [name for name, value in values.items() if not value.isfinite().all()]
        if not odd:
            yield data, values
        elif len(molecules) > 1:  # because of another molecule, perhaps
            yield from _tried(model, [data], errors)
        else:
            errors.append(f"{data.source}: expected finite predictions, found others of {', '.join(odd)}")


def _run(model: Potential, molecules: list[Data]) -> list[dict[str, Tensor]]:
    keys = ("z", "pos", "cell", "pbc") if is_periodic(molecules[0]) else ("z", "pos")
    batch: Any = Batch.from_data_list([Data(**{key: data[key] for key in keys}) for data in molecules])
    batch = batch.to(model.scales.device)
    cells = {key: batch[key] for key in keys[2:]}
    stress = bool(cells) and bool(batch.pbc.all()) and model.heads.get("energy") == "scalar"
    with torch.no_grad():
        out = model(batch.z, batch.pos, batch=batch.batch, num_graphs=len(molecules), stress=stress, **cells)
    sizes = [data.num_nodes for data in molecules]
    rows = {
        name: value.double().cpu().split(sizes if is_atomic(model, name) else 1)
        for name, value in out.items()
    }
    return [{name: parts[k] for name, parts in rows.items()} for k in range(len(molecules))]


def is_atomic(model: Potential, name: str) -> bool:
    """Return whether a prediction has a row for each atom."""
    return name == "forces" or (name in model.heads and model.kinds[name].level == "node")
