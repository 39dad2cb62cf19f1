"""Frames and eight framed copies of a batch: the library against faenet, frame-averaging-pytorch and PyG.

All get the same PyG batch. ``faenet`` and PyG's ``NormalizeRotation`` (one pose, not eight) work graph by
graph, ``frame-averaging-pytorch`` on padded tensors: each is timed from the batch, and on input prepared
before, as in a data set whose graphs are transformed before they are collated. A ratio is the median over the
interleaved rounds of one run. The limit is what memory alone costs: the points read once, and eight copies
of them written to a new tensor. The copies of ``frame-averaging-pytorch`` are a transposed view, which the
first layer of a network has to copy: "in rows" includes this copy.

    python benchmarks/frames.py [--sizes 1 32 512 4096] [--points 100000] [--threads 1 2] [--no-compile]
        [--json ratios.json]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import time
import warnings
from collections.abc import Callable, Iterator

import torch
from command_line import natural_int, positive, positive_int, ratio_target
from timing import Times, interleaved, median_ms, ratio, record
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import NormalizeRotation
from torch_geometric.utils import to_dense_batch

from fa_pyg import PCAFrame
from fa_pyg.math import linalg

EAGER, COMPILED, PADDED = "fa_pyg", "fa_pyg, compiled", "frame-averaging-pytorch"
FAENET, POSE = "faenet", "NormalizeRotation (1 copy)"
READY, ROWS, LIMIT = ", prepared", ", in rows", "limit of memory"
FRAME = PCAFrame("E(3)")


def framed(pos: Tensor, batch: Tensor | None, num_graphs: int) -> Tensor:
    """Eight copies ``[8 N, 3]`` of a batch in its frames."""
    return FRAME(pos, batch=batch, num_graphs=num_graphs).to_frame(pos, "point")


def molecules(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` clouds of 12 to 24 points: positions ``[N, 3]`` and the graph of each."""
    sizes = torch.randint(12, 25, (count,), generator=generator)
    pos = torch.randn(int(sizes.sum()), 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0])
    return pos + 5, torch.repeat_interleave(torch.arange(count), sizes)


@contextlib.contextmanager
def native_scatter() -> Iterator[None]:
    """torch's own scatter operations, also where torch_scatter is installed."""
    kept, linalg.torch_scatter = linalg.torch_scatter, None
    try:
        yield
    finally:
        linalg.torch_scatter = kept


