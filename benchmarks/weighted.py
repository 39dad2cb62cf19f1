"""Cost of weighted frames, compared with full and sampled PCA frames.

On conformers that RDKit embeds from the NCI SMILES of its wheel: (a) the time of the frame over that of
PCAFrame, forward and with the backward pass, its operations and synchronizations, for several numbers of
molecules and for one large cloud, (b) frames per molecule, (c) training steps of a message-passing network
(four EdgeConv layers, 64 wide; with gradients of the weights and of the positions, through the frames), and
the part of the frame in them, (d) peak memory. Times are CPU times, ratios within interleaved rounds. For the
steepness of forces see ``steepness.py``.

    python benchmarks/weighted.py [--quick] [--parts a b c d] [--threads 1] [--sizes 1 32 100 512 4096]
        [--json ratios.json]
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from command_line import positive_int, ratio_target
from conformers import nci
from counted import counted
from memory import peak_kib
from overhead import Net, backward
from timing import Times, interleaved, median_ms, ratio, record
from torch import Tensor
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders import Frame
from fa_pyg.frames import Frames
from fa_pyg.nn import radius_graph

GROUPS = ("E(3)", "SE(3)")
LEVELS = ("fast", "forces", "dynamics")
CACHE = Path("runs/benchmarks/nci.pt")
MEMORY = {
    "inputs alone": None,
    "bare": lambda net: net,
    "fast": lambda net: FrameAveraging(net, WeightedPCAFrame("E(3)", smoothness="fast")),
    "forces": lambda net: FrameAveraging(net, WeightedPCAFrame("E(3)", smoothness="forces")),
    "8 frames, chunk=1": lambda net: FrameAveraging(net, PCAFrame("E(3)"), chunk=1),
    "8 frames, chunk=8": lambda net: FrameAveraging(net, PCAFrame("E(3)"), chunk=8),
}


def frames_of(frame: Frame, molecules: list[Data], weighted: bool = True, dtype=torch.float32):
    """Return a call that computes the frames of all molecules at once."""
    batch = Batch.from_data_list(molecules)
    weight = batch.z.to(dtype) if weighted else None
    given = {"batch": batch.batch, "num_graphs": batch.num_graphs, "node_weight": weight}
    pos = batch.pos.to(dtype)
    return lambda: frame(pos, **given)


def with_gradient(call: Callable[..., Frames], pos: Tensor) -> Callable[[], None]:
    """Return a call of frames and of their derivative by the positions."""

    def run() -> None:
        frames = call(pos.detach().requires_grad_())
        (frames.rotation.square().sum() + frames.weight.square().sum() + frames.origin.sum()).backward()

    return run


def timed(functions: dict[str, Callable[[], object]], seconds: float) -> Times:
    return interleaved(functions, seconds, clock=time.process_time)


def frame_time(args: argparse.Namespace) -> None:
    """(a) Time of the frame, its operations and its synchronizations."""
    for group in GROUPS:
        frames = {"PCAFrame": PCAFrame(group)}
        frames |= {level: WeightedPCAFrame(group, smoothness=level) for level in LEVELS}
        padded = {"fast, max_frames=8": WeightedPCAFrame(group, smoothness="fast", max_frames=8)}
        for size in args.sizes:  # padded frames treat all bodies as symmetric: slow if not compiled
            some = frames | padded if size <= 100 else frames
            _frame_time(f"{size} molecules, {group}", some, *molecules(size), args)
        _frame_time(f"{args.points} points, {group}", frames, *cloud(args.points), args)


def _frame_time(
    title: str, frames: dict[str, Frame], pos: Tensor, given: dict, args: argparse.Namespace
) -> None:
    calls = {name: (lambda x, frame=frame: frame(x, **given)) for name, frame in frames.items()}
    forward = {name: torch.no_grad()(lambda call=call: call(pos)) for name, call in calls.items()}
    both = {name: with_gradient(call, pos) for name, call in calls.items()}
    times, of_both = (timed(functions, args.seconds / 8) for functions in (forward, both))
    record(args.json, "weighted frames", title, times, "PCAFrame")
    record(args.json, "weighted frames, backward", title, of_both, "PCAFrame")
    print(f"\n(a) {title}: forward, with backward\n{'':20}     ms  / PCA     ms  / PCA  operations  syncs")
    for name in times:
        (operations, syncs), (both_operations, _) = counted(forward[name]), counted(both[name])
        print(
            f"{name:20}{median_ms(times, name):7.2f}{ratio(times, name, 'PCAFrame'):7.2f}"
            f"{median_ms(of_both, name):7.2f}{ratio(of_both, name, 'PCAFrame'):7.2f}"
            f"{operations:6},{both_operations:5}{sum(syncs.values()):7}",
            flush=True,
        )


def molecules(size: int) -> tuple[Tensor, dict]:
    """Positions of conformers, and the other arguments of a frame."""
    kept = nci(512, cache=CACHE)
    batch = Batch.from_data_list((kept * (size // len(kept) + 1))[:size])
    given = {"batch": batch.batch, "num_graphs": size, "node_weight": batch.z.float()}
    return batch.pos.float(), given


def cloud(points: int) -> tuple[Tensor, dict]:
    """Positions of one generic cloud, and no other arguments."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(points, 3, generator=generator) * torch.tensor([1.0, 2.0, 3.0]), {}


