"""Steepness of forces against model runs, for every frame: twenty molecules, as Markdown and a plot.

Molecules (``small_molecules.py``: symmetric, nearly symmetric, generic) and, in the plane, a few clouds are
displaced by Gaussian noise of sigma ångström and randomly rotated. The largest force with frames is divided
by the largest force of the bare network (``fa_pyg.testing.steepness``), for smooth random networks, with a
term per atom or per pair, or for a trained one. The table gives the largest over all structures of all
molecules and networks at each sigma; the largest 99th percentile of a molecule; the median over molecules of
the median; and, of scans along random lines and bonds, 0.6 ångström long, how much larger the second
difference of the energy is than the bare network's, at steps of .0047 ångström, and how it grows where one
looks closer and takes a quarter of the step (forces continuous 1, kink 4, jump 16: ``curvature``).

    python benchmarks/steepness.py [--quick] [--groups E(3) SE(3)] [--frames PATTERN] [--molecules]
        [--checkpoint run_folder] [--picture docs/images/steepness.png]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from command_line import named, positive_int
from small_molecules import KINDS, Structures, planar, small_molecules
from torch import Tensor, nn

from fa_pyg import (
    CosetFrame,
    FrameAveraging,
    GeneralizedQRFrame,
    GroupFrame,
    LearnedFrame,
    PCAFrame,
    WeightedPCAFrame,
)
from fa_pyg.builders import Frame
from fa_pyg.nn import radius_graph
from fa_pyg.plot import save_figure
from fa_pyg.testing import Curvature, Steepness, curvature, steepness, stretches

SIGMAS = (0.08, 0.03)  # ångström: hydrogens and heavy atoms at room temperature
CONTINUOUS = 2.0  # growth of second differences, below which forces are continuous
GROUPS = ("E(3)", "SE(3)", "E(2)", "SE(2)")
LENGTH = 2.0  # ångström: over which a random network changes
NODES = 512  # in a call: with 48 frames, half a GiB is kept for the backward

# By which frames are right-multiplied: the changes of signs of axes, and those of signs and orders.
SIGNS = {"E(3)": "D2h", "SE(3)": "D2(3)", "E(2)": "D2", "SE(2)": "C2"}
ORDERS = {"E(3)": "Oh", "SE(3)": "O", "E(2)": "D4", "SE(2)": "C4"}


def learned(group: str) -> Frame:
    torch.manual_seed(0)
    return LearnedFrame(group)


def weighted(**options: Any) -> Callable[[str], Frame]:
    return partial(WeightedPCAFrame, **options)


# Every frame of the library, by the name that the table and the plot give it.
FRAMES: dict[str, Callable[[str], Frame]] = {
    "fast": weighted(smoothness="fast"),
    "forces": weighted(smoothness="forces"),
    "dynamics": weighted(smoothness="dynamics"),
    "tau .025, gap .05 (old default)": weighted(tau=0.025, gap=0.05),
    "tau .1": weighted(tau=0.1, gap=0.05),
    "tau .1, gap .2": weighted(tau=0.1, gap=0.2),
    "tau .5, gap = flat = line = .3": weighted(tau=0.5, gap=0.3, flat=0.3, line=0.3),
    "PCA, all signs": PCAFrame,
    "generalized QR": GeneralizedQRFrame,
    "learned, untrained": learned,
    "fast, all signs": lambda group: CosetFrame(WeightedPCAFrame(group, smoothness="fast"), SIGNS[group]),
    "PCA, all orders": lambda group: CosetFrame(PCAFrame(group), ORDERS[group]),
    "learned, all orders": lambda group: CosetFrame(learned(group), ORDERS[group]),
    "fixed group": lambda group: GroupFrame(ORDERS[group], translations=True),
}
NOT_INVARIANT = ("fixed group",)  # for scale: what an average of so many runs can reach


class Atoms(nn.Module):
    """A smooth function of each atom's kind and coordinates, summed."""

    width = 32

    def __init__(self, dim: int, seed: int) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=random, dtype=torch.float64) / shape[0] ** 0.5)

        self.kinds = drawn(119, self.width)
        self.layers = nn.ParameterList([drawn(dim, self.width), drawn(self.width, self.width)])
        self.last = drawn(self.width, 1)

    def forward(self, z: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """All graphs of a call have equally many atoms: the energies ``[B]``."""
        size = int(batch[-1]) + 1
        return self.terms(self.kinds[z] * 119**0.5, pos / LENGTH, size).view(size, -1).sum(1)

    def terms(self, kind: Tensor, x: Tensor, size: int) -> Tensor:
        first, second = self.layers
        return ((x @ first + kind).tanh() @ second).tanh() @ self.last


class Pairs(Atoms):
    """A smooth function of each pair's kinds and difference, summed."""

    width = 12

    def terms(self, kind: Tensor, x: Tensor, size: int) -> Tensor:
        first, second = self.layers
        x, kind = (y.view(size, -1, y.size(1)) for y in (x, kind))
        apart = x.unsqueeze(1) - x.unsqueeze(2)
        both = apart @ first + kind.unsqueeze(1) + 0.5 * kind.unsqueeze(2)
        silu = nn.functional.silu
        return silu(silu(both) @ second) @ self.last


@dataclass(frozen=True)
class Case:
    """A network: how it is put into a frame and called, and which elements it does not know."""

    seed: int
    framed: Callable[[Frame], nn.Module]
    energy: str | None = None
    forces: str | None = None
    unknown: Callable[[Tensor], list[int]] = lambda z: []


def random_cases(dim: int, count: int) -> Iterator[Case]:
    """Per atom and per pair in turn."""
    for seed in range(count):
        yield Case(seed, partial(FrameAveraging, (Atoms, Pairs)[seed % 2](dim, seed)))


def trained_case(folder: str) -> Case:
    from fa_pyg.potential import load

    model = load(folder).double()
    if not model.is_framed:
        raise SystemExit(f"--checkpoint: expected a framed model, found {type(model.network).__name__}")

    def framed(frame: Frame) -> nn.Module:
        model.network.frame = frame
        return model

    return Case(0, framed, "energy", "forces", model.unknown_elements)


@dataclass(frozen=True)
class Row:
    """What is measured of one frame on one molecule with one network."""

    molecule: str
    found: dict[float, Steepness]  # by sigma
    scan: Curvature


def measured(
    model: nn.Module, case: Case, name: str, z: Tensor, pos: Tensor, group: str, args: argparse.Namespace
) -> Row:
    inputs = {"z": z, "pos": pos, "batch": torch.zeros_like(z)}
    common = {"energy": case.energy, "group": group, "nodes": NODES, "seed": case.seed}
    found = {
        sigma: steepness(model, inputs, forces=case.forces, sigma=sigma, count=args.count, **common)
        for sigma in SIGMAS
    }
    return Row(name, found, curvature(model, inputs, scans(pos, case.seed), steps=args.steps, **common))


def scans(pos: Tensor, seed: int) -> Tensor:
    """Two directions of lines ``[2, N, d]``: one at random, and the stretch of a bond, in turn."""
    u = torch.randn(1, *pos.shape, generator=torch.Generator().manual_seed(seed), dtype=pos.dtype)
    bonds = radius_graph(pos, 1.9)
    bonds = bonds[:, bonds[0] < bonds[1]]
    chosen = (pos[bonds[0]] - pos[bonds[1]]).norm(dim=1).argsort(descending=True)[seed % bonds.size(1)]
    return torch.cat([u / u.norm(dim=2).max(), stretches(pos, bonds[:, chosen : chosen + 1])])


def rows_of(make: Callable[[str], Frame], group: str, args: argparse.Namespace) -> list[Row]:
    dim = 3 if "3" in group else 2
    structures = args.structures[dim]
    cases = [trained_case(args.checkpoint)] if args.checkpoint else list(random_cases(dim, args.networks))
    return [
        measured(case.framed(make(group)), case, name, z, pos, group, args)
        for case in cases
        for name, (z, pos) in structures.items()
        if not case.unknown(z)
    ]


def summary(rows: list[Row]) -> list[float]:
    """Runs, the largest at each sigma, the largest 99th percentile, the median, and the scans."""
    runs = statistics.mean(row.found[SIGMAS[0]].runs for row in rows)
    largest = [max(row.found[sigma].largest for row in rows) for sigma in SIGMAS]
    most = max(one.p99 for row in rows for one in row.found.values())
    median = statistics.median(row.found[SIGMAS[0]].median for row in rows)
    scan = max((row.scan for row in rows), key=lambda scan: scan.fine)
    return [runs, *largest, most, median, scan.fine, max(row.scan.growth for row in rows)]


def by_molecule(rows: list[Row]) -> dict[str, str]:
    """The largest ratio of each molecule, and its mean number of runs, at the first sigma."""
    cells = {}
    for name in dict.fromkeys(row.molecule for row in rows):
        own = [one for row in rows if row.molecule == name for one in row.found.values()]
        runs = statistics.mean(row.found[SIGMAS[0]].runs for row in rows if row.molecule == name)
        cells[name] = f"{max(one.largest for one in own):.2g} ({runs:.3g})"
    return cells


def line(*cells: Any) -> str:
    return (
        "| "
        + " | ".join(c if isinstance(c, str) else f"{c:.2g}" if c < 99.5 else f"{c:.0f}" for c in cells)
        + " |"
    )


def table(group: str, frames: dict[str, Callable[[str], Frame]], args: argparse.Namespace) -> dict[str, list]:
    """Prints one row a frame, and returns what the plot shows of it."""
    heads = ["runs", *(f"largest, sigma {s:g}" for s in SIGMAS), "99 %", "median", "scans", "growth"]
    print(f"\n{line(group, *heads)}\n{line(*['---'] * (1 + len(heads)))}")
    found, cells = {}, {}
    for name, make in frames.items():
        rows = rows_of(make, group, args)
        found[name], cells[name] = summary(rows), by_molecule(rows)
        print(line(name, *found[name]), flush=True)
    if args.molecules:
        each = list(next(iter(cells.values())))
        print(f"\n{line(group, 'kind', *cells)}\n{line(*['---'] * (2 + len(cells)))}")
        for molecule in each:
            print(line(molecule, KINDS.get(molecule, "planar"), *(one[molecule] for one in cells.values())))
    return found


def picture(found: dict[str, dict[str, list]], path: str) -> None:
    """Runs against the largest ratio, a panel a group, and the line of what nothing else beats.

    Hollow: on some scan the energy has a kink or a jump.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(6 * len(found), 4.8), squeeze=False, dpi=100)
    for ax, (group, points) in zip(axes[0], found.items(), strict=True):
        places = {name: (row[0], max(row[1 : 1 + len(SIGMAS)])) for name, row in points.items()}
        smooth = {name for name, row in points.items() if row[-1] < CONTINUOUS}
        good = [places[name] for name in smooth - set(NOT_INVARIANT)]
        best = sorted((x, y) for x, y in good if not any(a <= x and b < y for a, b in good))
        ax.plot(*zip(*best, strict=True), "-", color="0.7", zorder=0, drawstyle="steps-post")
        for k, (name, (x, y)) in enumerate(places.items()):
            ax.plot(x, y, "o", color=f"C{k % 10}", mfc=f"C{k % 10}" if name in smooth else "w")
            ax.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7)
        ax.axhline(1, color="0.85", lw=1, zorder=0)
        ax.set(xscale="log", yscale="log", title=group, xlabel="runs of the network a structure, mean")
        ax.set_xlim(0.8, 4 * max(x for x, _ in places.values()))
    axes[0][0].set_ylabel("largest force / the bare network's")
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, path)
    print(f"\npicture: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one network, ten structures: a minute")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument(
        "--frames", type=named(FRAMES), default="", help="only those whose name holds this text"
    )
    parser.add_argument("--molecules", action="store_true", help="a table of each molecule besides")
    parser.add_argument("--checkpoint", help="a run of train_molecules.py, instead of random networks")
    parser.add_argument("--picture", help="where to write the plot")
    parser.add_argument("--threads", type=positive_int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.networks, args.count, args.steps = (1, 10, 64) if args.quick else (4, 50, 128)
    args.structures: dict[int, Structures] = {2: planar(), 3: small_molecules()}
    frames = {name: make for name, make in FRAMES.items() if args.frames in name}
    found = {group: table(group, frames, args) for group in args.groups}
    if args.picture:
        picture({group: points for group, points in found.items() if "3" in group} or found, args.picture)


if __name__ == "__main__":
    main()
