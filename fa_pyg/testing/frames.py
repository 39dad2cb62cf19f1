"""Equivariance of frames as weighted sets: F(gx) = g F(x)."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.builders.cloud import natural_reps
from fa_pyg.frames import Frames
from fa_pyg.groups import FiniteGroup, Group, GroupLike
from fa_pyg.reps import Rep
from fa_pyg.testing.motions import Motion, random_motion

__all__ = ["assert_frame", "assert_same_sets"]


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
    """Assert that F(gx) = g F(x) as weighted sets, elements are in the group, and weights sum to 1.

    Args:
        frame: the frame F, in the mode to be tested.
        pos, vectors, batch, node_weight: arguments of the frame, float64 for the default ``tol``.
        group: group of the motions; default that of the frame.
        tol: bound on distances of elements and of weights.
        trials: number of random rotations, and of random reflections.
        seed: of the motions.

    Raises:
        AssertionError: with the property that fails, and by how much.
        ValueError: for other arguments.
    """
    checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
    _check_trials(tol, trials, seed)
    group = Group.of(group) if group is not None else frame.group
    generator = torch.Generator().manual_seed(seed)
    point, vector = natural_reps(frame.group)
    reps = [point, *[vector] * len(vectors)]
    plain = frame(pos, *vectors, batch=batch, node_weight=node_weight)
    assert (plain.origin is not None) == frame.group.translates, (
        f"origin: expected a point per graph if the group has translations, else None ({frame.group})"
    )
    _check_elements(plain, frame.group, tol)
    for _ in range(trials):
        for proper in (True, False) if group.reflects else (True,):
            g = random_motion(group, generator, proper=proper)
            moved = [g(x, rep) for x, rep in zip((pos, *vectors), reps, strict=True)]
            found = frame(*moved, batch=batch, node_weight=node_weight)
            _check_moved(plain, found, g, point, vector, tol)


def _check_trials(tol: float, trials: int, seed: int) -> None:
    checks.number("tol", tol, 0)
    checks.integer("trials", trials, 0)
    checks.integer("seed", seed, 0, checks.MOST)


def _check_elements(frames: Frames, group: Group, tol: float) -> None:
    eye = torch.eye(frames.dim, dtype=frames.rotation.dtype, device=frames.rotation.device)
    _check((frames.rotation.mT @ frames.rotation - eye).abs(), tol, "rotation: not orthogonal, by")
    if not group.reflects:
        assert bool((frames.determinant > 0).all()), f"rotation: a reflection in a frame of {group}"
    if isinstance(group, FiniteGroup):
        _check(group.distance(frames.rotation), tol, f"rotation: differs from all elements of {group} by")
    if not group.rotates:
        _check((frames.rotation - eye).abs(), tol, f"rotation: in a frame of {group} it differs from 1 by")
    total = torch.zeros_like(frames.weight[: frames.num_bodies]).index_add(0, frames.body, frames.weight)
    _check((total - 1).abs(), tol, "weight: sums over a body differ from 1 by")


def _check_moved(plain: Frames, moved: Frames, g: Motion, point: Rep, vector: Rep, tol: float) -> None:
    parts = {"origin": point, "scale": Rep(0, scale=1), "velocity": vector}
    for name, rep in parts.items():
        if getattr(plain, name) is not None:
            a, b = getattr(moved, name), g(getattr(plain, name), rep)
            _check((a - b).abs(), tol * (1 + b.abs().max().item()), f"{name}: F(gx) and gF(x) differ by")
    expected = g.rotation.to(plain.rotation) @ plain.rotation
    for body in range(plain.num_bodies):  # a loop over graphs: slow, for tests
        a, b = plain.body == body, moved.body == body
        sets = (expected[a], plain.weight[a]), (moved.rotation[b], moved.weight[b])
        excess = _excess(*sets, tol)
        _check(excess, tol, f"F(gx) is not gF(x): in body {body} the weights of an element differ by")


def assert_same_sets(a: Frames, b: Frames, body_a: int, body_b: int, tol: float = 1e-9) -> None:
    """Assert that bodies of two batches have the same weighted sets of rotations.

    Raises:
        AssertionError: with the largest difference of weights of an element.
        ValueError: for other arguments.
    """
    for name, frames in (("a", a), ("b", b)):
        checks.instance(name, frames, Frames, "fa_pyg.Frames")
    checks.integer("body_a", body_a, 0, a.num_bodies - 1)
    checks.integer("body_b", body_b, 0, b.num_bodies - 1)
    checks.number("tol", tol, 0)
    both = ((a, a.body == body_a), (b, b.body == body_b))
    first, second = ((one.rotation[some], one.weight[some]) for one, some in both)
    _check(
        _excess(first, second, tol), tol, f"bodies {body_a} and {body_b}: the weights of an element differ by"
    )


def _excess(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor], tol: float) -> Tensor:
    """Difference of the weights near each element between two weighted sets."""
    elements, weight = torch.cat([a[0], b[0]]).flatten(1), torch.cat([a[1], -b[1]])
    distance = (elements.unsqueeze(0) - elements.unsqueeze(1)).abs().amax(-1)
    return ((distance <= 10 * tol).to(weight) @ weight).abs()


def _check(error: Tensor, tol: float, what: str) -> None:
    worst = error.max().item() if error.numel() else 0.0
    assert worst <= tol, f"{what} {worst:.3g}"  # NaN fails
