"""Cost of frame averaging as the work grows: atoms, graphs, frames, threads, processes.

Frames means frames and eight framed copies of all positions; network means a message-passing network of four
layers, 64 wide, on eight neighbors, in eight frames. Each size is timed in a process of its own, whose peak
memory above that of the inputs is measured, too; freed memory is kept (``fa_pyg.memory``), so that faults of
pages do not count. The yardstick of frames is eight copies of the positions as they are, that of the network
one run without frames. "growth" is the exponent of the time between a size and the one before: 1 is linear.

    python benchmarks/scale.py [--parts atoms graphs frames processes] [--quick]
        [--plot scale.png] [--json ratios.json]
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import NamedTuple

import torch
from command_line import positive, ratio_target, writable
from frames import _copied as copied
from frames import molecules
from markdown_table import table
from memory import peak_kib
from overhead import Net
from timing import interleaved, record
from torch import Tensor, nn

from fa_pyg import FrameAveraging, GroupFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.memory import keep_freed_memory
from fa_pyg.nn import knn_graph

FRAMES = {
    "PCA frames": lambda: PCAFrame("E(3)"),
    "weighted frames": lambda: WeightedPCAFrame("E(3)"),
}
NETWORK = "network in PCA frames"
POINT_GROUPS = {1: "C1(3)", 2: "Ci", 4: "C2v", 8: "D2h", 12: "T", 24: "O", 48: "Oh"}
SIZES = {"atoms": (10, 100, 1000, 10_000, 100_000), "graphs": (1, 10, 100, 1000, 10_000, 100_000)}
QUICK = {"atoms": (10, 1000), "graphs": (1, 100)}
LARGEST = {"atoms": 100_000, "graphs": 1000}  # of the network: larger ones take minutes
NEIGHBORS = 8


class Measured(NamedTuple):
    """Least seconds of a call and of its yardstick, and the peak memory in MiB above that of the inputs."""

    seconds: float
    yardstick: float
    peak: float


Calls = tuple[Callable[[], object], Callable[[], object]]  # what is measured, and what it is compared with


def cloud(part: str, size: int) -> tuple[Tensor, Tensor | None, int]:
    """One cloud of ``size`` atoms, or ``size`` molecules: positions, graph of each node, number of graphs."""
    generator = torch.Generator().manual_seed(0)
    if part == "graphs":
        return *molecules(size, generator), size
    return torch.randn(size, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0]) + 5, None, 1


def framed(name: str, part: str, size: int) -> Calls:
    """Frames and framed copies of a cloud; eight copies of it as it is."""
    pos, batch, count = cloud(part, size)
    frame = FRAMES[name]()
    return lambda: frame(pos, batch=batch, num_graphs=count).to_frame(pos, "point"), lambda: copied(pos)


def network(part: str, size: int, group: str | None = None) -> Calls:
    """The outputs of a network in PCA frames, or in a finite group; those of the bare network."""
    pos, batch, count = cloud(part, size)
    batch = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
    torch.manual_seed(0)
    z, edges = torch.randint(1, 10, (len(pos),)), knn_graph(pos, min(NEIGHBORS, len(pos) - 1), batch)
    net, frame = Net().eval(), PCAFrame("E(3)") if group is None else GroupFrame(group)
    model = FrameAveraging(net, frame).eval()
    return lambda: model(z, pos, edges, batch, count), lambda: net(z, pos, edges, batch, count)


def measure(make: Callable[..., Calls], args: tuple, threads: int, seconds: float) -> Measured:
    """Time a call in a process of its own, which may have ``threads`` threads."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (make, args, threads, seconds))


def _measured(make: Callable[..., Calls], args: tuple, threads: int, seconds: float) -> Measured:
    torch.set_num_threads(threads)
    keep_freed_memory()
    with torch.no_grad():
        (run, yardstick), idle = make(*args), peak_kib()
        run()
        peak = (peak_kib() - idle) / 1024
        times = interleaved({"run": run, "yardstick": yardstick}, seconds, least=2)
    return Measured(min(times["run"]), min(times["yardstick"]), peak)


def growing(part: str, args: argparse.Namespace, curves: dict) -> Iterator[list[str]]:
    """Rows of the curves over the number of atoms, or of graphs."""
    makers = {**{name: (framed, (name,)) for name in FRAMES}, NETWORK: (network, ())}
    for name, (make, first) in makers.items():
        before: tuple[int, float] | None = None
        for size in (QUICK if args.quick else SIZES)[part]:
            if name == NETWORK and size > LARGEST[part]:
                continue
            one, two = (measure(make, (*first, part, size), threads, args.seconds) for threads in (1, 2))
            growth = "" if before is None else f"{_exponent(before, (size, one.seconds)):.2f}"
            before = size, one.seconds
            curves.setdefault((part, name), []).append((size, one.seconds, one.peak))
            kept(args, f"{name}, {size} {part}", one)
            cells = [f"{1e3 * one.seconds:.3g}", f"{one.seconds / one.yardstick:.1f}", growth]
            cells += [f"{one.seconds / two.seconds:.2f}", f"{one.peak:.0f}"]
            yield [name, f"{size:,}".replace(",", " "), *cells]


def _exponent(before: tuple[int, float], now: tuple[int, float]) -> float:
    return math.log(now[1] / before[1]) / math.log(now[0] / before[0])


def kept(args: argparse.Namespace, title: str, measured: Measured) -> None:
    """Write a ratio to the JSON file."""
    both = {"fa_pyg": [measured.seconds], "yardstick": [measured.yardstick]}
    record(args.json, "scale", title, both, "yardstick")


