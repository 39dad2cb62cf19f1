"""The charged n-body benchmark, generated sample for sample like the published files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.nbody_edges import all_pairs, nearest_pairs
from fa_pyg.datasets.nbody_law import LAWS, STRIDE, initial_states, reflect, simulate
from fa_pyg.datasets.splits import PARTS, consecutive_parts
from fa_pyg.files.tensors import Tensors, cached

__all__ = ["NBody", "initial_states", "reflect", "simulate"]

SPLITS = consecutive_parts({"train": 10_000, "val": 2000, "test": 2000})  # of one random stream
BENCHMARK = {"train": 3000, "val": 2000, "test": 2000}


class NBody(InMemoryDataset):
    r"""The n-body benchmark: predict the later positions of charged particles (or masses).

    It is that of "Neural Relational Inference for Interacting Systems" (Kipf et al. 2018), in three
    dimensions as in "E(n) Equivariant Graph Neural Networks" (Satorras et al. 2021).

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
        num_neighbors: edges to every particle from so many nearest ones in ``pos``; None: from all others,
            which takes 200 kB for a sample of 100 particles.
        velocities: add ``y_vel``, the velocities at ``target_frame``.
        transform: called on each ``Data`` at access.
        log: show a progress bar while generating.
        force_reload: generate again even where a cache exists.

    Attributes:
        interaction, num_neighbors: as given.
        num_steps: steps of 0.001 between input and target.

    Shapes: ``pos [n, 3]``, ``vel [n, 3]``, ``charge [n, 1]``, ``edge_index [2, n (n - 1)]`` (every ordered
    pair; ``[2, n k]`` for k neighbors), ``edge_attr [n (n - 1), 1]`` (the product of the two charges),
    ``y [n, 3]`` (positions at ``target_frame``); float32, dimensionless units. Velocities, of inputs and
    targets, are half a step of 0.001 behind positions, so that a trajectory can be continued from a target.

    Raises:
        ValueError: for arguments out of range. A damaged cache file is named in a warning and generated
            again.

    Not guaranteed: the same samples on every machine: close encounters are chaotic, and about 3 % of the
    samples depend on rounding. No published files exist for ``"gravity"``.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        num_samples: int | None = None,
        *,
        num_particles: int = 5,
        length: int = 5000,
        input_frame: int = 30,
        target_frame: int = 40,
        seed: int = 43,
        interaction: str = "charged",
        num_neighbors: int | None = None,
        velocities: bool = False,
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
        checks.integer("num_neighbors", num_neighbors, 1, num_particles - 1, optional=True)
        checks.flag("velocities", velocities)
        self.interaction, self.num_neighbors = interaction, num_neighbors
        self.num_steps = STRIDE * (target_frame - input_frame)
        self.name = (
            f"{interaction}{num_particles}_seed{seed}_length{length}"
            f"_frame{input_frame}to{target_frame}_{split}{num_samples}{'_velocities' if velocities else ''}"
        )
        super().__init__(os.fspath(root), transform, log=log)

        def make() -> Tensors:
            samples = SPLITS[split][:num_samples]
            charge, pos, vel = initial_states(samples, num_particles, length, seed, interaction)
            pos, vel = simulate(charge, pos, vel, (input_frame, target_frame), interaction, progress=log)
            arrays = {"pos": pos[:, 0], "vel": vel[:, 0], "charge": charge, "y": pos[:, 1]}
            arrays |= {"y_vel": vel[:, 1]} if velocities else {}
            return {key: torch.from_numpy(value).float() for key, value in arrays.items()}

        shape, vectors = (num_samples, num_particles), ["pos", "vel", "y", *["y_vel"] * velocities]
        spec = dict.fromkeys(vectors, (torch.float32, (*shape, 3)))
        spec["charge"] = (torch.float32, (*shape, 1))
        found = cached(self.processed_paths[0], spec, make, force_reload)
        self.data, self.slices = _collate(found, num_neighbors)

    @property
    def processed_file_names(self) -> list[str]:
        return [f"{self.name}.pt"]


def _collate(nodes: Tensors, num_neighbors: int | None) -> tuple[Data, dict[str, Tensor]]:
    """Return the collated form of an ``InMemoryDataset``, from arrays ``[S, n, ...]``."""
    samples, n = nodes["pos"].shape[:2]
    data = Data(**{key: value.flatten(0, 1) for key, value in nodes.items()})
    if num_neighbors is None:
        data.edge_index, data.edge_attr = all_pairs(nodes["charge"])
    else:
        batch = torch.arange(samples).repeat_interleave(n)
        data.edge_index, data.edge_attr = nearest_pairs(data["pos"], data["charge"], num_neighbors, batch)
        data.edge_index %= n
    edges = data.num_edges // samples
    sizes = dict.fromkeys(nodes, n) | dict.fromkeys(("edge_index", "edge_attr"), edges)
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
