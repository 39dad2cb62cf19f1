"""The charged-particle benchmark, generated sample for sample as its published files were."""

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
from fa_pyg.files.tensors import cached

DT, STRIDE, BOX = 1e-3, 100, 5.0  # time step, steps between stored frames, half the box of the initial states
PAIRS = 12800  # integrated side by side: enough to hide the interpreter, few enough for the cache
SPLITS = {"train": (0, 10_000), "val": (10_000, 12_000), "test": (12_000, 14_000)}  # in one stream
BENCHMARK = {"train": 3000, "val": 2000, "test": 2000}


@dataclass(frozen=True)
class Law:
    """F_i = sum_j strength q_i q_j r_ij / (|r_ij|^2 + softening^2)^(3/2), components within +-max_force."""

    strength: float
    softening: float
    max_force: float


LAWS = {"charged": Law(1.0, 0.0, 0.1 / DT), "gravity": Law(-1.0, 0.2, np.inf)}


class NBody(InMemoryDataset):
    r"""Particles that attract or repel each other: predict where they are some time later, from "Neural
    Relational Inference for Interacting Systems" (Kipf et al. 2018), in three dimensions as in "E(n)
    Equivariant Graph Neural Networks" (Satorras et al. 2021).

    .. math:: \ddot x_i = \sum_{j \ne i} q_i q_j \frac{x_i - x_j}{|x_i - x_j|^3}

    The defaults are the published benchmark (3000 / 2000 / 2000 samples, from frame 30 to frame 40, which is
    1000 steps of 0.001 later), from the same random stream. Any other combination of arguments is another
    data set with its own cache file under ``root/processed``; only what is asked for is integrated.

    Args:
        root: folder of the cache; made where missing.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_samples: the first so many of the split; None: 3000 / 2000 / 2000, at most 10 000 / 2000 / 2000.
        num_particles: particles per sample.
        length: steps of the run the random stream is drawn for, a multiple of 100: it changes all samples.
        input_frame, target_frame: frame k is the state after 100 (k + 1) steps, k < ``length / 100 - 1``.
        seed: of the stream shared by the three splits.
        interaction: ``"charged"`` (charges +-1, force components clipped to +-100) or ``"gravity"`` (unit
            masses in ``charge``, softening 0.2, centre of mass at rest).
        transform: called on each ``Data`` as it is taken out.
        log: show a progress bar while generating.
        force_reload: generate again even where a cache exists.

    Shapes: ``pos [n, 3]``, ``vel [n, 3]``, ``charge [n, 1]``, ``edge_index [2, n (n - 1)]`` (every ordered
    pair), ``edge_attr [n (n - 1), 1]`` (the product of the two charges), ``y [n, 3]`` (positions at
    ``target_frame``); float32, dimensionless units.

    Raises ValueError for arguments out of range. A cache file that does not check out is named in a warning
    and generated again.

    Not guaranteed: close encounters are chaotic, so that about 3 % of the samples depend on how a machine
    rounds. ``"gravity"`` has no published files to agree with.
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
        _check_names(root, split, interaction)
        num_samples = BENCHMARK[split] if num_samples is None else num_samples
        _check_numbers(
            split,
            num_samples=num_samples,
            num_particles=num_particles,
            length=length,
            input_frame=input_frame,
            target_frame=target_frame,
            seed=seed,
        )
        self.name = (
            f"{interaction}{num_particles}_seed{seed}_length{length}"
            f"_frame{input_frame}to{target_frame}_{split}{num_samples}"
        )
        super().__init__(root, transform, log=log)

        def make() -> dict[str, Tensor]:
            start = SPLITS[split][0]
            span = range(start, start + num_samples)
            charge, pos, vel = initial_states(span, num_particles, length, seed, interaction)
            pos, vel = simulate(charge, pos, vel, (input_frame, target_frame), interaction, progress=log)
            arrays = {"pos": pos[:, 0], "vel": vel[:, 0], "charge": charge, "y": pos[:, 1]}
            return {key: torch.from_numpy(value).float() for key, value in arrays.items()}

        shape = (num_samples, num_particles)
        spec = dict.fromkeys(("pos", "vel", "y"), (torch.float32, (*shape, 3)))
        spec["charge"] = (torch.float32, (*shape, 1))
        self.data, self.slices = _collated(**cached(self.processed_paths[0], spec, make, force_reload))

    @property
    def processed_file_names(self) -> list[str]:
        return [f"{self.name}.pt"]


def initial_states(
    samples: range, num_particles: int = 5, length: int = 5000, seed: int = 43, interaction: str = "charged"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Charges [S, n, 1], positions and velocities [S, n, 3] of these places in the random stream of a seed.

    Every sample before them has to be drawn too (about 0.03 ms each): the stream cannot be entered half way.
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
    """One sample's share of the stream; the last draws were measurement noise, of amplitude zero."""
    state = rng.choice([-1.0, 0.0, 1.0], size=(n, 1), p=[0.5, 0.0, 0.5]), rng.randn(3, n), rng.randn(3, n)
    rng.randn(2, num_frames, 3, n)
    return state


