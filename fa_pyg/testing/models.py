"""Whether a model is equivariant: model(g x) = g model(x)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.builders import Sample
from fa_pyg.builders.read_graphs import graph_layout
from fa_pyg.copies import Call, Layout, Name, Signature
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.nn.outputs import check_level, output_spec
from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.motions import Motion, random_motion
from fa_pyg.testing.permuted import permutation, permuted, reordered

__all__ = ["assert_equivariant", "equivariance_error"]

_SMALL = 1e-3  # outputs below are judged by their absolute error: what vanishes has no relative one

Inputs = Data | Mapping[Name, Any] | Sequence[Any]


def assert_equivariant(
    model: nn.Module,
    inputs: Inputs,
    group: GroupLike,
    input_reps: Mapping[Name, RepLike] | None = None,
    output: Any = None,
    level: Any = None,
    levels: Mapping[Name, str] | None = None,
    tol: float | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Asserts that model(g x) = g model(x), for every kind of motion in a group and for permuted nodes.

    Args:
        model: any module; put it into ``eval()`` first.
        inputs: what it is called with: one ``Data``/``Batch``, a dict of keywords or a sequence of positions.
            A ``batch`` that the model does not take is left out, as a framed model does.
        group: e.g. ``"E(3)"``.
        input_reps: the representation of the inputs that transform; default what a framed model declares,
            ``{"pos": "point"}`` for others, none under S(n).
        output: the representation of the output, one, a tuple or a dict; default what a framed model
            declares, "scalar" for others.
        level, levels: of outputs and inputs, as in :class:`~fa_pyg.FrameAveraging`, with the same defaults.
        tol: bound on the error of each graph relative to the largest entry of its output, or to 1e-3 if that
            is larger. Where terms cancel, their rounding is left; so also to the output in one frame of a
            :class:`~fa_pyg.FrameAveraging`, whose average may vanish by symmetry, and to 1 % of the batch's
            largest for outputs below float64. Default 1e-10 for inputs in float64, 1e-4 otherwise.
        trials: random motions of each kind.
        seed: of the motions.

    Returns:
        The largest relative error of each case: ``proper``, ``improper``, ``translated`` (where the group has
        them) and ``permuted`` (node order within each graph).

    Raises:
        AssertionError: with the error of every case, if one is above ``tol`` or not finite.

    Not guaranteed: that graphs are kept apart, for all are moved alike: compare a batch with its graphs one
    by one as well. Where sizes do not tell how a tensor follows the nodes (one graph of as many edges as
    nodes, a matrix ``[N, N]``, an output ``[N]``) and neither its name nor ``level`` or ``levels`` do, one of
    the ways has to fit.
    """
    checks.number("tol", tol, 0, optional=True)
    errors = equivariance_error(model, inputs, group, input_reps, output, level, levels, trials, seed)
    values = _Model(model, inputs).call.values.values()
    double = any(isinstance(v, Tensor) and v.dtype == torch.float64 for v in values)
    tol = (1e-10 if double else 1e-4) if tol is None else tol
    if not all(error <= tol for error in errors.values()):  # `not <=`: NaN fails
        table = "\n".join(f"  {case:10s} {error:.3g}" for case, error in errors.items())
        raise AssertionError(
            f"not equivariant under {Group.of(group)}, relative error (tol {tol:g}):\n{table}"
        )
    return errors


