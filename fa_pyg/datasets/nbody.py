"""The charged n-body benchmark, generated sample for sample like the published files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset
from tqdm import tqdm

from fa_pyg import checks
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.files.tensors import Tensors, cached

__all__ = ["NBody", "initial_states", "reflect", "simulate"]

DT, STRIDE, BOX = 1e-3, 100, 5.0  # time step, steps between stored frames, half the box of the initial states
PAIRS = 12800  # integrated side by side: enough to hide the interpreter, few enough for the cache
SPLITS = consecutive_parts({"train": 10_000, "val": 2000, "test": 2000})  # of one random stream
BENCHMARK = {"train": 3000, "val": 2000, "test": 2000}


@dataclass(frozen=True)
class _Law:
    """F_i = sum_j strength q_i q_j r_ij / (|r_ij|^2 + softening^2)^(3/2), components within +-max_force."""

    strength: float
    softening: float
    max_force: float


LAWS = {"charged": _Law(1.0, 0.0, 0.1 / DT), "gravity": _Law(-1.0, 0.2, np.inf)}


class NBody(InMemoryDataset):
    r"""The n-body benchmark: predict the later positions of charged particles (or masses).

    It is that of "Neural
    Relational Inference for Interacting Systems" (Kipf et al. 2018), in three dimensions as in "E(n)
    Equivariant Graph Neural Networks" (Satorras et al. 2021).

    .. math:: \ddot x_i = \sum_{j \ne i} q_i q_j \frac{x_i - x_j}{|x_i - x_j|^3}

    The defaults are the published benchmark (3000 / 2000 / 2000 samples, from frame 30 to frame 40, which is
    1000 steps of 0.001 later), from the same random stream. Every combination of arguments is a separate data
    set with a separate cache file under ``root/processed``; only the requested samples are integrated.

    Args:
        root: folder of the cache; created where missing.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_samples: the first samples of the split, at most 10 000 / 2000 / 2000; None is 3000 / 2000 / 2000.
        num_particles: particles per sample.
        length: steps of the run that the random stream is drawn for, a multiple of 100: it changes all
            samples.
        input_frame, target_frame: frame k is the state after 100 (k + 1) steps, k < ``length / 100 - 1``.
        seed: of the stream shared by the three splits.
        interaction: ``"charged"`` (charges +-1, force components clipped to +-100) or ``"gravity"`` (unit
            masses in ``charge``, softening 0.2, center of mass at rest).
        transform: called on each ``Data`` at access.
        log: show a progress bar while generating.
        force_reload: generate again even where a cache exists.

    Shapes: ``pos [n, 3]``, ``vel [n, 3]``, ``charge [n, 1]``, ``edge_index [2, n (n - 1)]`` (every ordered
    pair), ``edge_attr [n (n - 1), 1]`` (the product of the two charges), ``y [n, 3]`` (positions at
    ``target_frame``); float32, dimensionless units.

    Raises:
        ValueError: for arguments out of range. A damaged cache file is named in a warning and generated
            again.

    Not guaranteed: the same samples on every machine: close encounters are chaotic, and about 3 % of the
    samples depend on rounding. No published files exist for ``"gravity"``.
    """

    def __init__(
        self,
        root: str,
        split: str = "train",
        num_samples: int | None = None,
        *,
        num_particles: int = 5,
        length: int = 5000,
        input_frame: int = 30,
        target_frame: int = 40,
        seed: int = 43,
        interaction: str = "charged",
        transform: Callable | None = None,
        log: bool = True,
        force_reload: bool = False,
    ) -> None:
        checks.instance("root", root, (str, os.PathLike), "a path")
        checks.one_of("split", split, PARTS)
        checks.one_of("interaction", interaction, LAWS)
        num_samples = BENCHMARK[split] if num_samples is None else num_samples
        _check_numbers(
            len(SPLITS[split]), num_samples, num_particles, length, input_frame, target_frame, seed
        )
        self.name = (
            f"{interaction}{num_particles}_seed{seed}_length{length}"
            f"_frame{input_frame}to{target_frame}_{split}{num_samples}"
        )
        super().__init__(root, transform, log=log)

        def make() -> Tensors:
            samples = SPLITS[split][:num_samples]
            charge, pos, vel = initial_states(samples, num_particles, length, seed, interaction)
            pos, vel = simulate(charge, pos, vel, (input_frame, target_frame), interaction, progress=log)
            arrays = {"pos": pos[:, 0], "vel": vel[:, 0], "charge": charge, "y": pos[:, 1]}
            return {key: torch.from_numpy(value).float() for key, value in arrays.items()}

        shape = (num_samples, num_particles)
        spec = dict.fromkeys(("pos", "vel", "y"), (torch.float32, (*shape, 3)))
        spec["charge"] = (torch.float32, (*shape, 1))
        self.data, self.slices = _collate(**cached(self.processed_paths[0], spec, make, force_reload))

    @property
    def processed_file_names(self) -> list[str]:
        return [f"{self.name}.pt"]


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
    with tqdm(total=len(charge), desc=f"n-body ({interaction})", unit="samples", disable=not progress) as bar:
        out = []
        for chunk in chunks:
            out.append(_leapfrog(charge[chunk], pos[chunk], vel[chunk], frames, LAWS[interaction]))
            bar.update(len(charge[chunk]))
    return tuple(np.concatenate(part) for part in zip(*out, strict=True))


def _leapfrog(charge, pos, vel, frames: Sequence[int], law: _Law) -> tuple[np.ndarray, np.ndarray]:
    """Integrate all systems at once, as [n, 3, S]: the long axis last, for contiguous memory access."""
    q, x, v = (np.array(a.transpose(1, 2, 0), order="C") for a in (charge, pos, vel))
    qq = law.strength * q * q.transpose(1, 0, 2)
    offset = law.softening**2 + np.eye(len(q))[..., None]  # keeps 0 / 0 off the diagonal, where r_ii = 0

    def kick(x: np.ndarray) -> np.ndarray:
        r = x[:, None] - x
        square = np.einsum("ijdk,ijdk->ijk", r, r) + offset
        force = np.einsum("ijk,ijdk->idk", qq / (square * np.sqrt(square)), r)
        return DT * np.clip(force, -law.max_force, law.max_force)

    states = []
    v += kick(x)
    for step in range(1, STRIDE * (max(frames) + 1) + 1):
        x += DT * v
        if step % STRIDE == 0 and step // STRIDE - 1 in frames:
            states.append((x.transpose(2, 0, 1).copy(), v.transpose(2, 0, 1).copy()))
        v += kick(x)
    return tuple(np.stack(part, axis=1) for part in zip(*states, strict=True))


def _collate(pos: Tensor, vel: Tensor, charge: Tensor, y: Tensor) -> tuple[Data, dict[str, Tensor]]:
    """Return the collated form of an ``InMemoryDataset``."""
    samples, n = pos.shape[:2]
    row, col = (~torch.eye(n, dtype=torch.bool)).nonzero().t()
    edge_attr = charge[:, row] * charge[:, col]
    nodes = {"pos": pos, "vel": vel, "charge": charge, "y": y}
    data = Data(**{key: value.flatten(0, 1) for key, value in nodes.items()})
    data.edge_index, data.edge_attr = torch.stack([row, col]).repeat(1, samples), edge_attr.flatten(0, 1)
    sizes = dict.fromkeys(nodes, n) | dict.fromkeys(("edge_index", "edge_attr"), len(row))
    return data, {key: torch.arange(samples + 1) * size for key, size in sizes.items()}


def _check_numbers(
    most: int,
    num_samples: Any,
    num_particles: Any,
    length: Any,
    input_frame: Any,
    target_frame: Any,
    seed: Any,
) -> None:
    checks.integer("num_samples", num_samples, 1, most)
    checks.integer("num_particles", num_particles, 2)
    if checks.integer("length", length, 3 * STRIDE) % STRIDE:
        checks.refuse("length", f"a multiple of {STRIDE}", length)
    last = length // STRIDE - 2
    checks.integer("input_frame", input_frame, 0, last - 1)
    checks.integer("target_frame", target_frame, input_frame + 1, last)
    checks.integer("seed", seed, 0, 2**32 - 1)
