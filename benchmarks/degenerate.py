"""Equivariance on the degenerate catalogue: the library's frames and those of other libraries, as Markdown.

A network without any symmetry (``fa_pyg.testing.probe``) is averaged over each frame, on all clouds of
``fa_pyg.testing.catalogue``. The error of a cloud is the largest of its scalar, vector, pseudovector and
tensor outputs at nodes and at the graph, each relative to the larger of the framed and the bare output's
norm, for a random rotation, a random reflection (where there are any) and nodes in random order.

    python benchmarks/degenerate.py [--quick] [--out table.md]
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator

import torch
from command_line import writable
from conformers import nci
from markdown_table import table
from peers import PeerFrame, peer_frames

from fa_pyg import Frame, GeneralizedQRFrame, LearnedFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.files import write_atomically
from fa_pyg.testing import NamedCloud, catalogue, modified
from fa_pyg.testing.catalogue import KINDS
from fa_pyg.testing.exactness import exactness_error

LEVEL = "fast"  # that with the fewest frames: the tables of docs/benchmarks/degenerate.md
WRONG = 1e-8  # an error above is no rounding
SMALL = 30  # points
CLASSES = {
    "g2": "ASE's G2 set and C60",
    "molecules": "other symmetric molecules",
    "solids": "Platonic solids and orbits",
    "prisms": "prisms and antiprisms",
    "polygons": "n-gons",
    "coloured": "colors less symmetric than positions",
    "chiral": "chiral, helices, generic",
    "planes": "generic planes",
    "lines": "lines",
    "coincident": "points, coincident points",
    "nearly": "nearly degenerate (1e-12 to 5e-2)",
}
# Name, arguments of `modified`, unit of length, type.
CHANGES = [
    ("as they are", {}, 1.0, torch.float64),
    ("without colors", {"coloured": False}, 1.0, torch.float64),
    ("scaled by 1e-6", {"scale": 1e-6}, 1e-6, torch.float64),
    ("scaled by 1e6", {"scale": 1e6}, 1e6, torch.float64),
    ("moved by 1e3", {"offset": 1e3}, 1.0, torch.float64),
    ("moved by 1e6", {"offset": 1e6}, 1.0, torch.float64),
    ("float32", {}, 1.0, torch.float32),
    ("float32, moved by 1e3", {"offset": 1e3}, 1.0, torch.float32),
    ("float32, moved by 1e6", {"offset": 1e6}, 1.0, torch.float32),
]
GROUPS = ("E(3)", "SE(3)", "E(2)")
Errors = dict[str, dict[str, dict[str, float]]]  # by class, cloud and output


def entrants() -> Iterator[tuple[str, Frame]]:
    """All frames, the library's first; with no axes at all, the control that has to fail."""
    torch.manual_seed(0)  # of the learned frame, which has learned nothing yet
    for group in GROUPS:
        yield "WeightedPCAFrame", WeightedPCAFrame(group, smoothness=LEVEL)
        for frame in (PCAFrame, GeneralizedQRFrame, LearnedFrame):
            yield frame.__name__, frame(group)
    yield from peer_frames()
    yield "centroid alone", PeerFrame("E(3)", lambda x: torch.eye(3).unsqueeze(0))


def measured(frame: Frame, quick: bool, change: dict | None = None, **options) -> Errors:
    """The errors of every cloud, class by class; of the small ones if they are changed."""
    found = {}
    for kind in KINDS[frame.group.dim]:
        clouds = chosen(frame.group.dim, kind, quick)
        if change is not None:
            clouds = [modified(cloud, **change) for cloud in small(clouds)]
        found[kind] = exactness_error(frame, clouds, **options)
    return found


def chosen(dim: int, kind: str, quick: bool) -> list[NamedCloud]:
    clouds = list(catalogue(dim, [kind]))
    return small(clouds)[:: 4 if kind == "g2" else 2] if quick else clouds


def small(clouds: list[NamedCloud]) -> list[NamedCloud]:
    return [cloud for cloud in clouds if len(cloud.pos) <= SMALL]


def number(error: float) -> str:
    return f"{error:.0e}" if error < 0.05 else f"{error:.1f}"


def worst(errors: Iterable[float]) -> float:
    return torch.tensor([0.0, *errors]).max().item()  # NaN if one is


def cell(clouds: dict[str, dict[str, float]]) -> str:
    each = [worst(outputs.values()) for outputs in clouds.values()]
    wrong = sum(not error <= WRONG for error in each)
    return number(worst(each)) + (f" ({wrong} of {len(each)})" if wrong else "")


