"""Equivariance of models: model(g x) = g model(x)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.calls import Named
from fa_pyg.groups import Group, GroupLike
from fa_pyg.reps import RepLike
from fa_pyg.testing.energies import Inputs
from fa_pyg.testing.trials import Trials

__all__ = ["assert_equivariant", "equivariance_error"]


def assert_equivariant(
    model: nn.Module,
    inputs: Inputs,
    group: GroupLike,
    input_reps: Named[RepLike] | None = None,
    output: Any = None,
    level: Any = None,
    levels: Named[str] | None = None,
    tol: float | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Assert that model(g x) = g model(x), for every kind of motion in a group and for permuted nodes.

    Args:
        model: any module, in evaluation mode.
        inputs: arguments of the model: a ``Data`` or ``Batch``, a dict of keywords, or a sequence of
            positional arguments. A ``batch`` that the model does not take is left out, as by a framed model.
        group: e.g. ``"E(3)"``; with scaling and boosts, ``"Sim(3)"``, ``"Gal(3)"``, ``"R+:Gal(3)"``.
        input_reps: representations of the inputs that transform; default those that a framed model declares,
            ``{"pos": "point"}`` for others, none under S(n).
        output: representation of the output, or a tuple or dict of them; default those that a framed model
            declares, "scalar" for others.
        level, levels: of outputs and inputs, as in :class:`~fa_pyg.FrameAveraging`, with the same defaults.
        tol: bound on the error of each graph, relative to the largest of these: the largest entry of its
            output; 1e-3; the output in a single frame of a :class:`~fa_pyg.FrameAveraging`, whose average may
            vanish by symmetry up to rounding; for outputs below float64, 1 % of the largest output of the
            batch. Default 1e-10 for inputs in float64, 1e-4 otherwise.
        trials: number of random motions of each kind.
        seed: of the motions.

    Returns:
        The largest relative error of each case. These are ``proper``, ``improper``, ``translated``,
        ``scaled``, ``boosted`` (if the group has them), ``permuted`` (order of nodes within graphs),
        ``apart`` (with several graphs: outputs of a graph as the others change) and ``undeclared``
        (floating-point inputs ``[n, ..., d]`` without a representation: only these are rotated; declare
        invariant ones as "scalar"). An output ``[n, ..., d]`` without a representation is tested as a vector.

    Raises:
        AssertionError: with the errors of all cases, if an error is above ``tol`` or not finite.
        ValueError: for points ``[B, T, d]`` without ``batch``, which may be a dense batch; for a group that
            scales or boosts if no input has a weight for it.

    Not guaranteed: that inputs other than floating point, or with rows of an unknown graph, do not leak from
    graph to graph. If neither sizes nor names, ``level`` and ``levels`` determine how a tensor depends on the
    nodes (a graph with as many edges as nodes, a matrix ``[N, N]``, an output ``[N]``), any of the possible
    ways may fit.
    """
    checks.number("tol", tol, 0, optional=True)
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    test = Trials(model, inputs, Group.of(group), input_reps, output, level, levels, seed)
    errors = test.errors(trials)
    double = any(isinstance(v, Tensor) and v.dtype == torch.float64 for v in test.values.values())
    tol = (1e-10 if double else 1e-4) if tol is None else tol
    if not all(error <= tol for error in errors.values()):  # `not <=`: NaN fails
        table = [f"  {case:10s} {error:.3g}" for case, error in errors.items()]
        head = f"not equivariant under {Group.of(group)}, relative error (tol {tol:g}):"
        raise AssertionError("\n".join([head, *table, *test.notes]))
    return errors


def equivariance_error(
    model: nn.Module,
    inputs: Inputs,
    group: GroupLike,
    input_reps: Named[RepLike] | None = None,
    output: Any = None,
    level: Any = None,
    levels: Named[str] | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Measure the errors that :func:`assert_equivariant` checks.

    Raises:
        ValueError: as :func:`assert_equivariant`.
    """
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    return Trials(model, inputs, Group.of(group), input_reps, output, level, levels, seed).errors(trials)