def peer(module: str, name: str, *args: str) -> Callable | None:
    """An object of another library; None, with a line, where it cannot be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(importlib.import_module(module), name)(*args)
    except ImportError as error:
        print(f"left out: {module.split('.')[0]} ({error})")
        return None


class Contest:
    """All contestants, for any batch."""

    def __init__(self, compiles: bool) -> None:
        self.faenet = peer("faenet.transforms", "FrameAveraging", "3D", "all")
        self.padded = peer("frame_averaging_pytorch", "FrameAverage")
        if linalg.torch_scatter is None:
            print("left out: torch_scatter (not importable)")
        self.compiled = torch.compile(framed, dynamic=True, fullgraph=True) if compiles else None
        self.compiled_padded = torch.compile(self.pad, dynamic=True) if compiles and self.padded else None

    def pad(self, pos: Tensor, mask: Tensor | None) -> Tensor:
        return self.padded(pos, frame_average_mask=mask)[0]

    def entrants(self, pos: Tensor, batch: Tensor | None, count: int) -> dict[str, Callable[[], object]]:
        """What to time, by name."""

        def native() -> Tensor:
            with native_scatter():
                return framed(pos, batch, count)

        entrants = {EAGER: native, LIMIT: lambda: _copied(pos)}
        if batch is not None and linalg.torch_scatter is not None:
            entrants[f"{EAGER}, torch_scatter"] = lambda: framed(pos, batch, count)
        if self.compiled is not None:
            entrants[COMPILED] = lambda: self.compiled(pos, batch, count)
        if self.padded is not None:
            entrants.update(self._padded(pos, batch))
        transforms = {FAENET: self.faenet, POSE: NormalizeRotation()}
        for name, transform in transforms.items():
            if transform is not None:
                entrants.update(_graph_by_graph(name, transform, pos, batch))
        return entrants

    def _padded(self, pos: Tensor, batch: Tensor | None) -> dict[str, Callable[[], object]]:
        if batch is None:
            ready = pos.unsqueeze(0), None
            padding = lambda: ready  # noqa: E731
        else:
            padding = lambda: to_dense_batch(pos, batch)  # noqa: E731
            ready = padding()
        entrants = {
            PADDED: lambda: self.pad(*padding()),
            f"{PADDED}{READY}": lambda: self.pad(*ready),
            f"{PADDED}{READY}{ROWS}": lambda: self.pad(*ready).contiguous(),
        }
        if self.compiled_padded is not None:
            entrants[f"{PADDED}, compiled"] = lambda: self.compiled_padded(*padding())
            entrants[f"{PADDED}, compiled{READY}"] = lambda: self.compiled_padded(*ready)
        return entrants


def _copied(pos: Tensor) -> Tensor:
    """Eight copies ``[8, N, 3]`` of the points as they are."""
    return pos.new_empty(8, *pos.shape).copy_(pos)


def _graph_by_graph(
    name: str, transform: Callable, pos: Tensor, batch: Tensor | None
) -> dict[str, Callable[[], object]]:
    graphs = [pos] if batch is None else pos.split(torch.bincount(batch).tolist())
    collated = Batch.from_data_list([Data(pos=x) for x in graphs])
    ready = collated.to_data_list()
    return {
        name: lambda: [transform(data) for data in collated.to_data_list()],
        f"{name}{READY}": lambda: [transform(data) for data in ready],
    }


def check(contest: Contest, pos: Tensor, batch: Tensor, count: int) -> None:
    """All contestants must do the same: up to sign and order of the axes, their copies agree."""
    wanted = framed(pos, batch, count)[: len(pos)].abs()
    found = {}
    if contest.compiled is not None:
        found[COMPILED] = contest.compiled(pos, batch, count)[: len(pos)]
    if contest.padded is not None:
        copies, mask = contest.pad(*to_dense_batch(pos, batch)), to_dense_batch(pos, batch)[1]
        found[PADDED] = copies[:, 0][mask]
    if contest.faenet is not None:
        graphs = pos.split(torch.bincount(batch).tolist())
        found[FAENET] = torch.cat([contest.faenet(Data(pos=x)).fa_pos[0] for x in graphs]).flip(-1)
    for name, copy in found.items():
        # In float32 the axes of the others are off where eigenvalues are close: a share of the rows suffices.
        share = ((copy.abs() - wanted).abs().amax(-1) < 1e-3).double().mean()
        if share < 0.99:
            raise RuntimeError(f"{name}: only {share:.0%} of the rows agree with the library's")


def table(title: str, times: Times) -> None:
    """Medians, and ratios to the library's own, eager and compiled."""
    against = [name for name in (EAGER, COMPILED) if name in times]
    width = max(map(len, times))
    print(f"\n{title}\n{'':{width}}  {'ms':>9}" + "".join(f"  / {name}" for name in against))
    for name in times:
        ratios = "".join(f"{ratio(times, name, to):{len(to) + 4}.2f}" for to in against)
        print(f"{name:{width}}  {median_ms(times, name):9.3f}{ratios}", flush=True)


def sizes(args: argparse.Namespace) -> Iterator[tuple[str, Tensor, Tensor | None, int]]:
    """What to time: a title, the positions, the graph of each node, and the number of graphs."""
    generator = torch.Generator().manual_seed(0)
    for size in args.sizes:
        pos, batch = molecules(size, generator)
        yield f"{size} molecules, {len(pos)} atoms", pos, batch, size
    if args.points:
        pos = torch.randn(args.points, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0]) + 5
        yield f"one cloud of {args.points} points", pos, None, 1


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", type=positive_int, nargs="*", default=[1, 32, 512, 4096], help="numbers of molecules"
    )
    parser.add_argument(
        "--points", type=natural_int, default=100_000, help="size of the one cloud; 0 for none"
    )
    parser.add_argument(
        "--threads", type=positive_int, nargs="+", default=[1], help="every table with each number"
    )
    parser.add_argument("--seconds", type=positive, default=10, help="for each table")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--json", type=ratio_target, help="also write medians and ratios to this file")
    args = parser.parse_args()
    if not args.sizes and not args.points:
        parser.error("--sizes: expected numbers of molecules, or --points, found neither")
    warnings.filterwarnings("ignore", message=".*non-tuple sequence")  # frame-averaging-pytorch
    for threads in args.threads:
        torch.set_num_threads(threads)
        contest = Contest(compiles=not args.no_compile)
        check(contest, *molecules(200, torch.Generator().manual_seed(1)), 200)
        for title, pos, batch, count in sizes(args):
            start = time.perf_counter()
            times = interleaved(contest.entrants(pos, batch, count), args.seconds)
            spent, size = time.perf_counter() - start, f"{title}, {threads} threads"
            table(f"{size} ({len(times[EAGER])} rounds, {spent:.0f} s)", times)
            record(args.json, "frames", size, times, LIMIT)


if __name__ == "__main__":
    main()