def equivariance_error(
    model: nn.Module,
    inputs: Inputs,
    group: GroupLike,
    input_reps: Mapping[Name, RepLike] | None = None,
    output: Any = None,
    level: Any = None,
    levels: Mapping[Name, str] | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the errors that :func:`assert_equivariant` checks, without judging them."""
    if isinstance(model, FrameAveraging):
        input_reps, output = input_reps or model.inputs, model.output if output is None else output
        level, levels = model.level if level is None else level, levels or model.levels
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    group, spec = Group.of(group), output_spec("scalar" if output is None else output)
    generator = torch.Generator().manual_seed(seed)
    averaged, model = _in_one_frame(model, seed), _Model(model, inputs)
    check_level(spec, level, model.call.values)
    if group.permutes:
        reps, layout = {}, graph_layout(model.call, levels or {})
    else:
        reps = model.reps({"pos": "point"} if input_reps is None else input_reps)
        layout = Layout(model.call, levels, next(iter(reps)))
    values, reference = model.call.values, list(_leaves(spec, level, model({})))
    usual = _leaves(spec, level, _Model(averaged, inputs)({})) if averaged is not None else reference
    known = [(one, _body(*leaf, layout)) for leaf, (one, *_) in zip(reference, usual, strict=True)]
    errors = {}
    for case, draw in _cases(group, generator).items():
        worst = []
        for g in (draw() for _ in range(trials)):
            found = _leaves(spec, level, model({name: g(values[name], rep) for name, rep in reps.items()}))
            expected = ([g(value, rep)] for value, rep, _ in reference)
            worst += _errors(found, expected, known)
        errors[case] = _largest(worst)
    if layout.num_nodes > 1:
        errors["permuted"] = 0.0
        for _ in range(trials if group.permutes else 1):
            order, readings = permutation(layout, generator).to(_device(values)), []
            for changed in permuted(layout, order):
                expected = (list(reordered(*leaf, layout, order)) for leaf in reference)
                readings.append(_largest(_errors(_leaves(spec, level, model(changed)), expected, known)))
            errors["permuted"] = _largest([errors["permuted"], _smallest(readings)])
    return errors


def _device(values: Mapping[Name, Any]) -> torch.device:
    return next(value.device for value in values.values() if isinstance(value, Tensor))


class _Model:
    """A model with its arguments, some of which can be replaced."""

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        args, kwargs = (inputs,) if isinstance(inputs, Data) else inputs, {}
        if isinstance(inputs, Mapping):
            args, kwargs = (), inputs
        self.model = model
        self.call = Call(Signature(model), tuple(args), kwargs, extra=("batch", "num_graphs"))

    def __call__(self, changed: Mapping[Name, Any]) -> Any:
        return self.call.run(self.model, changed)

    def reps(self, reps: Mapping[Name, RepLike]) -> dict[Name, Rep]:
        name = self.call.signature.name
        named = {name(k) if isinstance(k, int) else k: Rep.of(rep, "input_reps") for k, rep in reps.items()}
        missing = [k for k in named if not isinstance(self.call.values.get(k), Tensor)]
        if missing:
            found = ", ".join(map(str, self.call.values))
            raise ValueError(f"input_reps: the call has no tensor {missing[0]!r}; it has {found}")
        return named


def _in_one_frame(model: nn.Module, seed: int) -> FrameAveraging | None:
    """The framed model in one of its frames a graph, which tells the size of what is averaged."""
    if not isinstance(model, FrameAveraging):
        return None
    one = Sample(model.frame, k=1, generator=torch.Generator().manual_seed(seed))
    options = {k: getattr(model, k) for k in ("reads", "node_weight", "level", "levels", "chunk")}
    return FrameAveraging(model.model, one, model.inputs or None, model.output, **options)


def _cases(group: Group, generator: torch.Generator) -> dict[str, Callable[[], Motion]]:
    """A draw of each kind of motion in the group, rotations and translations apart."""

    def rotation(proper: bool) -> Motion:
        g = random_motion(group, generator, proper=proper)
        return Motion(g.rotation, torch.zeros_like(g.translation))

    def translation() -> Motion:
        g = random_motion(group, generator)
        return Motion(torch.eye(group.dim, dtype=torch.float64), g.translation)

    cases = {"proper": lambda: rotation(True)} if group.rotates else {}
    if group.reflects:
        cases["improper"] = lambda: rotation(False)
    return {**cases, "translated": translation} if group.translates else cases


def _leaves(spec: Any, level: Any, value: Any) -> Iterator[tuple[Tensor, Rep, Any]]:
    """The tensors of an output, with the representation and level of each."""
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"output: expected a tensor ({spec}), found a {type(value).__name__}: say output="
            )
        yield value.detach(), spec, level
        return
    if isinstance(value, Tensor) or len(value) != len(spec) or not spec:
        found = "a tensor" if isinstance(value, Tensor) else f"{len(value)} values"
        raise ValueError(f"output: expected {len(spec)} values, one or more, found {found}")
    parts = spec.items() if isinstance(spec, dict) else enumerate(spec)
    for key, one in parts:
        if isinstance(level, Mapping):
            inner = level.get(key)
        else:
            inner = level[key] if isinstance(level, (tuple, list)) else level
        yield from _leaves(one, inner, value[key])


def _body(value: Tensor, rep: Rep, level: Any, layout: Layout) -> Tensor | None:
    """The graph of each row of an output; None where it has none, or there is one graph."""
    if layout.batch is None or value.dim() <= (1 if rep.flat else rep.rank):
        return None
    if level not in (None, "node", "graph", "edge"):
        return layout.of(level)
    levels = {"node": layout.batch, "graph": layout.graphs}
    if layout.edge_index is not None:
        levels["edge"] = layout.edges
    fits = (levels.get(one) for one in ([level] if level else levels))
    return next((body for body in fits if body is not None and len(body) == len(value)), None)


def _errors(
    found: Iterator, expected: Iterator, known: Sequence[tuple[Tensor, Tensor | None]]
) -> list[float]:
    """The error of each output: of its worst graph, and of the best of what can be expected of it."""
    return [
        _smallest([_error(a, b, *one) for b in candidates])
        for (a, *_), candidates, one in zip(found, expected, known, strict=True)
        if a.numel()
    ]


def _error(a: Tensor, b: Tensor, usual: Tensor, body: Tensor | None) -> float:
    difference, size, usual = (_largest_entry(x, body) for x in (a - b, b, usual))
    least = max(_SMALL, 0 if b.dtype == torch.float64 else 0.01 * size.max().item())
    return (difference / torch.maximum(size, usual).clamp(min=least)).max().item()


def _largest_entry(x: Tensor, body: Tensor | None) -> Tensor:
    """The largest of each graph."""
    if body is None:
        return x.abs().amax().double().unsqueeze(0)
    rows = x.reshape(len(x), -1).abs().amax(1).double()
    return rows.new_zeros(int(body.max()) + 1).scatter_reduce(0, body, rows, "amax")


def _largest(errors: list[float]) -> float:
    return torch.tensor([0.0, *errors], dtype=torch.float64).max().item()  # NaN, if one is


def _smallest(errors: list[float]) -> float:
    return min(errors, key=lambda error: (math.isnan(error), error))
