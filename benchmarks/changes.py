"""Rate of change of forces of trained models along a line, for each ``smoothness=``, as Markdown.

Molecules are displaced by Gaussian noise of 0.08 ångström and randomly rotated. The largest

    |F(x + h u) - F(x - h u)| / 2h,    u a random unit vector, h = 0.001 ångström,

over all structures of a molecule is divided by that of the bare network. For a trained network, the
contribution of a frame to the largest force is small, but its contribution to the change of forces, which
matters for time steps and finite differences, is not. The table gives the largest ratio over molecules.

    python benchmarks/changes.py runs/molecules/small_random/version_0 ... [--molecules NH3 CH4]
"""

from __future__ import annotations

import argparse
from copy import deepcopy

import torch
from ase.build import molecule
from markdown_table import table
from torch import Tensor

from fa_pyg import WeightedPCAFrame
from fa_pyg.builders.weighted import SMOOTHNESS
from fa_pyg.groups import Group
from fa_pyg.models import Potential
from fa_pyg.potential import load

STEP, CHUNK = 1e-3, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of runs of train_molecules.py, or checkpoints")
    parser.add_argument("--molecules", nargs="+", default=["NH3", "CH4", "C6H6", "CH3OH", "C2H6"])
    parser.add_argument("--count", type=int, default=150, help="structures of each molecule (150)")
    parser.add_argument("--sigma", type=float, default=0.08, help="of the displacements, in ångström (0.08)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for line in table(["run", *SMOOTHNESS], (row(run, args) for run in args.runs)):
        print(line, flush=True)


def row(run: str, args: argparse.Namespace) -> list[str]:
    model = load(run).double()
    if not model.is_framed:
        raise SystemExit(f"runs: expected a model with frames, found {type(model.network).__name__} in {run}")
    found = torch.tensor([ratios(model, name, args.count, args.sigma) for name in args.molecules])
    return [run, *(f"{x:.2f}" for x in found.amax(0).tolist())]


def ratios(model: Potential, name: str, count: int, sigma: float) -> list[float]:
    """The largest change of forces in the frame of each level divided by the bare network's."""
    atoms = molecule(name)
    z, lines = torch.tensor(atoms.numbers), displaced(torch.tensor(atoms.positions), count, sigma)
    bare = deepcopy(model)
    bare.network, group = model.network.model, model.network.frame.group
    framed = [deepcopy(model) for _ in SMOOTHNESS]
    for one, level in zip(framed, SMOOTHNESS, strict=True):
        one.network.frame = WeightedPCAFrame(group, smoothness=level).eval()
    largest, *others = (change(one, z, lines).max().item() for one in (bare, *framed))
    return [other / largest for other in others]


def displaced(pos: Tensor, count: int, sigma: float) -> Tensor:
    """Both ends of a line through each structure, turned at random, ``[2 count, N, 3]``."""
    random = torch.Generator().manual_seed(1)
    noise, u = (torch.randn(count, *pos.shape, generator=random, dtype=pos.dtype) for _ in range(2))
    u = STEP * u / u.flatten(1).norm(dim=1).view(-1, 1, 1)
    middle = pos - pos.mean(0) + sigma * noise
    turns = Group.of("SO(3)").haar(count, random, dtype=pos.dtype).mT
    return (torch.stack([middle + u, middle - u], 1) @ turns.unsqueeze(1)).flatten(0, 1)


def change(model: Potential, z: Tensor, lines: Tensor) -> Tensor:
    """How fast forces change along each line, in eV/ångström²."""
    ends = torch.cat([forces(model, z, part) for part in lines.split(2 * CHUNK)])
    return (ends[0::2] - ends[1::2]).flatten(1).norm(dim=1) / (2 * STEP)


def forces(model: Potential, z: Tensor, pos: Tensor) -> Tensor:
    size = len(pos)
    batch = torch.arange(size).repeat_interleave(len(z))
    with torch.no_grad():
        out = model(z.repeat(size), pos.flatten(0, 1), batch=batch, num_graphs=size)
    return out["forces"].view(pos.shape)


if __name__ == "__main__":
    main()
