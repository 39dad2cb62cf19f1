"""What weighted frames cost and what one gets for it, beside full and sampled PCA frames.

On conformers that RDKit embeds from the NCI SMILES of its own wheel: (a) the time of the frame, (b) frames
a molecule, (c) training steps of a message-passing network (four EdgeConv layers, 64 wide; the gradient is
that of the weights and of the positions, through the frames), (d) peak memory, (e) frames a molecule against
how steep outputs and forces are, for a grid of tau and gap. Times are ratios within interleaved rounds.

    python benchmarks/weighted.py [--quick] [--parts a b c d e] [--threads 1] [--picture trade_off.png]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from conformers import nci
from lipschitz import Slopes, near_symmetric, slopes
from overhead import Net, backward
from timing import interleaved, median_ms, ratio
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders import Frame
from fa_pyg.nn import radius_graph
from fa_pyg.plot import save_figure

GROUPS = ("E(3)", "SE(3)")
CACHE = Path("runs/benchmarks/nci.pt")
TAUS, GAPS = (0.015, 0.02, 0.025, 0.05), (0.025, 0.05, 0.1, 0.2)
MEMORY = {
    "inputs alone": None,
    "bare": lambda net: net,
    "weighted": lambda net: FrameAveraging(net, WeightedPCAFrame("E(3)")),
    "8 frames, chunk=1": lambda net: FrameAveraging(net, PCAFrame("E(3)"), chunk=1),
    "8 frames, chunk=8": lambda net: FrameAveraging(net, PCAFrame("E(3)"), chunk=8),
}


def frames_of(frame: Frame, molecules: list[Data], weighted: bool = True, dtype=torch.float32):
    """Returns a call that computes the frames of all molecules at once."""
    batch = Batch.from_data_list(molecules)
    weight = batch.z.to(dtype) if weighted else None
    given = {"batch": batch.batch, "num_graphs": batch.num_graphs, "node_weight": weight}
    pos = batch.pos.to(dtype)
    return lambda: frame(pos, **given)


@torch.no_grad()
def frame_time(args: argparse.Namespace) -> None:
    """(a) Time of the frame."""
    molecules, calls = nci(512, cache=CACHE), {}
    for group in GROUPS:
        calls[f"PCAFrame {group}"] = frames_of(PCAFrame(group), molecules)
        calls[f"WeightedPCAFrame {group}"] = frames_of(WeightedPCAFrame(group), molecules)
    times = interleaved(calls, args.seconds / 2)
    print(
        f"\n(a) frames of 512 conformers ({len(times['PCAFrame E(3)'])} rounds)\n{'':24}     ms   / PCAFrame"
    )
    for name in calls:
        share = ratio(times, name, f"PCAFrame {name.split()[1]}")
        print(f"{name:24}{median_ms(times, name):7.2f}{share:13.2f}")


@torch.no_grad()
def number_of_frames(args: argparse.Namespace) -> None:
    """(b) Frames a molecule."""
    print(f"\n(b) frames a molecule, {args.conformers} conformers\n{'':28}  mean   max   with one")
    for group in GROUPS:
        for weighted in (True, False):
            found = frames_of(WeightedPCAFrame(group), args.molecules, weighted, torch.float64)()
            name = f"{group}, {'atomic numbers' if weighted else 'all atoms alike'}"
            one = (found.counts == 1).double().mean().item()
            print(f"{name:28}{found.counts.double().mean():6.3f}{int(found.counts.max()):6}{one:10.0%}")


def inputs(molecules: list[Data]) -> dict:
    batch = Batch.from_data_list(molecules)
    pos = batch.pos.float()
    given = {"z": batch.z, "pos": pos, "edge_index": radius_graph(pos, 3.0, batch.batch)}
    return given | {"batch": batch.batch, "num_graphs": batch.num_graphs}


def training(args: argparse.Namespace) -> None:
    """(c) Training steps."""
    for size in args.batches:
        given, net = inputs(args.molecules[:size]), Net()
        models = {"bare": net}
        for group in GROUPS:
            models[f"weighted {group}"] = FrameAveraging(net, WeightedPCAFrame(group))
        models["1 of 8 frames, E(3)"] = FrameAveraging(net, Sample(PCAFrame("E(3)"), k=1))
        models["8 frames, E(3)"] = FrameAveraging(net, PCAFrame("E(3)"))
        steps = {name: backward(model, given) for name, model in models.items()}
        times = interleaved(steps, args.seconds)
        edges = given["edge_index"].size(1)
        print(f"\n(c) training step, {size} conformers, {edges} edges ({len(times['bare'])} rounds)")
        print(f"{'':24}     ms     / bare")
        for name in models:
            print(f"{name:24}{median_ms(times, name):7.0f}{ratio(times, name, 'bare'):11.2f}")


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
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins at what the parent had when it forked
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def trade_off(args: argparse.Namespace) -> None:
    """(e) Frames against steepness."""
    some, near = args.molecules[: args.clouds], near_symmetric(args.clouds)
    print(f"\n(e) slopes per ångström: the largest, and of nine in ten of {len(some)} conformers and")
    print(f"    {len(near)} nearly symmetric molecules; frames of {args.conformers} conformers")
    print(f"{'':24}   frames          conformers: output, force    nearly symmetric: output, force")
    print(f"{'':24}  E(3)  SE(3)" + "   largest      90%" * 4)

    def row(name: str, frame: Frame | None, count: Callable[[str], float]) -> tuple:
        counts, found = [count(group) for group in GROUPS], [slopes(frame, part) for part in (some, near)]
        numbers = "".join(f"{x:10.3g}{y:9.3g}" for one in found for x, y in (one[:2], one[2:]))
        print(f"{name:24}{counts[0]:6.3f}{counts[1]:7.3f}{numbers}", flush=True)
        return counts, *found

    row("bare", None, lambda group: 1)
    row("PCAFrame", PCAFrame("E(3)"), lambda group: len(PCAFrame(group).signs))
    found = {}
    for gap in GAPS:
        for tau in TAUS:

            def count(group: str, tau: float = tau, gap: float = gap) -> float:
                frame = WeightedPCAFrame(group, tau, gap)
                with torch.no_grad():
                    frames = frames_of(frame, args.molecules, dtype=torch.float64)()
                return frames.num_frames / frames.num_bodies

            found[tau, gap] = row(f"tau={tau}, gap={gap}", WeightedPCAFrame("E(3)", tau, gap), count)
    if args.picture:
        picture(found, args.picture)


def picture(found: dict[tuple[float, float], tuple[list[float], Slopes, Slopes]], path: str) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True, dpi=100)
    titles = ("conformers", "nearly symmetric molecules")
    for place, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for gap, marker in zip(GAPS, "o^sd", strict=True):
            rows = [found[tau, gap] for tau in TAUS]
            x = [row[0][0] for row in rows]
            for kind, style in (("force", "-"), ("output", ":")):
                y = [getattr(row[1 + place], f"{kind}_most") for row in rows]
                ax.plot(x, y, style + marker, color=f"C{GAPS.index(gap)}", ms=4, label=f"{kind}, gap {gap}")
        ax.set(yscale="log", title=title, xlabel="mean number of frames, E(3)")
        ax.axvline(1.6, color="0.8", lw=1, zorder=0)
    axes[0].set_ylabel("slope of nine in ten (1 / Å)")
    axes[1].legend(fontsize=6, title="tau " + ", ".join(map(str, TAUS)), title_fontsize=6)
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)
    print(f"picture: {path}")


PARTS = {"a": frame_time, "b": number_of_frames, "c": training, "d": memory, "e": trade_off}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--quick", action="store_true", help="less of everything: under three minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, nargs="+", default=[100, 500], help="sizes in (c); last: (d)")
    parser.add_argument("--picture", help="where to write the picture of (e)")
    parser.add_argument("--peak", choices=MEMORY, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.peak:
        print(peak(args.peak, args.batches[-1]))
        return
    args.conformers, args.seconds, args.clouds = 500, (8 if args.quick else 60), (40 if args.quick else 200)
    args.batches = [100] if args.quick else args.batches
    args.molecules = nci(512, cache=CACHE)[: args.conformers]
    for part in args.parts:
        PARTS[part](args)


if __name__ == "__main__":
    main()
