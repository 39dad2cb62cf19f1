"""Time and memory of n-body models as systems grow: all pairs, and edges from the nearest neighbors.

All batches have the same number of particles, in systems of 5, 20 and 100. A training step is forward and
backward of one batch, without the optimizer; peak memory is that of a training step above the inputs, in a
process for each model. Times are CPU times of one thread, all in the same interleaved rounds, and ratios are
medians over the rounds: to EGNN on the same systems, and to the same model on systems of five.

    python benchmarks/particles.py [--particles 500] [--seconds 10] [--no-memory]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context

import torch
from command_line import positive, positive_int
from markdown_table import table
from memory import peak_kib
from timing import Times, interleaved, median_ms, ratio
from torch import Tensor, nn

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame
from fa_pyg.builders import Frame
from fa_pyg.datasets.nbody import initial_states
from fa_pyg.datasets.nbody_edges import all_pairs, nearest_pairs
from fa_pyg.models import EGNN, FAGNN, KinematicGNN, PairForceIntegrator

SYSTEMS = ((5, None), (20, None), (20, 8), (100, None), (100, 16))  # particles, nearest neighbors
OF_BOTH = ("forward, ms", "/ EGNN", "/ N = 5", "training step, ms", "/ EGNN", "/ N = 5")
HEADER = ("N", "edges to each", "model", *OF_BOTH, "peak, MiB")
TO = "EGNN"


def framed(frame: Frame) -> nn.Module:
    return FrameAveraging(KinematicGNN(), frame, inputs={"pos": "point", "vel": "vector"}, output="point")


MODELS: dict[str, Callable[[], nn.Module]] = {
    TO: EGNN,
    "FA-GNN": FAGNN,
    "KinematicGNN, one random motion": lambda: framed(HaarFrame("E(3)", k=1)),
    "KinematicGNN, 8 PCA frames": lambda: framed(PCAFrame("E(3)")),
    "pair force, integrated": PairForceIntegrator,
}


def inputs(particles: int, size: int, neighbors: int | None) -> dict[str, Tensor]:
    """Return a batch of systems of one size, at the start of their motion."""
    states = initial_states(range(particles // size), size)
    charge, pos, vel = (torch.from_numpy(one).float() for one in states)
    batch = torch.arange(len(pos)).repeat_interleave(size)
    nodes = {"pos": pos.flatten(0, 1), "vel": vel.flatten(0, 1), "charge": charge.flatten(0, 1)}
    if neighbors is None:
        edge_index, edge_attr = all_pairs(charge)
        edge_index = edge_index + size * torch.arange(len(pos)).repeat_interleave(size * (size - 1))
    else:
        edge_index, edge_attr = nearest_pairs(nodes["pos"], nodes["charge"], neighbors, batch)
    return {**nodes, "edge_index": edge_index, "edge_attr": edge_attr, "batch": batch}


def forward(make: Callable[[], nn.Module], given: dict[str, Tensor]) -> Callable[[], None]:
    model = make().eval()

    def run() -> None:
        with torch.no_grad():
            model(**given)

    return run


def training(make: Callable[[], nn.Module], given: dict[str, Tensor]) -> Callable[[], None]:
    model = make()

    def run() -> None:
        model.zero_grad(set_to_none=True)
        model(**given).square().mean().backward()

    return run


def rows(args: argparse.Namespace) -> Iterator[list[object]]:
    """Yield the lines of the table."""
    peaks = {} if args.no_memory else peaks_of_all(args.particles)
    given = {system: inputs(args.particles, *system) for system in SYSTEMS}
    both = []
    for kind in (forward, training):
        calls = {
            label(*system, name): kind(MODELS[name], given[system]) for system in SYSTEMS for name in MODELS
        }
        both.append(interleaved(calls, args.seconds / 2, 3, time.process_time))
    for size, neighbors in SYSTEMS:
        edges = size - 1 if neighbors is None else f"{neighbors} nearest"
        for name in MODELS:
            cells = [cell for times in both for cell in shown(times, size, neighbors, name)]
            yield [size, edges, name, *cells, peaks.get(label(size, neighbors, name), "")]


def label(size: int, neighbors: int | None, name: str) -> str:
    return f"{size} particles, {neighbors or 'all'} neighbors, {name}"


def shown(times: Times, size: int, neighbors: int | None, name: str) -> tuple[str, str, str]:
    """Return milliseconds, the ratio to EGNN, and that to the same model on the smallest systems."""
    key, to = label(size, neighbors, name), (label(size, neighbors, TO), label(*SYSTEMS[0], name))
    return f"{median_ms(times, key):.0f}", *(f"{ratio(times, key, other):.2f}" for other in to)


def peaks_of_all(particles: int) -> dict[str, str]:
    """Return the peak memory in MiB of a training step of each model for each kind of systems."""
    found = {}
    # Forked before anything is computed, so that no process has memory to reuse.
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for size, neighbors in SYSTEMS:
            idle, *others = (pool.apply(peak, (name, particles, size, neighbors)) for name in (None, *MODELS))
            for name, one in zip(MODELS, others, strict=True):
                found[label(size, neighbors, name)] = f"{(one - idle) / 1024:.0f}"
    return found


def peak(name: str | None, *of: int | None) -> int:
    """Return the peak memory of this process in KiB after a training step, None: after making the inputs."""
    given = inputs(*of)
    if name is not None:
        training(MODELS[name], given)()
    return peak_kib()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--particles", type=positive_int, default=500, help="of a batch")
    parser.add_argument("--seconds", type=positive, default=10, help="of timing, at least three rounds")
    parser.add_argument("--no-memory", action="store_true", help="measure times only")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for line in table(HEADER, rows(args)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
