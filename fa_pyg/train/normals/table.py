"""Tables of the benchmark on point clouds in markdown."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Callable, Sequence

from fa_pyg.train.normals.lines import Line
from fa_pyg.train.normals.runs import CONDITIONS, KINDS, Data

__all__ = ["tables"]

PAGE = 125  # width of the lines
ROTATIONS = ("I", "z", "SO(3)", "O(3)")
# Training and test of the published figures.
PUBLISHED = (("I", "I"), ("I", "SO(3)"), ("SO(3)", "SO(3)"))
OTHER_DATA = (
    "In brackets: published for 10 000 parts of ABC (Puny et al. 2022). They are of other data, of networks "
    "of full size, and of the epoch of the lowest *test* loss; only the order of the rows and the gaps "
    "between regimes compare."
)


def tables(lines: Sequence[Line], data: Data) -> str:
    """Return all tables of lines on the same data."""
    parts = NORMALS if data.task == "normals" else CLASSES
    made = {title: make(lines) for title, make in parts}
    return "\n".join(f"{title}\n\n{text}" for title, text in made.items() if text)


def _table(lines: Sequence[Line], columns: dict[str, Callable[[Line], str]]) -> str:
    """Return a markdown table; columns without an entry are left out."""
    cells = {title: [cell(line) for line in lines] for title, cell in columns.items()}
    cells = {title: column for title, column in cells.items() if any(column)}
    if not cells:
        return ""
    text = [f"| model | {' | '.join(cells)} |", "|---" * (len(cells) + 1) + "|"]
    names = [line.row.title for line in lines]
    text += [f"| {' | '.join(row)} |" for row in zip(names, *cells.values(), strict=True)]
    return "\n".join(text) + "\n"


def _regimes(lines: Sequence[Line]) -> list[str]:
    found = {regime for line in lines for regime in line.regimes}
    return [regime for regime in ROTATIONS if regime in found]


def _losses(lines: Sequence[Line]) -> str:
    pairs = [(regime, test) for regime in _regimes(lines) for test in ROTATIONS]
    return _table(lines, {f"{a}/{b}": _loss(a, b) for a, b in pairs}) + _about_published(lines)


def _about_published(lines: Sequence[Line]) -> str:
    known = any(line.row.published for line in lines)
    return f"\n{textwrap.fill(OTHER_DATA, PAGE)}\n" if known else ""


def _loss(regime: str, test: str) -> Callable[[Line], str]:
    def cell(line: Line) -> str:
        text = _spread(line.values("loss", regime, test), "{:.4f}")
        published = line.row.published
        if not text or published is None or (regime, test) not in PUBLISHED:
            return text
        return f"{text} ({published[PUBLISHED.index((regime, test))]:.3f})"

    return cell


def _scores(form: str, conditions: Sequence[str]) -> Callable[[Sequence[Line]], str]:
    def make(lines: Sequence[Line]) -> str:
        pairs = [(regime, test) for regime in _regimes(lines) for test in conditions]
        return _table(lines, {f"{a}/{b}": _score(form, a, b) for a, b in pairs})

    return make


def _score(form: str, regime: str, test: str) -> Callable[[Line], str]:
    return lambda line: _spread(line.values("score", regime, test), form)


def _by_kind(lines: Sequence[Line]) -> str:
    parts = [(regime, kind) for regime in _regimes(lines) for kind in KINDS]
    return _table(lines, {f"{kind}, {regime}/{regime}": _kind(regime, kind) for regime, kind in parts})


def _kind(regime: str, kind: str) -> Callable[[Line], str]:
    def cell(line: Line) -> str:  # nan where the test has no such surface
        found = [one for one in line.values(kind, regime, regime) if math.isfinite(one)]
        return f"{statistics.mean(found):.1f}" if found else ""

    return cell


def _spread(values: Sequence[float], form: str) -> str:
    """Return mean and standard deviation over seeds, and how many diverged; nothing without a value."""
    finite = [one for one in values if math.isfinite(one)]
    if not finite:
        return "diverged" if values else ""
    text = form.format(statistics.mean(finite))
    text += f" ± {form.format(statistics.stdev(finite))}" if len(finite) > 1 else ""
    lost = len(values) - len(finite)
    return f"{text} ({lost} of {len(values)} diverged)" if lost else text


def _costs(lines: Sequence[Line]) -> str:
    return _table(
        lines,
        {
            "seeds": lambda line: str(max(map(len, line.runs.values()))),
            "parameters": lambda line: str(next(line.trainings()).parameters),
            "epochs": _epochs,
            "CPU min": lambda line: f"{statistics.mean(r.cpu_seconds for r in line.trainings()) / 60:.1f}",
            "clouds per s": lambda line: "" if line.forward is None else f"{1e3 / line.forward:.0f}",
            "time / backbone's": lambda line: "" if line.ratio is None else f"{line.ratio:.2f}",
            "equivariance error": lambda line: f"{max(r.equivariance for r in line.trainings()):.1e}",
            "its median": lambda line: f"{max(r.equivariance_median for r in line.trainings()):.1e}",
        },
    )


def _symmetric(lines: Sequence[Line]) -> str:
    names = dict.fromkeys(name for line in lines for name in line.symmetric)
    return _table(lines, {name.replace("_", " "): _on_symmetric(name) for name in names})


def _on_symmetric(name: str) -> Callable[[Line], str]:
    return lambda line: f"{line.symmetric[name]:.1e}" if name in line.symmetric else ""


def _epochs(line: Line) -> str:
    epochs = sorted({run.epochs for run in line.trainings()})
    text = str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    return f"{text} of {line.wanted}" if epochs[0] < line.wanted else text


DISTURBED = [name for name in CONDITIONS if name not in ROTATIONS]
NORMALS = (
    ("Loss, mean of 1 - (n · n')², training/test rotation", _losses),
    ("Root mean square angle of a cloud in degrees, training/test rotation", _scores("{:.2f}", ROTATIONS)),
    (
        "Root mean square angle in degrees with noise (of the root mean square radius) and uneven density",
        _scores("{:.2f}", DISTURBED),
    ),
    ("Root mean square angle in degrees by kind of surface", _by_kind),
    (
        "Cost; and the angle in degrees between f(gx) and g f(x) for random rotations g of the test clouds, "
        "in float32: root mean square and median, the largest of all trainings",
        _costs,
    ),
    (
        "The same root mean square angle for eight rotations of parts whose points are symmetric to "
        "rounding, of a model of the first seed",
        _symmetric,
    ),
)
CLASSES = (
    ("Accuracy, training/test rotation", _scores("{:.1%}", ROTATIONS)),
    ("Accuracy with noise (of the root mean square radius) and uneven density", _scores("{:.1%}", DISTURBED)),
    (
        "Cost; and the deviation of the logits under random rotations of the test clouds, in float32, "
        "relative to the largest: maximum and median over clouds, the largest of all trainings",
        _costs,
    ),
)
