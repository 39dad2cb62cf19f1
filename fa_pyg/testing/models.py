"""Whether a model is equivariant: model(g x) = g model(x)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.calls import Name
from fa_pyg.groups import Group, GroupLike
from fa_pyg.reps import RepLike
from fa_pyg.testing.trials import Inputs, Trials

__all__ = ["assert_equivariant", "equivariance_error"]


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
        them), ``permuted`` (node order within each graph), ``apart`` (where there are several graphs: what a
        graph gives, as the others change) and ``undeclared`` (where floating inputs ``[n, ..., d]`` are not
        among the representations: as these are rotated, alone. To say that they are invariant, declare them
        "scalar"). An output ``[n, ..., d]`` whose representation nobody gives is tested as a vector.

    Raises:
        AssertionError: with the error of every case, if one is above ``tol`` or not finite.
        ValueError: for points ``[B, T, d]`` without ``batch``, which may be a dense batch.

    Not guaranteed: that what is not floating point, or of unclear rows, does not leak from graph to graph.
    Where sizes do not tell how a tensor follows the nodes (one graph of as many edges as nodes, a matrix
    ``[N, N]``, an output ``[N]``) and neither its name nor ``level`` or ``levels`` do, one of the ways has to
    fit.
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
    input_reps: Mapping[Name, RepLike] | None = None,
    output: Any = None,
    level: Any = None,
    levels: Mapping[Name, str] | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the errors that :func:`assert_equivariant` checks, without judging them."""
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    return Trials(model, inputs, Group.of(group), input_reps, output, level, levels, seed).errors(trials)
