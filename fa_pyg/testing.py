"""Tests of equivariance for users' own models and frames. Needs no test framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.builders import Frame
from fa_pyg.copies import Call, Layout, Name, Signature
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.outputs import output_spec
from fa_pyg.reps import Rep, RepLike

__all__ = ["Motion", "assert_equivariant", "assert_frame", "equivariance_error", "random_motion"]


@dataclass(frozen=True)
class Motion:
    r"""A motion :math:`x \mapsto R x + t`, in float64.

    Shapes:
        rotation ``[d, d]``, orthogonal; translation ``[d]``.
    """

    rotation: Tensor
    translation: Tensor

    def __call__(self, x: Tensor, rep: RepLike = "point") -> Tensor:
        """Returns :math:`\\rho(g) x`, computed in float64 and rounded to the type of x."""
        rep = Rep.of(rep)
        r = self.rotation.to(x.device)
        # Written apart from the library's own turning, which this is to test.
        y = x.reshape(rep.layout(tuple(x.shape), len(r))).to(torch.promote_types(x.dtype, r.dtype))
        for axis in range(y.dim() - rep.rank, y.dim()):
            y = torch.tensordot(y, r.to(y.dtype), dims=([axis], [1])).movedim(-1, axis)
        if rep.pseudo:
            y = y * torch.linalg.det(r).round()
        if rep.affine:
            y = y + self.translation.to(x.device)
        return y.to(x.dtype).reshape(x.shape)

    def __matmul__(self, other: Motion) -> Motion:
        """The product: first ``other``, then this motion."""
        return Motion(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)


def random_motion(
    group: GroupLike,
    generator: torch.Generator | None = None,
    *,
    proper: bool | None = None,
    scale: float = 3.0,
) -> Motion:
    """Returns a random element of a group in float64: Haar rotation, normal translation of the given scale.

    Args:
        group: e.g. ``"E(3)"``.
        generator: for reproducible draws.
        proper: True for a rotation, False for a reflection, None for what the draw gives.
        scale: standard deviation of the translation, in the units of the points.

    Raises:
        ValueError: for ``proper=False`` in a group without reflections.
    """
    group = Group.of(group)
    if proper is False and not group.reflects:
        raise ValueError(f"proper=False: {group} has no reflections")
    rotation = group.haar(1, generator, dtype=torch.float64)[0]
    if proper is not None and (torch.linalg.det(rotation) > 0) != proper:
        rotation = torch.cat([-rotation[:, :1], rotation[:, 1:]], dim=1)
    translation = torch.randn(group.dim, generator=generator, dtype=torch.float64) * scale
    return Motion(rotation, translation if group.translates else torch.zeros_like(translation))


def assert_equivariant(
    model: nn.Module,
    inputs: Data | Mapping[Name, Any] | Sequence[Any],
    group: GroupLike,
    input_reps: Mapping[Name, RepLike] | None = None,
    output: Any = "scalar",
    level: Any = None,
    tol: float | None = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Asserts that model(g x) = g model(x), for every kind of motion in a group and for permuted nodes.

    Args:
        model: any module; put it into ``eval()`` first.
        inputs: what it is called with: one ``Data``/``Batch``, a dict of keywords or a sequence of positions.
        group: e.g. ``"E(3)"``.
        input_reps: the representation of the inputs that transform; default ``{"pos": "point"}``.
        output: the representation of the output: one, a tuple or a dict.
        level: "node", "graph" or "edge" where the size of an output does not tell.
        tol: bound on the error relative to the output's largest entry; default 1e-10 for float64, 1e-4 else.
        trials: random motions of each kind.
        seed: of the motions.

    Returns:
        The largest relative error of each case: ``proper``, ``improper``, ``translated`` (those that the group
        has) and ``permuted`` (node order within each graph).

    Raises:
        AssertionError: with the error of every case, if one is above ``tol`` or not finite.
    """
    errors = equivariance_error(model, inputs, group, input_reps, output, level, trials, seed)
    values = _call(model, inputs, input_reps).values.values()
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
    inputs: Data | Mapping[Name, Any] | Sequence[Any],
    group: GroupLike,
    input_reps: Mapping[Name, RepLike] | None = None,
    output: Any = "scalar",
    level: Any = None,
    trials: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Returns the errors that :func:`assert_equivariant` checks, without judging them."""
    group, reps, spec = Group.of(group), input_reps or {"pos": "point"}, output_spec(output)
    generator = torch.Generator().manual_seed(seed)
    call = _call(model, inputs, reps)
    reps = {call.signature.name(k) if isinstance(k, int) else k: Rep.of(rep) for k, rep in reps.items()}
    missing = [name for name in reps if not isinstance(call.values.get(name), Tensor)]
    if missing:
        raise ValueError(f"input_reps: no tensor {missing[0]!r} among {', '.join(map(str, call.values))}")
    reference = _flat(spec, _run(model, call, {}))
    errors = {}
    for case, motions in _cases(group, generator, trials).items():
        errors[case] = max(
            _distance(
                _flat(spec, _run(model, call, {k: g(call.values[k], r) for k, r in reps.items()})),
                [(g(value, rep), rep) for value, rep in reference],
            )
            for g in motions
        )
    layout = Layout(call, {}, next(iter(reps)))
    if layout.num_nodes > 1:
        order = _permutation(layout, generator)
        permuted = _flat(spec, _run(model, call, _permuted(layout, order)))
        expected = [(_reorder(value, rep, order, layout, level), rep) for value, rep in reference]
        errors["permuted"] = _distance(permuted, expected)
    return errors


def assert_frame(
    frame: Frame,
    pos: Tensor,
    *vectors: Tensor,
    batch: Tensor | None = None,
    node_weight: Tensor | None = None,
    group: GroupLike | None = None,
    tol: float = 1e-8,
    trials: int = 3,
    seed: int = 0,
) -> None:
    """Asserts that F(gx) = g F(x) as weighted sets, that elements lie in the group and weights sum to 1.

    Args:
        frame: the frame F; put it into the mode to be tested.
        pos, vectors, batch, node_weight: what the frame is called with, float64 for the default ``tol``.
        group: the motions to try; default the frame's own group.
        tol: bound on the distance of two elements and of two weights.
        trials: random motions.
        seed: of the motions.

    Raises:
        AssertionError: saying which of these fails, and by how much.
    """
    group = Group.of(group) if group is not None else frame.group
    generator = torch.Generator().manual_seed(seed)
    rep = "point" if frame.group.translates else "vector"

    def of(g: Motion | None):
        moved = [
            x if g is None else g(x, r)
            for x, r in zip((pos, *vectors), [rep] + ["vector"] * len(vectors), strict=True)
        ]
        return frame(*moved, batch=batch, node_weight=node_weight)

    plain = of(None)
    eye = torch.eye(plain.dim, dtype=plain.rotation.dtype)
    error = (plain.rotation.mT @ plain.rotation - eye).abs().max().item()
    assert error <= tol, f"rotation: not orthogonal, by {error:.3g}"
    if not frame.group.reflects:
        assert bool((plain.determinant > 0).all()), f"rotation: a reflection in a frame of {frame.group}"
    total = torch.zeros(plain.num_bodies, dtype=plain.weight.dtype).index_add(0, plain.body, plain.weight)
    error = (total - 1).abs().max().item()
    assert error <= tol, f"weight: sums over a body differ from 1 by {error:.3g}"
    for _ in range(trials):
        g = random_motion(group, generator)
        moved = of(g)
        if plain.origin is not None:
            error = (moved.origin - g(plain.origin, "point")).abs().max().item()
            assert error <= tol * (1 + plain.origin.abs().max().item()), (
                f"origin: F(gx) and gF(x) differ by {error:.3g}"
            )
        error = _measure_distance(
            (g.rotation @ plain.rotation, plain.body, plain.weight),
            (moved.rotation, moved.body, moved.weight),
            tol,
        )
        assert error <= tol, f"F(gx) is not gF(x): weights of equal elements differ by {error:.3g}"


def _measure_distance(a: tuple, b: tuple, tol: float) -> float:
    """The largest difference of weight that two weighted sets give to one and the same element."""
    rotation, body, weight = (torch.cat(both) for both in zip(a, b, strict=True))
    sign = torch.cat([torch.ones_like(a[2]), -torch.ones_like(b[2])])
    worst = 0.0
    for one in range(int(body.max()) + 1):  # a loop over graphs: a slow oracle, for tests
        mine = body == one
        elements = rotation[mine].flatten(1)
        same = (
            torch.cdist(elements, elements, compute_mode="donot_use_mm_for_euclid_dist")
            <= max(tol, 1e-12) * 10
        )
        worst = max(worst, (same.to(weight.dtype) @ (weight * sign)[mine]).abs().max().item())
    return worst


def _call(model: nn.Module, inputs: Any, reps: Any) -> Call:
    signature = Signature(getattr(model, "model", model) if hasattr(model, "signature") else model)
    extra = ("batch", "num_graphs")
    if isinstance(inputs, Mapping):
        call = Call(signature, (), inputs, extra)
    else:
        call = Call(signature, (inputs,) if isinstance(inputs, Data) else tuple(inputs), {}, extra)
    call.signature = signature
    return call


def _run(model: nn.Module, call: Call, changed: Mapping[Name, Any]) -> Any:
    # `extra` holds the keywords that only a framed model takes, beyond those of the model inside.
    return call.run(model, changed, **call.extra) if hasattr(model, "frame") else call.run(model, changed)


def _cases(group: Group, generator: torch.Generator, trials: int) -> dict[str, list[Motion]]:
    cases = {}
    still = torch.zeros(group.dim, dtype=torch.float64)
    if group.rotates:
        draws = [random_motion(group, generator, proper=True) for _ in range(trials)]
        cases["proper"] = [Motion(g.rotation, still) for g in draws]
    if group.reflects:
        draws = [random_motion(group, generator, proper=False) for _ in range(trials)]
        cases["improper"] = [Motion(g.rotation, still) for g in draws]
    if group.translates:
        draws = [random_motion(group, generator) for _ in range(trials)]
        cases["translated"] = [
            Motion(torch.eye(group.dim, dtype=torch.float64), g.translation) for g in draws
        ]
    return cases


def _flat(spec: Any, value: Any) -> list[tuple[Tensor, Rep]]:
    if isinstance(spec, Rep):
        return [(value.detach(), spec)]
    pairs = [(spec[k], value[k]) for k in spec] if isinstance(spec, dict) else zip(spec, value, strict=True)
    return [leaf for one, part in pairs for leaf in _flat(one, part)]


def _distance(found: list, expected: list) -> float:
    worst = 0.0
    for (a, _), (b, _) in zip(found, expected, strict=True):
        error = (a - b).abs().max().item() / max(b.abs().max().item(), 1e-300) if a.numel() else 0.0
        worst = error if error != error else max(worst, error)
        if worst != worst:
            return worst
    return worst


def _permutation(layout: Layout, generator: torch.Generator) -> Tensor:
    """A random order of the nodes that keeps every node in its graph's places."""
    shuffled = torch.randperm(layout.num_nodes, generator=generator)
    if layout.batch is None:
        return shuffled
    batch = layout.batch.cpu()
    order = torch.empty_like(shuffled)
    order[torch.argsort(batch, stable=True)] = shuffled[torch.argsort(batch[shuffled], stable=True)]
    return order.to(layout.batch.device)


def _permuted(layout: Layout, order: Tensor) -> dict[Name, Tensor]:
    place = torch.argsort(order)
    changed = {}
    for name, value in layout.call.values.items():
        if (
            not isinstance(value, Tensor)
            or value.dim() == 0
            or (isinstance(name, str) and name.endswith(("batch", "ptr")))
        ):
            continue
        if isinstance(name, str) and ("index" in name or name == "face"):
            changed[name] = place[value]
        elif len(value) == layout.num_nodes and layout.body(name, value) is layout.batch:
            changed[name] = value[order]
    return changed


def _reorder(value: Tensor, rep: Rep, order: Tensor, layout: Layout, level: Any) -> Tensor:
    at_nodes = (
        value.dim() > rep.rank - rep.flat and len(value) == layout.num_nodes and level in (None, "node")
    )
    return value[order] if at_nodes else value
