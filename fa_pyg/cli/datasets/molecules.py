"""Command ``fa-pyg build molecules``: snapshots of five small molecules, for ``small_*`` configurations."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from fa_pyg.cli.places import base
from fa_pyg.options import Parser

if TYPE_CHECKING:
    from torch_geometric.data import Data

__all__ = ["MOLECULES", "main"]

MOLECULES = {"NH3": "N", "CH4": "C", "C6H6": "c1ccccc1", "CH3OH": "CO", "C2H6": "CC"}
SPLITS = ("train", "val", "test")


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, or 2 if nothing was done."""
    given = _parser().parsed(args)
    try:
        _build(given)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written to {given.out}")
    print("next: fa-pyg train molecules --config small_random")
    return 0


def _build(given: argparse.Namespace) -> None:
    import torch

    from fa_pyg.datasets import MDTrajectory
    from fa_pyg.datasets.xtb.snapshots import write_snapshots

    run = {"temperature": given.temperature, "steps": given.steps, "seed": given.seed, "num_val": 200}
    for name, smiles in MOLECULES.items():
        for split in SPLITS:
            found = MDTrajectory(given.data, smiles, split, dtype=torch.float64, **run)
            write_snapshots(cast("Iterable[Data]", found), given.out / split / f"{name}.xyz")


def _parser() -> Parser:
    what = "GFN2-xTB dynamics of five small molecules as extended XYZ, split by files: three minutes in all."
    parser = Parser("fa-pyg build molecules", what)
    add, home = parser.add_argument, base()
    add("--data", default=home / "data" / "md", help="folder of the trajectories (data/md)")
    add("--out", type=Path, default=home / "data" / "small", help="folder to write (data/small)")
    add("--temperature", type=float, default=400.0, help="of the thermostat, in K")
    add("--steps", type=int, default=16_000, help="of 0.5 fs; every tenth is a snapshot")
    add("--seed", type=int, default=0, help="of the dynamics and the splits")
    return parser