def markdown(title: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return f"\n**{title}**\n\n" + "\n".join(table(header, rows))


def by_class(group: str, found: dict[str, Errors]) -> str:
    kinds = next(iter(found.values()))
    rows = [
        [CLASSES[kind], *(cell(errors[kind]) for errors in found.values())]
        for kind in CLASSES
        if kind in kinds
    ]
    title = f"{group}: largest error, and how many clouds are wrong (above {WRONG:g})"
    return markdown(title, ["", *found], rows)


def by_output(group: str, found: dict[str, Errors]) -> str:
    every = {name: [out for kind in e.values() for out in kind.values()] for name, e in found.items()}
    rows = [
        [output, *(number(worst(one[output] for one in errors)) for errors in every.values())]
        for output in next(iter(every.values()))[0]
    ]
    return markdown(f"{group}: largest error on all these clouds, by output", ["", *found], rows)


def frames_needed(quick: bool) -> str:
    rows = []
    for kind, title in CLASSES.items():
        clouds, row = chosen(3, kind, quick), []
        for group, order in (("E(3)", "order"), ("SE(3)", "rotations")):
            known = [getattr(c, order) for c in clouds]
            finite = torch.tensor([k for k in known if k is not None and math.isfinite(k)])
            row += [*counted(group, [(c.z, c.pos) for c in clouds])]
            row += [f"{finite.double().mean():.1f}" if len(finite) else ""]
        rows.append([title, *row])
    generic = [(m.z, m.pos) for m in nci(50 if quick else 500)]
    rows.append([f"{len(generic)} conformers of NCI molecules"])
    rows[-1] += [x for group in ("E(3)", "SE(3)") for x in (*counted(group, generic), "")]
    columns = [f"{group}: {what}" for group in ("E(3)", "SE(3)") for what in ("mean", "most", "symmetries")]
    title = (
        "Frames of WeightedPCAFrame a cloud (PCAFrame: 8 and 4), and the mean order of finite symmetry groups"
    )
    return markdown(title, ["", *columns], rows)


def counted(group: str, clouds: Iterable[tuple[torch.Tensor | None, torch.Tensor]]) -> tuple[str, str]:
    """How many frames clouds have: the mean and the largest number."""
    frame = WeightedPCAFrame(group, smoothness=LEVEL)
    counts = torch.tensor([frame(pos, node_weight=z).num_frames for z, pos in clouds])
    return f"{counts.double().mean():.2f}", f"{counts.max()}"


def changed(quick: bool) -> str:
    """Offsets, scales, colors, types: the largest error over all clouds."""
    rows = []
    for title, change, length, dtype in CHANGES:
        row = []
        for frame in (WeightedPCAFrame("E(3)", smoothness=LEVEL), PCAFrame("E(3)")):
            errors = measured(frame, quick, change, length=length, dtype=dtype)
            exact = [worst(o.values()) for k, e in errors.items() if k != "nearly" for o in e.values()]
            close = [worst(o.values()) for o in errors["nearly"].values()]
            row += [number(worst(exact)), number(worst(close))]
        rows.append([title, *row])
    columns = [f"{frame}, {what}" for frame in ("weighted", "PCA") for what in ("degenerate", "nearly")]
    return markdown(
        f"E(3): largest error on clouds of at most {SMALL} points, moved, scaled and rounded",
        ["", *columns],
        rows,
    )


def timed(name: str, make: Callable):
    start = time.perf_counter()
    found = make()
    print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a part of the clouds, and those of 30 points at most"
    )
    parser.add_argument("--out", type=writable, help="write the tables here as well")
    args = parser.parse_args()
    torch.set_num_threads(1)
    random.seed(0)  # faenet draws its stochastic frames with it
    found = {group: {} for group in GROUPS}
    for name, frame in entrants():
        found[str(frame.group)][name] = timed(name, lambda frame=frame: measured(frame, args.quick))
    tables = [by_class(group, found[group]) for group in GROUPS] + [by_output("E(3)", found["E(3)"])]
    tables += [
        timed("frames", lambda: frames_needed(args.quick)),
        timed("changes", lambda: changed(args.quick)),
    ]
    text = "\n".join(tables) + "\n"
    print(text)
    if args.out:
        write_atomically(args.out, text)


if __name__ == "__main__":
    main()