def frames(args: argparse.Namespace, curves: dict) -> Iterator[list[str]]:
    """Rows of the curve over the number of frames."""
    graphs = 10 if args.quick else 100
    for order, name in POINT_GROUPS.items():
        one = measure(network, ("graphs", graphs, name), 1, args.seconds)
        curves.setdefault(("frames", NETWORK), []).append((order, one.seconds, one.peak))
        kept(args, f"{order} frames, {graphs} graphs", one)
        share = one.seconds / one.yardstick / order
        yield [str(order), f"{1e3 * one.seconds:.3g}", f"{share:.2f}", f"{one.peak:.0f}"]


class Setting(NamedTuple):
    """Processes, and threads of each."""

    processes: int
    threads: int


def processes(args: argparse.Namespace) -> Iterator[list[str]]:
    """Rows of training on several processes of this machine, on the same number of samples a step."""
    settings = [Setting(1, 1), Setting(1, 2), Setting(2, 1)]
    rounds = 1 if args.quick else 3
    times = {
        setting: [trained(setting, 5 if args.quick else 40) for _ in range(rounds)] for setting in settings
    }
    for setting, found in times.items():
        seconds, gradients = (statistics.median(column) for column in zip(*found, strict=True))
        share = times[settings[0]][0][0] / found[0][0]
        cells = [f"{1e3 * seconds:.1f}", f"{BATCH / seconds:.0f}", f"{share:.2f}", f"{gradients / 1024:.0f}"]
        yield [str(setting.processes), str(setting.threads), *cells]
    if args.json:
        named = {f"{s.processes} x {s.threads}": [one for one, _ in found] for s, found in times.items()}
        record(args.json, "scale", "training on several processes", named, "1 x 1")


BATCH = 100  # molecules of a step, of all processes together


def trained(setting: Setting, steps: int) -> tuple[float, float]:
    """Seconds of a training step of the framed network, and the bytes of its gradients."""
    with tempfile.TemporaryDirectory() as folder, get_context("spawn").Pool(setting.processes) as pool:
        jobs = [
            (rank, setting, steps, os.path.join(folder, "rendezvous")) for rank in range(setting.processes)
        ]
        return max(pool.starmap(_train, jobs, chunksize=1))


def _train(rank: int, setting: Setting, steps: int, file: str) -> tuple[float, float]:
    torch.set_num_threads(setting.threads)
    share = BATCH // setting.processes
    pos, batch = molecules(share, torch.Generator().manual_seed(rank))
    torch.manual_seed(0)
    z, edges = torch.randint(1, 10, (len(pos),)), knn_graph(pos, NEIGHBORS, batch)
    model: nn.Module = FrameAveraging(Net(), PCAFrame("E(3)"))
    size = sum(weight.nbytes for weight in model.parameters())
    if setting.processes > 1:
        group = torch.distributed
        group.init_process_group("gloo", f"file://{file}", rank=rank, world_size=setting.processes)
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(model.parameters(), 0.0, fused=True)
    start = 0.0
    for step in range(steps + 2):
        if step == 2:  # after warming up
            start = time.perf_counter()
        optimizer.zero_grad()
        model(z, pos, edges, batch, share).square().mean().backward()
        optimizer.step()
    seconds = (time.perf_counter() - start) / steps
    if setting.processes > 1:
        torch.distributed.destroy_process_group()
    return seconds, float(size)


def plot(curves: dict, path: str) -> None:
    """Draw time and memory of all curves."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    parts = [part for part in ("atoms", "graphs", "frames") if any(part == key[0] for key in curves)]
    figure, axes = plt.subplots(2, len(parts), figsize=(3.4 * len(parts), 5), squeeze=False, sharex="col")
    for column, part in enumerate(parts):
        for (other, name), points in curves.items():
            if other != part:
                continue
            size, seconds, peak = zip(*points, strict=True)
            axes[0, column].loglog(size, [1e3 * one for one in seconds], "o-", ms=3, label=name)
            axes[1, column].loglog(size, [max(one, 0.1) for one in peak], "o-", ms=3)
        axes[0, column].legend(frameon=False, fontsize=7)
        axes[1, column].set_xlabel(part)
    axes[0, 0].set_ylabel("time, ms")
    axes[1, 0].set_ylabel("peak memory, MiB")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["atoms", "graphs", "frames", "processes"]
    parser.add_argument("--parts", nargs="+", choices=names, default=names)
    parser.add_argument("--seconds", type=positive, default=2, help="of timing each size")
    parser.add_argument("--quick", action="store_true", help="few sizes, to try the script")
    parser.add_argument("--plot", type=writable, help="also draw the curves to this file")
    parser.add_argument("--json", type=ratio_target, help="also write times and ratios to this file")
    args = parser.parse_args()
    args.seconds = min(args.seconds, 0.1) if args.quick else args.seconds
    curves: dict = {}
    for part in args.parts:
        if part == "processes":
            header = [
                "processes",
                "threads of each",
                "ms a step",
                "molecules a second",
                "speed-up",
                "gradients, KiB",
            ]
            rows = processes(args)
        elif part == "frames":
            header, rows = ["frames", "ms", "/ (frames x bare)", "peak, MiB"], frames(args, curves)
        else:
            header = ["", part, "ms", "/ yardstick", "growth", "speed-up by 2 threads", "peak, MiB"]
            rows = growing(part, args, curves)
        for line in table(header, rows):
            print(line, flush=True)
        print()
    if args.plot:
        plot(curves, args.plot)


if __name__ == "__main__":
    main()
