"""Training steps against what the machine can do, and what is around them: loaders, optimizers, freed memory.

"of the peak" is the number of floating point operations of a step's matrix products, by torch's own count,
over those that one large product of the same type does in the step's time. The loaders give the same batches.
Everything but "freed memory" is timed in interleaved rounds of one run.

    python benchmarks/training.py [--parts steps loaders optimizers memory] [--threads 1] [--quick]
        [--json ratios.json]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context

import torch
from command_line import positive, positive_int, ratio_target
from frames import molecules
from markdown_table import table
from memory import peak_kib
from overhead import Net
from timing import interleaved, median_ms, ratio, record
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.builders import Frame
from fa_pyg.datasets import InMemoryLoader, NBody
from fa_pyg.memory import keep_freed_memory
from fa_pyg.models import EGNN, FADGCNN, FAGNN, KinematicGNN
from fa_pyg.nn import radius_graph

PRODUCT = "one large product"
Step = Callable[[], object]


def on_nbody(model: nn.Module, fused: bool = True) -> Step:
    """A training step on 100 systems of five particles."""
    batch = next(iter(InMemoryLoader(NBody("data/nbody", "train"), 100)))
    names = ["pos", "vel", "charge", "edge_index", "edge_attr", "batch"]
    names += ["num_graphs"] * (not isinstance(model, EGNN))  # which needs no sums over graphs
    given = {name: getattr(batch, name) for name in names}
    return step(model, lambda: model(**given) - batch.y, fused)


def kinematic(frame: Frame) -> nn.Module:
    return FrameAveraging(KinematicGNN(), frame, inputs={"pos": "point", "vel": "vector"}, output="point")


def on_molecules(frame: Frame, count: int = 100) -> Step:
    """A training step of a message-passing network on molecules."""
    pos, batch = molecules(count, torch.Generator().manual_seed(0))
    z, edges = torch.randint(1, 10, (len(pos),)), radius_graph(pos, 3.0, batch)
    model = FrameAveraging(Net(), frame)
    return step(model, lambda: model(z, pos, edges, batch, count))


def on_points(count: int = 4, points: int = 128) -> Step:
    """A training step of FA-DGCNN on clouds of points."""
    pos = torch.randn(count * points, 3, generator=torch.Generator().manual_seed(0))
    batch = torch.arange(count).repeat_interleave(points)
    model = FADGCNN()
    return step(model, lambda: model(pos, batch))


def step(model: nn.Module, output: Callable[[], Tensor], fused: bool = True) -> Step:
    """Forward, backward and update; a learning rate of 0 leaves every step the same weights."""
    optimizer = torch.optim.AdamW(model.parameters(), 0.0, fused=fused)

    def run() -> None:
        optimizer.zero_grad()
        output().square().mean().backward()
        optimizer.step()

    return run


STEPS: dict[str, Callable[[], Step]] = {
    "FA-GNN, n-body": lambda: on_nbody(FAGNN()),
    "EGNN, n-body": lambda: on_nbody(EGNN()),
    "KinematicGNN, one random motion, n-body": lambda: on_nbody(kinematic(HaarFrame("E(3)", k=1))),
    "KinematicGNN, weighted frames, n-body": lambda: on_nbody(kinematic(WeightedPCAFrame("E(3)"))),
    "EdgeConv network, 8 PCA frames, molecules": lambda: on_molecules(PCAFrame("E(3)")),
    "FA-DGCNN, 4 clouds of 128 points": on_points,
}


def steps(args: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of steps a second, and how much of the peak their matrix products are."""
    runs = {name: make() for name, make in STEPS.items()}
    operations = {name: counted(run) for name, run in runs.items()}
    side = torch.randn(1024, 1024)
    operations[PRODUCT] = 2 * 1024**3
    times = interleaved({**runs, PRODUCT: lambda: side @ side}, args.seconds)
    record(args.json, "training", f"steps, {args.threads} threads", times, PRODUCT)
    for name in times:
        share = ratio(times, PRODUCT, name) * operations[name] / operations[PRODUCT]
        ms = median_ms(times, name)
        yield [name, f"{operations[name] / 1e9:.2f}", f"{ms:.1f}", f"{1e3 / ms:.0f}", f"{100 * share:.0f} %"]


