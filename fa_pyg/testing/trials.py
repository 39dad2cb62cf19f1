"""Trials of equivariance: a call of a model, moved, permuted and changed, with errors by case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg.batches import channels_or_samples
from fa_pyg.builders import Sample
from fa_pyg.calls import Layout, Name, Named
from fa_pyg.calls.declared import check_acted_on
from fa_pyg.calls.graphs import graph_layout
from fa_pyg.calls.undeclared import looks_geometric, undeclared
from fa_pyg.groups import Group
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.nn.outputs import check_level, output_spec
from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.energies import Inputs, call_of
from fa_pyg.testing.leakage import halves, has_graphs, leaks, others_changed
from fa_pyg.testing.motions import Motion, random_motion
from fa_pyg.testing.node_order import permutation, permuted, reordered
from fa_pyg.testing.output_errors import bodies, largest, leaves, output_errors, smallest

__all__ = ["Trials"]


class Trials:
    """Model, call and reference output, with the arguments of :func:`~fa_pyg.testing.assert_equivariant`."""

    def __init__(
        self,
        model: nn.Module,
        inputs: Inputs,
        group: Group,
        input_reps: Named[RepLike] | None,
        output: Any,
        level: Any,
        levels: Named[str] | None,
        seed: int,
    ) -> None:
        is_declared = output is not None
        if isinstance(model, FrameAveraging):
            is_declared = is_declared or model.output_is_said
            input_reps, output = input_reps or model.inputs, model.output if output is None else output
            level, levels = model.level if level is None else level, levels or model.levels
        self.model, self.group, self.level = _Model(model, inputs), group, level
        self.values, self.generator = self.model.call.values, torch.Generator().manual_seed(seed)
        self.spec, self.notes = output_spec("scalar" if output is None else output), []
        check_level(self.spec, level, self.values)
        self.reps, self.free, self.layout = self._layout(input_reps, levels)
        value = self.model({})
        if not is_declared and looks_geometric(value, group.dim, self.layout.sizes):
            self.spec = Rep(1)
            self.notes.append(f"  The output {list(value.shape)} is tested as a vector; pass output=.")
        self.reference = list(leaves(self.spec, level, value))
        averaged = _in_one_frame(model, seed)
        usual = self.reference if averaged is None else list(self._leaves(_Model(averaged, inputs), {}))
        where = (next(iter(bodies(*leaf, self.layout)), None) for leaf in self.reference)
        self.known = [(leaf[0], body) for leaf, body in zip(usual, where, strict=True)]

    def _layout(
        self, input_reps: Named[RepLike] | None, levels: Named[str] | None
    ) -> tuple[dict[Name, Rep], dict[Name, Tensor], Layout]:
        """Inputs that transform, undeclared ones that may, and the level of each tensor."""
        call, group = self.model.call, self.group
        if not group.dim:
            return {}, {}, graph_layout(call, levels or {})
        declared = self.model.reps({"pos": "point"} if input_reps is None else input_reps)
        reps = {name: rep for name, rep in declared.items() if not rep.is_invariant}
        check_acted_on(group, declared, "input_reps")
        nodes = next((name for name, rep in reps.items() if rep.moves), next(iter(reps or declared)))
        layout = Layout(call, levels, nodes)
        _check_samples(nodes, declared[nodes], layout, group.dim)
        free = undeclared(call.values, declared, group.dim, layout.sizes) if group.rotates else {}
        for name, value in free.items():
            hint = f'"vector" or "scalar" in input_reps= (inputs= of a {FrameAveraging.__name__})'
            self.notes.append(f"  {name!r} {list(value.shape)} is not declared; pass {hint}.")
        return reps, free, layout

    def _leaves(self, model: _Model, changed: Mapping[Name, Any]) -> Iterator[tuple[Tensor, Rep, Any]]:
        return leaves(self.spec, self.level, model(changed))

    def errors(self, trials: int) -> dict[str, float]:
        """Largest error of each case, over all trials."""
        errors = {case: largest(self.moved(draw, trials)) for case, draw in self.motions().items()}
        if self.layout.num_nodes > 1:
            errors["permuted"] = largest(self.permuted(1 if self.group.dim else trials))
        if has_graphs(self.layout):
            errors["apart"] = largest(self.apart(trials))
        if self.free:
            errors["undeclared"] = largest(self.undeclared(trials))
        return errors

    def motions(self) -> dict[str, Callable[[], Motion]]:
        """Random motions of each kind."""
        return _cases(self.group, self.generator)

    def moved(self, draw: Callable[[], Motion], trials: int) -> list[float]:
        """Errors when all declared inputs move."""
        errors = []
        for g in (draw() for _ in range(trials)):
            changed = {name: g(self.values[name], rep) for name, rep in self.reps.items()}
            expected = ([g(value, rep)] for value, rep, _ in self.reference)
            errors += output_errors(self._leaves(self.model, changed), expected, self.known)
        return errors

    def permuted(self, trials: int) -> list[float]:
        """Errors when nodes are permuted within their graphs."""
        errors = []
        for _ in range(trials):
            order, readings = permutation(self.layout, self.generator).to(_device(self.values)), []
            for changed in permuted(self.layout, order):
                expected = (list(reordered(*leaf, self.layout, order)) for leaf in self.reference)
                found = self._leaves(self.model, changed)
                readings.append(largest(output_errors(found, expected, self.known)))
            errors.append(smallest(readings))
        return errors

    def apart(self, trials: int) -> list[float]:
        """Errors of half of the graphs when the others change."""
        errors, usual = [], [size for size, _ in self.known]
        for _ in range(trials):
            g = random_motion(self.group, self.generator) if self.reps else None
            for keep in halves(self.layout, self.generator):
                changed = others_changed(self.layout, self.reps, keep, g)
                found = self._leaves(self.model, changed)
                errors += leaks(found, self.reference, usual, self.layout, keep)
        return errors

    def undeclared(self, trials: int) -> list[float]:
        """Errors when only undeclared inputs that may transform are rotated."""
        errors = []
        rotations = [draw for case, draw in self.motions().items() if case in ("proper", "improper")]
        for g in (draw() for draw in rotations * trials):
            changed = {name: g(value, "vector") for name, value in self.free.items()}
            expected = ([value] for value, *_ in self.reference)
            errors += output_errors(self._leaves(self.model, changed), expected, self.known)
        return errors


def _check_samples(name: Name, rep: Rep, layout: Layout, dim: int) -> None:
    """Check that points are not a dense batch, as a framed model does.

    Raises:
        ValueError: for points that may be one.
    """
    is_declared = (
        layout.batch is not None or layout.call.data is not None or layout.levels.get(name) == "node"
    )
    unclear = (
        None if is_declared or not rep.affine else channels_or_samples(name, layout.call.get(name), rep, dim)
    )
    if unclear is not None:
        raise ValueError(unclear)


def _device(values: Mapping[Name, Any]) -> torch.device:
    return next(value.device for value in values.values() if isinstance(value, Tensor))


class _Model:
    """Model with arguments, some of which can be replaced."""

    def __init__(self, model: nn.Module, inputs: Inputs) -> None:
        self.model, self.call = model, call_of(model, inputs)

    def __call__(self, changed: Mapping[Name, Any]) -> Any:
        return self.call.run(self.model, changed)

    def reps(self, reps: Named[RepLike]) -> dict[Name, Rep]:
        name = self.call.signature.name
        named = {name(k) if isinstance(k, int) else k: Rep.of(rep, "input_reps") for k, rep in reps.items()}
        transforms = [k for k, rep in named.items() if not rep.is_invariant]
        missing = [k for k in transforms if not isinstance(self.call.values.get(k), Tensor)]
        if missing:
            found = ", ".join(map(str, self.call.values))
            raise ValueError(
                f"input_reps: expected names of tensors of the call, {found}, found {missing[0]!r}"
            )
        return named


def _in_one_frame(model: nn.Module, seed: int) -> FrameAveraging | None:
    """Framed model in a single random frame per graph, for the size of the outputs before averaging."""
    if not isinstance(model, FrameAveraging):
        return None
    sampled = Sample(model.frame, k=1, generator=torch.Generator().manual_seed(seed))
    options = {k: getattr(model, k) for k in ("reads", "node_weight", "level", "levels", "chunk")}
    framed = FrameAveraging(model.model, sampled, model.inputs or None, model.output, **options)
    vars(framed)["_told"] = getattr(model, "_told", frozenset())  # the model itself has warned
    return framed


def _cases(group: Group, generator: torch.Generator) -> dict[str, Callable[[], Motion]]:
    """Random motions of each kind in the group: rotations, translations, scalings and boosts separately."""
    eye, zero = torch.eye(group.dim, dtype=torch.float64), torch.zeros(group.dim, dtype=torch.float64)

    def rotation(proper: bool) -> Motion:
        g = random_motion(group, generator, proper=proper)
        return Motion(g.rotation, torch.zeros_like(g.translation))

    def translation() -> Motion:
        return Motion(eye, random_motion(group, generator).translation)

    cases = {"proper": lambda: rotation(True)} if group.rotates else {}
    if group.reflects:
        cases["improper"] = lambda: rotation(False)
    cases |= {"translated": translation} if group.translates else {}
    if group.scales:
        cases["scaled"] = lambda: Motion(eye, zero, random_motion(group, generator).scale)
    if group.boosts:
        cases["boosted"] = lambda: Motion(eye, zero, 1.0, random_motion(group, generator).boost)
    return cases