@torch.no_grad()
def number_of_frames(args: argparse.Namespace) -> None:
    """(b) Frames a molecule."""
    print(f"\n(b) frames a molecule, {args.conformers} conformers\n{'':36}  mean   max with fewest")
    for group, level, weighted in itertools.product(GROUPS, LEVELS, (True, False)):
        frame = WeightedPCAFrame(group, smoothness=level)
        counts = frames_of(frame, args.molecules, weighted, torch.float64)().counts
        name = f"{level} {group}, {'atomic numbers' if weighted else 'all atoms alike'}"
        least = (counts == counts.min()).double().mean().item()
        print(f"{name:36}{counts.double().mean():6.3f}{int(counts.max()):6}{least:10.0%}")


def inputs(molecules: list[Data]) -> dict:
    batch = Batch.from_data_list(molecules)
    pos = batch.pos.float()
    given = {"z": batch.z, "pos": pos, "edge_index": radius_graph(pos, 3.0, batch.batch)}
    return given | {"batch": batch.batch, "num_graphs": batch.num_graphs}


def training(args: argparse.Namespace) -> None:
    """(c) Training steps, and the part of the frame in them."""
    for size in args.batches:
        given, net = inputs(args.molecules[:size]), Net()
        models = {"bare": net}
        for group in GROUPS:
            for level in LEVELS:
                frame = WeightedPCAFrame(group, smoothness=level)
                models[f"{level} {group}"] = FrameAveraging(net, frame)
        models["1 of 8 frames, E(3)"] = FrameAveraging(net, Sample(PCAFrame("E(3)"), k=1))
        models["8 frames, E(3)"] = FrameAveraging(net, PCAFrame("E(3)"))
        steps = {name: backward(model, given) for name, model in models.items()}
        framed = {name: model.frame for name, model in models.items() if name != "bare"}
        parts = {f"{name}, frame": frame_alone(frame, given) for name, frame in framed.items()}
        times = timed(steps | parts, args.seconds)
        record(args.json, "weighted frames, training", f"{size} conformers", times, "bare")
        edges = given["edge_index"].size(1)
        print(f"\n(c) training step, {size} conformers, {edges} edges ({len(times['bare'])} rounds)")
        print(f"{'':24}     ms     / bare   frame: of the step, of a bare one")
        for name in models:
            line = f"{name:24}{median_ms(times, name):7.0f}{ratio(times, name, 'bare'):11.2f}"
            if name != "bare":
                shares = (ratio(times, f"{name}, frame", to) for to in (name, "bare"))
                line += "".join(f"{share:14.1%}" for share in shares)
            print(line)


def frame_alone(frame: Frame, given: dict) -> Callable[[], None]:
    """The part of a frame in a training step."""
    kept = {"batch": given["batch"], "num_graphs": given["num_graphs"], "node_weight": given["z"].double()}
    return with_gradient(lambda x: frame(x, **kept), given["pos"])


def memory(args: argparse.Namespace) -> None:
    """(d) Peak memory."""
    print(
        f"\n(d) peak memory of a training step, {args.batches[-1]} conformers, E(3)\n{'':24}    MiB   / bare"
    )
    found = {}
    for name in MEMORY:
        command = [sys.executable, __file__, "--peak", name, "--batches", str(args.batches[-1])]
        found[name] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    idle = found.pop("inputs alone")
    print(f"{'inputs alone':24}{idle / 1024:7.0f}")
    for name, peak in found.items():
        share = (peak - idle) / max(found["bare"] - idle, 1)
        print(f"{name:24}{peak / 1024:7.0f}{share:9.2f}   (above the inputs)")


def peak(name: str, size: int) -> int:
    """The peak memory of this process after a training step, in KiB."""
    given, make = inputs(nci(size, cache=CACHE)), MEMORY[name]
    if make is not None:
        backward(make(Net()), given)()
    return peak_kib()


PARTS = {"a": frame_time, "b": number_of_frames, "c": training, "d": memory}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="less of everything: under three minutes")
    parser.add_argument("--threads", type=positive_int, default=1)
    parser.add_argument(
        "--sizes", type=positive_int, nargs="+", default=[1, 32, 100, 512, 4096], help="in (a)"
    )
    parser.add_argument("--points", type=positive_int, default=10_000, help="of the cloud in (a)")
    parser.add_argument("--json", type=ratio_target, help="also write medians and ratios to this file")
    parser.add_argument(
        "--batches", type=positive_int, nargs="+", default=[100, 500], help="sizes in (c); last: (d)"
    )
    parser.add_argument("--peak", choices=MEMORY, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.peak:
        print(peak(args.peak, args.batches[-1]))
        return
    args.conformers, args.seconds = 500, 8 if args.quick else 60
    args.batches = [100] if args.quick else args.batches
    args.molecules = nci(512, cache=CACHE)[: args.conformers]
    for part in args.parts:
        PARTS[part](args)


if __name__ == "__main__":
    main()