def counted(run: Step) -> int:
    """The number of floating point operations of a call."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def loaders(args: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of the time of a batch: PyG's loader, and the one of this package."""
    dataset = NBody("data/nbody", "train")
    pos, batch = molecules(2000, torch.Generator().manual_seed(0))
    graphs = [Data(pos=one, z=torch.ones(len(one), dtype=torch.long)) for one in split(pos, batch)]
    collated = Batch.from_data_list(graphs)
    sources = {
        "n-body systems, all pairs": (list(dataset), dataset, len(dataset)),
        "molecules": (graphs, collated, len(graphs)),
    }
    for name, (one_by_one, together, count) in sources.items():
        for size in (1, 32, 100, 512):
            both = {
                "DataLoader": lambda data=one_by_one, n=size: drained(DataLoader(data, n, shuffle=True), n),
                "InMemoryLoader": lambda d=together, n=size: drained(InMemoryLoader(d, n, shuffle=True), n),
            }
            times = interleaved(both, args.seconds / 8)
            record(args.json, "training", f"loading, {size} {name}", times, "DataLoader")
            batches = min(SOME, -(-count // size))
            cells = [f"{median_ms(times, loader) / batches:.3f}" for loader in both]
            yield [name, str(size), *cells, f"{ratio(times, 'DataLoader', 'InMemoryLoader'):.1f}"]


SOME = 20  # batches, of a loader of which an epoch takes long


def drained(loader: object, size: int) -> None:
    for number, _ in enumerate(loader, 1):
        if number == SOME:
            return


def split(pos: Tensor, batch: Tensor) -> tuple[Tensor, ...]:
    return pos.split(torch.bincount(batch).tolist())


def optimizers(args: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of a step with each kind of update."""
    for name, make in {"FA-GNN": FAGNN, "EGNN": EGNN}.items():
        torch.manual_seed(0)
        both = {"loop": on_nbody(make(), fused=False), "fused": on_nbody(make())}
        times = interleaved(both, args.seconds / 2)
        record(args.json, "training", f"optimizer, {name}", times, "loop")
        yield [
            name,
            *(f"{median_ms(times, one):.1f}" for one in both),
            f"{ratio(times, 'loop', 'fused'):.2f}",
        ]


def memory(args: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of a step and its peak memory, with freed memory given back and kept, each in a new process."""
    for name in STEPS:
        # In turn, so that a busy minute meets both.
        rounds = [[_alone(name, keep, args) for keep in (False, True)] for _ in range(1 if args.quick else 3)]
        given, kept = zip(*rounds, strict=True)
        both = {"given back": [one for one, _ in given], "kept": [one for one, _ in kept]}
        record(args.json, "training", f"freed memory, {name}", both, "given back")
        peaks = [f"{max(peak for _, peak in one) / 1024:.0f}" for one in (given, kept)]
        cells = [f"{median_ms(both, one):.1f}" for one in both]
        yield [name, *cells, f"{ratio(both, 'given back', 'kept'):.2f}", *peaks]


def _alone(name: str, keep: bool, args: argparse.Namespace) -> tuple[float, int]:
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_timed, (name, keep, args.threads, args.seconds / 20))


def _timed(name: str, keep: bool, threads: int, seconds: float) -> tuple[float, int]:
    torch.set_num_threads(threads)
    if keep and not keep_freed_memory():
        raise RuntimeError("this C library cannot keep freed memory")
    run, times = STEPS[name](), []
    run()
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times), peak_kib()


PARTS: dict[str, tuple[list[str], Callable[[argparse.Namespace], Iterator[list[str]]]]] = {
    "steps": (["training step", "GFLOP", "ms", "steps a second", "of the peak"], steps),
    "loaders": (["graphs", "a batch", "DataLoader, ms", "InMemoryLoader, ms", "ratio"], loaders),
    "optimizers": (["training step", "loop, ms", "fused, ms", "ratio"], optimizers),
    "memory": (
        ["training step", "given back, ms", "kept, ms", "ratio", "peak given back, MiB", "peak kept, MiB"],
        memory,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--threads", type=positive_int, default=1)
    parser.add_argument("--seconds", type=positive, default=30, help="of each part, about")
    parser.add_argument("--quick", action="store_true", help="few rounds, to try the script")
    parser.add_argument("--json", type=ratio_target, help="also write times and ratios to this file")
    args = parser.parse_args()
    args.seconds = min(args.seconds, 2) if args.quick else args.seconds
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for part in args.parts:
        header, rows = PARTS[part]
        for line in table(header, rows(args)):
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
