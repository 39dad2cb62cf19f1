"""Overhead of frame averaging beyond its model runs: time(framed, K frames) / (K x time(bare)).

The model is a message-passing network of four EdgeConv layers, 64 wide, on 100 molecules. ``chunk`` is the
number of frames that share a call. All are timed in interleaved rounds of one run; "backward" includes
gradients of the weights and of the positions, through the frames.

``--networks`` gives the time of all frames in bare runs for the networks of the library, with and without
sharing what no frame changes (``FrameAveraging(..., invariants=False)``), by the processor time of this
process; the bare network computes it in its only run.

    python benchmarks/overhead.py [--graphs 100] [--group "E(3)"] [--threads 1] [--device cpu] [--networks]
        [--json ratios.json]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import torch
from command_line import positive, positive_int, ratio_target
from frames import molecules
from markdown_table import table
from timing import interleaved, median_ms, ratio, record
from torch import Tensor, nn
from torch_geometric.nn import EdgeConv, global_add_pool

from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.models import DGCNN, GNN, FAENet, KinematicGNN, PointNet
from fa_pyg.nn import radius_graph


class Net(nn.Module):
    """Energies from atomic numbers and coordinates; not invariant by itself."""

    def __init__(self, hidden: int = 64, layers: int = 4) -> None:
        super().__init__()
        self.embed = nn.Embedding(100, hidden)
        self.place = nn.Linear(3, hidden)
        self.convs = nn.ModuleList(
            EdgeConv(nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden)))
            for _ in range(layers)
        )
        self.read = nn.Linear(hidden, 1)

    def forward(self, z: Tensor, pos: Tensor, edge_index: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        h = self.embed(z) + self.place(pos)
        for conv in self.convs:
            h = h + conv(h, edge_index)
        return global_add_pool(self.read(h), batch, num_graphs)


def forward(model: nn.Module, inputs: dict) -> Callable[[], Tensor]:
    def run() -> Tensor:
        with torch.no_grad():
            return model(**inputs)

    return run


def backward(model: nn.Module, inputs: dict) -> Callable[[], None]:
    def run() -> None:
        pos = inputs["pos"].detach().requires_grad_()
        model.zero_grad(set_to_none=True)
        model(**{**inputs, "pos": pos}).sum().backward()

    return run


def networks(graphs: int) -> dict[str, tuple[nn.Module, dict, dict]]:
    """Networks of the library by name, with their inputs and declarations."""
    pos, batch = molecules(graphs, torch.Generator().manual_seed(0))
    atoms = {"z": torch.randint(1, 10, (len(pos),)), "pos": pos, "batch": batch, "num_graphs": graphs}
    edges = {**atoms, "edge_index": radius_graph(pos, 3.0, batch)}
    pairs = (~torch.eye(5, dtype=torch.bool)).nonzero().T
    count = 5 * graphs
    particles = {
        "pos": torch.randn(count, 3),
        "vel": torch.randn(count, 3),
        "charge": torch.randn(count, 1),
        "edge_index": (pairs.unsqueeze(1) + 5 * torch.arange(graphs).view(1, -1, 1)).flatten(1),
        "batch": torch.arange(graphs).repeat_interleave(5),
    }
    clouds = max(graphs // 25, 1)
    points = {"pos": torch.randn(clouds * 512, 3), "batch": torch.arange(clouds).repeat_interleave(512)}
    moving = {"inputs": {"pos": "point", "vel": "vector"}, "output": "point", "level": "node"}
    normals = {"output": "vector", "level": "node"}
    return {
        "FAENet, edges by radius": (FAENet(), atoms, {}),
        "FAENet, edges given": (FAENet(), edges, {}),
        "GNN": (GNN(), particles, moving),
        "KinematicGNN": (KinematicGNN(), particles, moving),
        "DGCNN": (DGCNN(), points, normals),
        "DGCNN(transforms=False)": (DGCNN(transforms=False), points, normals),
        "PointNet": (PointNet(), points, normals),
    }


def shared(group: str, graphs: int, seconds: float, json: str | None = None) -> Iterator[list[str]]:
    """Yield a row for each network: all frames in bare runs, with and without sharing."""
    for name, (net, inputs, declared) in networks(graphs).items():
        models = {
            "bare": net.eval(),
            "with": FrameAveraging(net, PCAFrame(group), **declared).eval(),
            "without": FrameAveraging(net, PCAFrame(group), invariants=False, **declared).eval(),
        }
        cells = []
        for title, step in (("forward", forward), ("forward + backward", backward)):
            steps = {k: step(model, inputs) for k, model in models.items()}
            times = interleaved(steps, seconds, clock=time.process_time)
            record(json, "overhead of networks", f"{title}, {name}, {graphs} graphs", times, "bare")
            cells += [f"{median_ms(times, 'bare'):.2f}"]
            cells += [f"{ratio(times, k, 'bare'):.2f}" for k in ("with", "without")]
        yield [name, *cells]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graphs", type=positive_int, default=100)
    parser.add_argument("--group", default="E(3)")
    parser.add_argument("--threads", type=positive_int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=positive, default=60, help="for each table")
    parser.add_argument("--networks", action="store_true", help="networks of the library, with invariants")
    parser.add_argument("--json", type=ratio_target, help="also write medians and ratios to this file")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.networks:
        steps = ("forward", "forward + backward")
        header = [
            "network",
            *(f"{step}: {x}" for step in steps for x in ("bare, ms", "shared", "not shared")),
        ]
        for line in table(header, shared(args.group, args.graphs, args.seconds / 14, args.json)):
            print(line, flush=True)
        return
    pos, batch = molecules(args.graphs, torch.Generator().manual_seed(0))
    inputs = {
        "z": torch.randint(1, 10, (len(pos),)),
        "pos": pos,
        "edge_index": radius_graph(pos, 3.0, batch),
        "batch": batch,
        "num_graphs": args.graphs,
    }
    inputs = {k: v.to(args.device) if isinstance(v, Tensor) else v for k, v in inputs.items()}
    net, frame = Net().to(args.device), PCAFrame(args.group)
    models = {f"chunk={k}": FrameAveraging(net, frame, chunk=k) for k in (1, 2, 4, 8)}
    models = {"bare": net, "default chunk": FrameAveraging(net, frame), **models}
    k = len(frame.group.signs())
    edges = inputs["edge_index"].size(1)
    print(f"{args.graphs} molecules, {len(pos)} atoms, {edges} edges, {k} frames, {args.threads} threads")
    for title, step in (("forward", forward), ("forward + backward", backward)):
        times = interleaved(
            {name: step(model.to(args.device), inputs) for name, model in models.items()}, args.seconds
        )
        record(
            args.json, "overhead", f"{title}, {args.graphs} molecules, {args.threads} threads", times, "bare"
        )
        print(f"\n{title} ({len(times['bare'])} rounds)\n{'':15}        ms   / ({k} x bare)")
        for name in times:
            share = f"{ratio(times, name, 'bare') / k:15.3f}" if name != "bare" else ""
            print(f"{name:15}{median_ms(times, name):10.2f}{share}", flush=True)


if __name__ == "__main__":
    main()
