"""First call of a compiled framed model, in seconds, and its time once compiled, by frame.

The network is FAENet of four layers, 64 wide, on 32 molecules: energies, or energies and forces with the
gradients of all weights. Each row is a new process with an empty cache, compiled by inductor in one thread
with ``fullgraph=True, dynamic=True``. The first call is in seconds of the processor, of the process and the
compiler of C++, whatever else is running; "from the cache" is that of a second process. A batch of another
size, a quarter larger, is not to be compiled again. "Compiled / eager" is the ratio of the times of later
calls.

    python benchmarks/first_call.py [--rows "PCAFrame" ...] [--graphs 32] [--write docs/guides/compile.md]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from command_line import matching, named, positive, positive_int
from compiled import check_backend
from frames import molecules
from markdown_table import page_with, show, table
from timing import interleaved, ratio
from torch import Tensor, nn

import fa_pyg as fa
from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.models import FAENet
from fa_pyg.neighbors import radius_graph

MARK = "<!-- benchmarks/first_call.py -->"
HEADER = ["frame", "result", "first call, s", "from the cache, s", "another size, s", "compiled / eager"]
ROWS: dict[str, tuple[Callable[[], nn.Module | None], int | None]] = {
    "none: the bare network": (lambda: None, None),
    'PCAFrame("E(3)")': (lambda: PCAFrame("E(3)"), None),
    'PCAFrame("E(3)"), chunk=1': (lambda: PCAFrame("E(3)"), 1),
    'PCAFrame("SE(3)")': (lambda: PCAFrame("SE(3)"), None),
    'GroupFrame("D4(3)")': (lambda: fa.GroupFrame("D4(3)"), None),
    'LearnedFrame("SE(3)")': (lambda: fa.LearnedFrame("SE(3)"), None),
    'WeightedPCAFrame("E(3)", max_frames=8)': (lambda: fa.WeightedPCAFrame("E(3)", max_frames=8), None),
}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    net, (make, chunk) = FAENet(64, 4), ROWS[name]
    frame = make()
    if frame is None:
        return net
    point = "point" if frame.group.translates else "vector"
    return FrameAveraging(net, frame, {"pos": point}, chunk=chunk)


def batch_of(graphs: int) -> dict[str, Any]:
    pos, batch = molecules(graphs, torch.Generator().manual_seed(0))
    edges = radius_graph(pos, 3.0, batch)
    z = torch.randint(1, 10, (len(pos),))
    return {"z": z, "pos": pos, "edge_index": edges, "batch": batch, "num_graphs": graphs}


def step(model: nn.Module, inputs: dict[str, Any], forces: bool) -> Tensor:
    if not forces:
        with torch.no_grad():
            return model(**inputs)
    pos = inputs["pos"].detach().requires_grad_()
    return torch.autograd.grad(model(**{**inputs, "pos": pos}).sum(), [pos, *model.parameters()])[0]


def measured(name: str, forces: bool, graphs: int, seconds: float) -> dict[str, float]:
    """Measure one row, in this process."""
    model, inputs, other = network(name), batch_of(graphs), batch_of(graphs * 5 // 4)
    expected, expected_of_other = step(model, inputs, forces), step(model, other, forces)
    fast = torch.compile(model, fullgraph=True, dynamic=True)
    took = []
    for some, value in ((inputs, expected), (other, expected_of_other)):
        start = sum(os.times()[:4])  # of this process and those that it has started
        found = step(fast, some, forces)
        took.append(sum(os.times()[:4]) - start)
        torch.testing.assert_close(found, value, rtol=1e-3, atol=1e-4)
    both = {"eager": model, "fast": fast}
    times = interleaved(
        {k: lambda m=m: step(m, inputs, forces) for k, m in both.items()}, seconds, clock=time.process_time
    )
    return {"first": took[0], "other": took[1], "ratio": ratio(times, "fast", "eager")}


def rows(names: list[str], graphs: int = 32, seconds: float = 3) -> Iterator[list[str]]:
    """Yield the row of each frame without and with forces."""
    for forces in (False, True):
        for name in names:
            row = [f"`{name}`", "forces" if forces else "energies"]
            with tempfile.TemporaryDirectory() as folder:
                first, again = (in_a_process(name, forces, graphs, seconds, folder) for _ in range(2))
            if first is None or again is None:
                yield [*row, "fails", "", "", ""]
                continue
            seconds_of_calls = [f"{first['first']:.0f}", f"{again['first']:.1f}", f"{first['other']:.2f}"]
            yield [*row, *seconds_of_calls, f"{first['ratio']:.2f}"]


def in_a_process(name: str, forces: bool, graphs: int, seconds: float, cache: str) -> dict[str, float] | None:
    """Measure one row in a process of its own, which keeps compiled code in a folder; None where it fails."""
    command = [sys.executable, __file__, "--one", name, "--graphs", str(graphs), "--seconds", str(seconds)]
    env = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    done = subprocess.run(
        command + ["--forces"] * forces, env=env, capture_output=True, text=True, check=False
    )
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", type=named(ROWS), default=[""], help="parts of names")
    parser.add_argument("--graphs", type=positive_int, default=32)
    parser.add_argument("--seconds", type=positive, default=3, help="of later calls, for each row")
    parser.add_argument("--write", type=page_with(MARK), help="page whose table is replaced")
    parser.add_argument("--one", choices=ROWS, help=argparse.SUPPRESS)  # one row, as JSON
    parser.add_argument("--forces", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.one is not None:
        print(json.dumps(measured(args.one, args.forces, args.graphs, args.seconds)))
        return
    check_backend(parser, "inductor")
    show(table(HEADER, rows(matching(ROWS, args.rows), args.graphs, args.seconds)), MARK, args.write)


if __name__ == "__main__":
    main()