def reflect(pos: np.ndarray, vel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror what lies beyond a wall of the box [-5, 5]^3 back into it, and let it move inwards."""
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
    """Positions and velocities [S, len(frames), n, 3] of S independent systems in float64, by the leapfrog.

    v += dt F(x) once; then every step is x += dt v, v += dt F(x). Frame k is the state after the position
    update of step 100 (k + 1), before the velocities follow.

    Args:
        charge: [S, n, 1]; pos, vel: [S, n, 3], at time 0.
        frames: which frames to return, in increasing order.
        interaction: ``"charged"`` or ``"gravity"``.
        progress: show a progress bar.
    """
    size = max(1, PAIRS // charge.shape[1] ** 2)
    chunks = [slice(i, i + size) for i in range(0, len(charge), size)]
    with tqdm(total=len(charge), desc=f"n-body ({interaction})", unit="samples", disable=not progress) as bar:
        out = []
        for chunk in chunks:
            out.append(_leapfrog(charge[chunk], pos[chunk], vel[chunk], frames, LAWS[interaction]))
            bar.update(len(charge[chunk]))
    return tuple(np.concatenate(part) for part in zip(*out, strict=True))


def _leapfrog(charge, pos, vel, frames: Sequence[int], law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Run side by side, as [n, 3, S]: the long axis last, so that every operation is one pass over memory."""
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


def _collated(pos: Tensor, vel: Tensor, charge: Tensor, y: Tensor) -> tuple[Data, dict[str, Tensor]]:
    """The contiguous form of an InMemoryDataset: all samples end to end, and where each begins."""
    samples, n = pos.shape[:2]
    row, col = (~torch.eye(n, dtype=torch.bool)).nonzero().t()
    edge_attr = charge[:, row] * charge[:, col]
    nodes = {"pos": pos, "vel": vel, "charge": charge, "y": y}
    data = Data(**{key: value.flatten(0, 1) for key, value in nodes.items()})
    data.edge_index, data.edge_attr = torch.stack([row, col]).repeat(1, samples), edge_attr.flatten(0, 1)
    sizes = dict.fromkeys(nodes, n) | dict.fromkeys(("edge_index", "edge_attr"), len(row))
    return data, {key: torch.arange(samples + 1) * size for key, size in sizes.items()}


def _check_names(root, split, interaction) -> None:
    _require(isinstance(root, (str, os.PathLike)), "root", root, "a path")
    _require(split in list(SPLITS), "split", split, f"one of {list(SPLITS)}")
    _require(interaction in list(LAWS), "interaction", interaction, f"one of {list(LAWS)}")


def _check_numbers(split: str, **numbers: Any) -> None:
    for name, value in numbers.items():
        _require(checks.is_integer(value), name, value, "a whole number")
    most, last = SPLITS[split][1] - SPLITS[split][0], numbers["length"] // STRIDE - 2
    first = numbers["input_frame"]
    for name, holds, expected in (
        ("num_samples", lambda n: 1 <= n <= most, f"1 to {most} for split {split!r}"),
        ("num_particles", lambda n: n >= 2, "at least 2"),
        ("length", lambda n: n % STRIDE == 0 and last >= 1, f"a multiple of {STRIDE}, 300 or more"),
        ("input_frame", lambda n: 0 <= n < last, f"0 to {last - 1}"),
        ("target_frame", lambda n: first < n <= last, f"{first + 1} to {last}"),
        ("seed", lambda n: 0 <= n < 2**32, f"0 to {2**32 - 1}"),
    ):
        _require(holds(numbers[name]), name, numbers[name], expected)


def _require(holds: bool, argument: str, found: object, expected: str) -> None:
    if not holds:
        checks.refuse(f"NBody: {argument}", expected, found)
