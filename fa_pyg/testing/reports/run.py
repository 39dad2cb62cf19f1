"""Run of all checks on a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from fa_pyg import checks
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.output_structure import output_spec
from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.reports.forces import check_forces
from fa_pyg.testing.reports.gradients import check_gradients
from fa_pyg.testing.reports.lines import check_continuity
from fa_pyg.testing.reports.modes import check_finite, check_modes, check_repeated
from fa_pyg.testing.reports.motions import check_motions, check_translations
from fa_pyg.testing.reports.order import check_batch, check_permutations
from fa_pyg.testing.reports.prepared import Prepared, Settings, prepared
from fa_pyg.testing.reports.result import FAULT, Report, Row, Section
from fa_pyg.testing.reports.scans import check_scans
from fa_pyg.testing.reports.subject import ModelError

__all__ = ["SECTIONS", "report"]

# Checks by name, in the order of the report.
SECTIONS: dict[str, Callable[[Prepared], Section]] = {
    "finite": lambda p: check_finite(p.trial, p.infinite, p.left_out, p.symmetric),
    "determinism": lambda p: check_repeated(p.trial),
    "batch": lambda p: check_batch(p.trial),
    "permutation": lambda p: check_permutations(p.trial),
    "translation": lambda p: check_translations(p.trial),
    "equivariance": lambda p: check_motions(p.trial),
    "gradients": lambda p: check_gradients(p.trial, p.model),
    "forces": lambda p: check_forces(p.trial),
    "continuity": lambda p: check_continuity(p.trial),
    "smoothness": lambda p: check_scans(p.trial),
    "modes": lambda p: check_modes(p.trial, p.model, p.subject, p.settings.training),
}
"""Sections of a report, by name, in their order."""


def report(
    model: Callable,
    data: Any = None,
    group: GroupLike = "E(3)",
    inputs: Mapping[str, RepLike] | None = None,
    output: Mapping[str, RepLike] | RepLike | None = None,
    *,
    names: Mapping[str, str] | None = None,
    edges: float | None = None,
    only: Iterable[str] | None = None,
    num: int = 20,
    dtype: str | None = None,
    training: bool = False,
    tol: float | None = None,
    quick: bool | None = None,
    seed: int = 0,
    allow_errors: bool = False,
) -> Report:
    r"""Check whether a model is equivariant, independent of the batch, conservative, continuous, ...

    Each error is the largest difference of an entry of an output, relative to the *variation* of the output:
    the root mean square of its change when points move by a tenth of the distance of neighbors. As rounding
    explains, errors may amount to

    .. math:: 1000\, \varepsilon \Big(|y| + \frac{\Delta y}{\sigma} |x|\Big)

    with the precision :math:`\varepsilon` of the type, the size \|y\| of the output, the largest coordinate
    \|x\|, and the change :math:`\Delta y` of the output for a displacement :math:`\sigma`. Larger ones are
    faults, unless they are 1e5 times as small in float64 as in float32, and below 1e-6.

    Args:
        model: a module, or any function, of tensors that are recognized by their names (``z`` or
            ``atomic_numbers``, ``pos``, ``positions`` or ``coords``, ``batch``, ``edge_index``, ``cell``,
            ...), of one PyG ``Data``, or of one dict. It is copied, and not changed.
        data: structures, as PyG data: ``pos [N, d]``, and what else the model takes. Default: small
            molecules.
        group: e.g. ``"E(3)"``, ``"SO(2)"``, ``"Oh"``, ``"S(n)"`` for graphs.
        inputs: representations of the attributes that transform, beside ``pos``, a point, and ``vel``,
            ``velocity``, ``normal`` and ``cell``, vectors. Default: those that a framed model declares.
        output: representation of the output, or of each by name. Default: those that a framed model declares,
            else by name, shape and trial.
        names: the attribute of the data that a parameter of the model receives, where its name does not tell.
        edges: cutoff of a radius graph, for models that take ``edge_index`` where the data have none.
        only: some of :data:`SECTIONS`; default all.
        num: number of structures that are taken from the data, evenly.
        dtype: ``"float32"`` or ``"float64"``, to check in one precision. Default both.
        training: whether the model is checked in training mode.
        tol: bound on errors relative to the variation, for models that are equivariant up to it.
        quick: fewer motions, lines and scans; default if the model is slow.
        seed: of all random numbers.
        allow_errors: accept that the model raises on some of the structures, which are left out; default: a
            fault.

    Raises:
        ValueError: naming the argument: for a model that cannot be called with the data, parameters that
            nothing is known of, and outputs that are not tensors.

    Not guaranteed: to find faults that show only on other inputs; jumps narrower than the lines resolve.
    """
    checks.function("model", model, expected="a module or a function")
    checks.integer("num", num)
    checks.integer("seed", seed, 0, checks.MOST)
    checks.number("edges", edges, above=0, optional=True)
    checks.number("tol", tol, 0, optional=True)
    checks.flag("training", training)
    checks.flag("allow_errors", allow_errors)
    checks.flag("quick", quick, optional=True)
    checks.one_of("dtype", dtype, ("float32", "float64"), optional=True)
    wanted = checks.some_of("only", only, SECTIONS) or list(SECTIONS)
    start = time.perf_counter()
    inputs, output = _checked_inputs(inputs), _checked_output(output)
    checks.instance("names", names, Mapping, "a dict of parameters and attributes", optional=True)
    fixed = (edges, num, dtype, training, tol, quick, seed, allow_errors)
    settings = Settings(Group.of(group), inputs, output, names or {}, *fixed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        ready = _prepared(model, data, settings)
        wanted = wanted if ready.trial.given else ["finite"]  # outputs are not finite on any structure
        sections = [_checked(name, check, ready) for name, check in SECTIONS.items() if name in wanted]
    raised = len(ready.left_out)
    counts = (ready.trial.taken + raised, raised, allow_errors)
    return Report(tuple(ready.facts), tuple(sections), time.perf_counter() - start, *counts)


def _prepared(model: Callable, data: Any, settings: Settings) -> Prepared:
    try:
        return prepared(model, data, settings)
    except ModelError as error:
        raise ValueError(f"model: expected one that can be called with the data, found {error}") from error


def _checked_inputs(inputs: Mapping[str, RepLike] | None) -> dict[str, Rep] | None:
    if inputs is None:
        return None
    if not checks.instance("inputs", inputs, Mapping, 'a dict such as {"pos": "point"}'):
        checks.refuse("inputs", "at least one input", inputs)
    return {name: Rep.of(rep, "inputs") for name, rep in inputs.items()}


def _checked_output(output: Any) -> dict[str, Rep] | Rep | None:
    """Representation of each output by name; those of a tuple are numbered."""
    spec = None if output is None else output_spec(output)
    return {str(k): rep for k, rep in enumerate(spec)} if isinstance(spec, (tuple, list)) else spec


def _checked(name: str, check: Callable[[Prepared], Section], ready: Prepared) -> Section:
    """Section of a check, with random numbers of its own."""
    ready.trial.generator.manual_seed(ready.settings.seed + 1000 * list(SECTIONS).index(name))
    try:
        return check(ready)
    except ModelError as error:
        row = Row("all", "", FAULT, note=f"the model raises {error}")
        return Section(name, "the model can be called as this check needs", (row,))
