"""Invariants that a model computes once for all frames: the same outputs and gradients as without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from fa_pyg import checks
from fa_pyg.builders import Cloud, HaarFrame, MotionFrame
from fa_pyg.calls import Call
from fa_pyg.frames import Frames
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.testing.energies import Inputs, call_of

__all__ = ["assert_invariants", "invariants_error"]

COUNT = 3  # random frames of a graph


def assert_invariants(
    model: nn.Module, inputs: Inputs, tol: float | None = None, seed: int = 0
) -> dict[str, float]:
    """Assert that the invariants which a model shares between frames are the same in all of them.

    A framed model computes once what its network declares to be invariant
    (:class:`~fa_pyg.nn.invariants.Invariants`). Outputs and gradients are compared with and without.

    Args:
        model: a :class:`~fa_pyg.FrameAveraging`, or a model with some inside, in evaluation mode.
        inputs: arguments of the model, as in :func:`~fa_pyg.testing.assert_equivariant`.
        tol: bound on the errors, relative to the largest entry of an output, or of the gradients of an input.
            Default 1e-10 for inputs in float64, 1e-4 otherwise.
        seed: of random frames.

    Returns:
        The largest relative errors by the name of the case. Cases are ``own`` (the frames of the model),
        ``random`` (three random elements of its group, since those of PCA frames differ by signs only, which
        hide some mistakes), ``ragged`` (of only some graphs), and ``together`` (in one call) where the model
        takes ``batch``; each also with `` gradient`` where the outputs have one.

    Raises:
        AssertionError: with all errors, if one is above ``tol`` or not finite.
        ValueError: if no network is given invariants, which are then not checked: none offers them, or the
            inputs that transform are declared in another way than it says.
    """
    checks.number("tol", tol, 0, optional=True)
    checks.integer("seed", seed, 0, checks.MOST)
    errors = invariants_error(model, inputs, seed)
    values = call_of(model, inputs).values.values()
    double = any(isinstance(value, Tensor) and value.dtype == torch.float64 for value in values)
    tol = (1e-10 if double else 1e-4) if tol is None else tol
    if not all(error <= tol for error in errors.values()):  # `not <=`: NaN fails
        table = [f"  {case:18s} {error:.3g}" for case, error in errors.items()]
        raise AssertionError("\n".join([f"not invariant, relative error (tol {tol:g}):", *table]))
    return errors


def invariants_error(model: nn.Module, inputs: Inputs, seed: int = 0) -> dict[str, float]:
    """Measure the errors that :func:`assert_invariants` checks.

    Raises:
        ValueError: as :func:`assert_invariants`.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.integer("seed", seed, 0, checks.MOST)
    parts = [part for part in model.modules() if isinstance(part, FrameAveraging)]
    call = call_of(model, inputs)
    errors: dict[str, float] = {}
    is_checked = False
    for case, changes in _cases(parts, call):
        with _changed(parts, changes):
            shared, given = _results(model, parts, call, True, seed)
            alone, _ = _results(model, parts, call, False, seed)
        is_checked |= given
        for name in shared:
            key = case + name
            errors[key] = max(map(_difference, shared[name], alone[name]), default=0.0)
    if not is_checked:
        are_off = parts and not any(part.invariants for part in parts)
        found = "FrameAveraging(..., invariants=False)" if are_off else "none"
        raise ValueError(f"model: expected one with invariants of the inputs that transform, found {found}")
    return errors


def _cases(parts: list[FrameAveraging], call: Call) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the name of each case, and the attributes of the framed models in it."""
    yield "own", [{} for _ in parts]
    if any(not isinstance(part.frame, MotionFrame) or not _has_haar(part) for part in parts):
        return
    frames = [HaarFrame(part.frame.group, COUNT) for part in parts]
    yield "random", [{"frame": frame, "chunk": 1} for frame in frames]
    yield "ragged", [{"frame": _Ragged(frame), "chunk": 1} for frame in frames]
    if isinstance(call.get("batch"), Tensor) and all("batch" in part.signature.named for part in parts):
        yield "together", [{"frame": frame, "chunk": COUNT} for frame in frames]


def _has_haar(part: FrameAveraging) -> bool:
    group = part.frame.group
    return group.rotates and not (group.scales or group.boosts)


@contextmanager
def _changed(parts: list[FrameAveraging], changes: list[dict[str, Any]]) -> Iterator[None]:
    """Set attributes of the framed models, and restore them."""
    pairs = zip(parts, changes, strict=True)
    before = [{name: getattr(part, name) for name in change} for part, change in pairs]
    try:
        _set(parts, changes)
        yield
    finally:
        _set(parts, before)


def _set(parts: list[FrameAveraging], changes: list[dict[str, Any]]) -> None:
    for part, change in zip(parts, changes, strict=True):
        for name, value in change.items():
            setattr(part, name, value)


Results = dict[str, list[Tensor]]


def _results(
    model: nn.Module, parts: list[FrameAveraging], call: Call, shares: bool, seed: int
) -> tuple[Results, bool]:
    """Outputs and gradients, and whether a network was given invariants."""
    given: list[bool] = []
    with ExitStack() as stack:
        stack.enter_context(_changed(parts, [{"invariants": shares and part.invariants} for part in parts]))
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.enable_grad())
        for part in parts:
            hook = part.model.register_forward_pre_hook(
                lambda _, args, kwargs: given.append(kwargs.get("invariants") is not None), with_kwargs=True
            )
            stack.callback(hook.remove)
        torch.manual_seed(seed)
        leaves = {
            name: value.detach().clone().requires_grad_()
            for name, value in call.values.items()
            if isinstance(value, Tensor) and value.is_floating_point()
        }
        out = call.run(model, leaves, **{str(name): value for name, value in call.extra.items()})
        outputs = [value for value in tree_leaves(out) if isinstance(value, Tensor)]
        return {"": [value.detach() for value in outputs], **_gradients(outputs, leaves)}, any(given)


def _gradients(outputs: list[Tensor], leaves: dict[Any, Tensor]) -> Results:
    """Gradients of a random combination of the outputs."""
    terms = [(value * torch.randn_like(value)).sum() for value in outputs if value.requires_grad]
    if not terms:
        return {}
    found = torch.autograd.grad(torch.stack(terms).sum(), list(leaves.values()), allow_unused=True)
    return {" gradient": [value for value in found if value is not None]}


def _difference(value: Tensor, other: Tensor) -> float:
    scale = other.abs().max().item() if other.numel() else 0.0
    found = (value - other).abs().max().item() if other.numel() else 0.0
    return found / scale if scale else found


class _Ragged(MotionFrame):
    """The frames of another frame, of which every second graph keeps one."""

    def __init__(self, frame: MotionFrame) -> None:
        super().__init__(frame.group)
        self.frame = frame

    def build(self, cloud: Cloud) -> Frames:
        frames = self.frame.build(cloud)
        return frames.with_one_frame(torch.arange(cloud.size, device=cloud.device) % 2 == 1)
