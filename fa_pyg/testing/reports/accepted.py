"""Precisions and structures that a model takes, and the levels of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch_geometric.data import Data

from fa_pyg.testing.reports.structures import count, elements
from fa_pyg.testing.reports.subject import ModelError, RowsError, Subject
from fa_pyg.testing.reports.trial import Trial

__all__ = ["accepted", "by_finiteness", "first_error", "in_precisions", "noise"]


def in_precisions(
    make: Callable[[str], Subject], wanted: Sequence[str], data: Sequence[Data]
) -> tuple[dict[str, Subject], dict[str, str]]:
    """Make the model in each precision in which it can be called; also return what it raises in the others.

    Raises:
        ValueError: if there are no such precisions.
    """
    found, failed = {}, {}
    for precision in wanted:
        subject = make(precision)
        error = _error_of_all(subject, data)
        if error and precision == "float64":
            subject.sets_default = True  # a model may make tensors without telling their type
            error = _error_of_all(subject, data) and error
        if error:
            failed[precision] = error
        else:
            found[precision] = subject
    if not found:
        error = list(failed.values())[-1]
        raise ValueError(
            f"model: expected one that can be called with the data, found {error}{_hint(data, error)}"
        )
    return found, failed


def _error_of_all(subject: Subject, data: Sequence[Data]) -> str | None:
    """First error, if no structure is taken."""
    errors = []
    for one in data:
        errors.append(_error(subject, one))
        if errors[-1] is None:
            return None
    return errors[0]


def _hint(data: Sequence[Data], error: str) -> str:
    if "index" in error.lower() and (known := elements(data)):
        return f"; does the model know the elements {', '.join(map(str, known))}? Pass other data (--data)"
    if "dtype" in error:
        return "; is a type hard-coded in the model?"
    if "NoneType" in error or "edge" in error:
        return "; does the model need edges (--edges radius=5.0)?"
    return ""


def _error(subject: Subject, data: Data) -> str | None:
    """Error that the model raises for a structure, if any; levels of outputs stay as they were."""
    levels = dict(subject.levels)
    try:
        subject.numbers([data])
    except ModelError as error:
        return str(error)
    finally:
        subject.levels = levels
    return None


def first_error(subjects: Mapping[str, Subject], data: Data) -> str | None:
    """First error that the model raises for a structure, in any precision."""
    return next((error for one in subjects.values() if (error := _error(one, data))), None)


def accepted(
    subjects: Mapping[str, Subject], data: Sequence[Data]
) -> tuple[list[Data], list[tuple[Data, str]]]:
    """Return structures that the model takes, and the others with what it raises; find levels of outputs."""
    subject = list(subjects.values())[-1]
    errors = [_error(subject, one) for one in data]
    good = [one for one, error in zip(data, errors, strict=True) if error is None]
    together = subject.together
    subject.levels.clear()
    together = together and _takes_batches(subject, [*good, *good[:1]])  # several, if there are any
    if not together:
        subject.levels = _levels(subject, good)
    for one in subjects.values():
        one.together, one.levels, one.skipped = together, dict(subject.levels), subject.skipped
    return good, [(one, error) for one, error in zip(data, errors, strict=True) if error is not None]


def _takes_batches(subject: Subject, data: Sequence[Data]) -> bool:
    """Whether outputs of a batch have rows of nodes or structures; others are skipped if some have."""
    try:
        subject(data)
    except RowsError as error:
        subject.skipped.add(error.name)
        if _error(subject, data[0]) is None and _takes_batches(subject, data):
            return True
        subject.skipped.discard(error.name)
        return False
    except ModelError:  # a batch that it does not take after all
        return False
    return True


def _levels(subject: Subject, data: Sequence[Data]) -> dict[str, str]:
    """Levels of the outputs of single structures: nodes if there are as many rows in all of them."""
    rows: dict[str, list[bool]] = {}
    for one in data:
        for name, value in subject.values([one], subject.batch([one])).items():
            rows.setdefault(name, []).append(value.dim() > 0 and len(value) == count(one))
    return {name: "node" if all(fits) else "graph" for name, fits in rows.items()}


def by_finiteness(subjects: Mapping[str, Subject], data: Sequence[Data]) -> tuple[list[Data], list[Data]]:
    """Return structures whose outputs are finite, and the others."""
    found = [subject(data) for subject in subjects.values()]
    is_good = [
        all(bool(value.isfinite().all()) for values in found for value in values[k].values())
        for k in range(len(data))
    ]
    good = [one for one, fits in zip(data, is_good, strict=True) if fits]
    return good, [one for one, fits in zip(data, is_good, strict=True) if not fits]


def noise(trial: Trial) -> dict[str, float]:
    """Largest difference of each output between calls with the same input, where there is one."""
    found = dict.fromkeys((one.name for one in trial.outputs), 0.0)
    first = trial.best(trial.data)
    for _ in range(2):
        for a, b in zip(trial.best(trial.data), first, strict=True):
            for name in found:
                if a[name].numel():
                    found[name] = max(found[name], (a[name] - b[name]).abs().max().item())
    return {name: value for name, value in found.items() if value}
