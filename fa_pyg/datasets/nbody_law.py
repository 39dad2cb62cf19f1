"""Law of motion of the n-body benchmark: initial states, integration, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fa_pyg.progress import bar as show

__all__ = ["DT", "LAWS", "STRIDE", "energy_terms", "initial_states", "reflect", "simulate"]

DT, STRIDE, BOX = 1e-3, 100, 5.0  # time step, steps between stored frames, half the box of the initial states
PAIRS = 12800  # integrated side by side: enough to hide the interpreter, few enough for the cache


@dataclass(frozen=True)
class _Law:
    """F_i = sum_j strength q_i q_j r_ij / (|r_ij|^2 + softening^2)^(3/2), components within +-max_force."""

    strength: float
    softening: float
    max_force: float


LAWS = {"charged": _Law(1.0, 0.0, 0.1 / DT), "gravity": _Law(-1.0, 0.2, np.inf)}


def initial_states(
    samples: range, num_particles: int = 5, length: int = 5000, seed: int = 43, interaction: str = "charged"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return charges [S, n, 1], positions and velocities [S, n, 3] of some samples of a random stream.

    All samples before them are drawn too (about 0.03 ms each): a random stream has no random access.
    """
    rng = np.random.RandomState(seed)  # the generator of the published files
    drawn = [_draw(rng, num_particles, length // STRIDE - 1) for _ in range(samples.stop)][samples.start :]
    charge, pos, vel = (np.stack(column) for column in zip(*drawn, strict=True))
    pos, vel = pos.swapaxes(1, 2), vel.swapaxes(1, 2)
    vel = 0.5 * vel / np.linalg.norm(vel, axis=-1, keepdims=True)
    if interaction == "gravity":
        charge, vel = np.ones_like(charge), vel - vel.mean(axis=1, keepdims=True)
    return charge, *reflect(pos, vel)


def _draw(rng, n: int, num_frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the numbers of one sample; the last ones are measurement noise, of amplitude zero."""
    state = rng.choice([-1.0, 0.0, 1.0], size=(n, 1), p=[0.5, 0.0, 0.5]), rng.randn(3, n), rng.randn(3, n)
    rng.randn(2, num_frames, 3, n)
    return state


def reflect(pos: np.ndarray, vel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reflect particles at the walls of the box [-5, 5]^3, and their velocities inwards."""
    outside = np.abs(pos) > BOX
    mirrored, inwards = np.sign(pos) * 2 * BOX - pos, -np.sign(pos) * np.abs(vel)
    return np.where(outside, mirrored, pos), np.where(outside, inwards, vel)


def simulate(
    charge: np.ndarray,
    pos: np.ndarray,
    vel: np.ndarray,
    frames: Sequence[int],
    interaction: str = "charged",
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Integrate S independent systems in float64 by the leapfrog scheme.

    v += dt F(x) once; then every step is x += dt v, v += dt F(x). Frame k is the state after the position
    update of step 100 (k + 1), before the velocities follow.

    Args:
        charge: [S, n, 1]; pos, vel: [S, n, 3], at time 0.
        frames: which frames to return, in increasing order.
        interaction: ``"charged"`` or ``"gravity"``.
        progress: show a progress bar.

    Returns:
        Positions and velocities, both [S, len(frames), n, 3].
    """
    size = max(1, PAIRS // charge.shape[1] ** 2)
    chunks = [slice(i, i + size) for i in range(0, len(charge), size)]
    with show(total=len(charge), desc=f"n-body ({interaction})", unit="samples", progress=progress) as bar:
        out = []
        for chunk in chunks:
            out.append(_leapfrog(charge[chunk], pos[chunk], vel[chunk], frames, LAWS[interaction]))
            bar.update(len(charge[chunk]))
    pos, vel = (np.concatenate(part) for part in zip(*out, strict=True))
    return pos, vel


def _leapfrog(charge, pos, vel, frames: Sequence[int], law: _Law) -> tuple[np.ndarray, np.ndarray]:
    """Integrate all systems at once, as [3, n, S]: the long axis last, for contiguous memory access."""
    q, x, v = (np.array(a.transpose(2, 1, 0), order="C") for a in (charge, pos, vel))
    qq = law.strength * q[0][:, None] * q[0]
    offset = law.softening**2 + np.eye(len(qq))[..., None]  # keeps 0 / 0 off the diagonal, where r_ii = 0

    def kick(x: np.ndarray) -> np.ndarray:
        rx, ry, rz = (c[:, None] - c for c in x)  # one array [n, n, S] for each component: long inner loops
        square = rx * rx + ry * ry + rz * rz + offset
        share = qq / (square * np.sqrt(square))
        force = np.stack([(share * r).sum(axis=1) for r in (rx, ry, rz)])
        return DT * np.clip(force, -law.max_force, law.max_force)

    states = []
    v += kick(x)
    for step in range(1, STRIDE * (max(frames) + 1) + 1):
        x += DT * v
        if step % STRIDE == 0 and step // STRIDE - 1 in frames:
            states.append((x.transpose(2, 1, 0).copy(), v.transpose(2, 1, 0).copy()))
        v += kick(x)
    path, speed = (np.stack(part, axis=1) for part in zip(*states, strict=True))
    return path, speed


def energy_terms(
    charge: Tensor, pos: Tensor, vel: Tensor, interaction: str = "charged"
) -> tuple[Tensor, Tensor]:
    r"""Return the kinetic energy of each system, and the potential energy of each of its pairs i < j.

    .. math:: T = \tfrac12 \sum_i |v_i|^2, \qquad U_{ij} = \frac{q_i q_j}{|x_i - x_j|}

    For ``"gravity"`` :math:`U_{ij} = -1 / \sqrt{|x_i - x_j|^2 + 0.2^2}`. The sum is a constant of the motion
    except where forces are clipped, and up to the error of the scheme: velocities of :func:`simulate` are
    half a step behind positions.

    Shapes: ``charge [..., n, 1]``, ``pos, vel [..., n, 3]``; returns ``[...]`` and ``[..., n (n - 1) / 2]``.
    """
    law = LAWS[interaction]
    i, j = torch.triu_indices(pos.size(-2), pos.size(-2), offset=1)
    square = (pos[..., i, :] - pos[..., j, :]).square().sum(-1) + law.softening**2
    charges = charge[..., 0]
    return vel.square().sum((-1, -2)) / 2, law.strength * charges[..., i] * charges[..., j] * square.rsqrt()
