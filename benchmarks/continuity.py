"""Steps of outputs and forces along lines of clouds that pass through degenerate ones, as Markdown.

Of each kind of line (``fa_pyg.testing.continuity.lines``, in space) the largest step between neighbors,
relative to the largest value, where the line is cut into 256 and into 4096 pieces: 16 times shorter steps.
Where an output is continuous and not too steep its step shrinks by about 16; where it jumps it stays.

    python benchmarks/continuity.py [--pieces 256 4096]

With ``--count 200``, so many lines instead, and on how many of them outputs or forces are found to jump
(``fa_pyg.testing.continuity.assert_continuous``, which looks closer at the largest steps).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import torch
from markdown_table import table
from torch import Tensor

from fa_pyg import Frame, PCAFrame, WeightedPCAFrame
from fa_pyg.testing.continuity import LINES, Line, assert_continuous, lines
from fa_pyg.testing.probe import framed_probe

LEVEL = "fast"  # the steepest of the three: the table of docs/guides/mathematics.md
PART = 128  # clouds in a batch: bounds the memory


def values(frame: Frame, line: Line, pieces: int) -> dict[str, Tensor]:
    """The graph's vector and the forces of its energy at all points of the line, ``[pieces + 1, ...]``."""
    model, n = framed_probe(frame), len(line.start)
    found = {"vector": [], "forces": []}
    for t in torch.linspace(-1, 1, pieces + 1, dtype=torch.float64).split(PART):
        pos = line.at(t).flatten(0, 1).requires_grad_()
        z = None if line.z is None else line.z.repeat(len(t))
        out = model(z, pos, torch.arange(len(t)).repeat_interleave(n))
        energy = out["graph scalar"].sum() + out["node scalar"].sum()
        found["forces"].append(-torch.autograd.grad(energy, pos)[0].reshape(len(t), -1))
        found["vector"].append(out["node vector"].detach().reshape(len(t), -1))
    return {name: torch.cat(parts) for name, parts in found.items()}


def largest_step(x: Tensor) -> float:
    return (x.diff(dim=0).norm(dim=1).max() / x.norm(dim=1).max()).item()


def jumps_on(function, line: Line) -> bool:
    try:
        assert_continuous(function, line)
    except AssertionError:
        return True
    return False


def count_jumps(count: int, groups: list[str]) -> None:
    """On how many lines outputs and forces jump."""
    for group in groups:
        for name, frame in (
            ("weighted", WeightedPCAFrame(group, smoothness=LEVEL)),
            ("PCA", PCAFrame(group)),
        ):
            model, jumps = framed_probe(frame), {"outputs": 0, "forces": 0}

            def outputs(z, pos, batch, model=model):
                with torch.no_grad():
                    found = model(z, pos, batch).values()
                return torch.cat([y.reshape(int(batch.max()) + 1, -1) for y in found], dim=1)

            def forces(z, pos, batch, model=model):
                pos = pos.clone().requires_grad_()
                return torch.autograd.grad(model(z, pos, batch)["graph scalar"].sum(), pos)[0]

            for line in lines(count):
                for kind, function in (("outputs", outputs), ("forces", forces)):
                    jumps[kind] += jumps_on(function, line)
            print(f"{name}, {group}: {jumps} of {count} lines", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=int, nargs=2, default=[256, 4096])
    parser.add_argument("--count", type=int, help="count the lines on which there are jumps, of so many")
    parser.add_argument("--groups", nargs="+", default=["E(3)", "SE(3)"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.count:
        count_jumps(args.count, args.groups)
    else:
        print_steps(args.pieces)


def print_steps(pieces: list[int]) -> None:
    """Print the largest steps on a line of each kind."""
    frames = {"weighted": WeightedPCAFrame("E(3)", smoothness=LEVEL), "PCA": PCAFrame("E(3)")}
    columns = [f"{frame}: {what}" for frame in frames for what in ("vectors", "forces")]
    rows = (row(line, frames.values(), pieces) for line in lines(len(LINES[3])))
    for text in table(["through", *columns], rows):
        print(text, flush=True)


def row(line: Line, frames: Iterable[Frame], pieces: list[int]) -> list[str]:
    cells = [line.name.split(", offset")[0]]
    for frame in frames:
        coarse, fine = (values(frame, line, count) for count in pieces)
        cells += [f"{largest_step(coarse[k]):.0e} → {largest_step(fine[k]):.0e}" for k in coarse]
    return cells


if __name__ == "__main__":
    main()
