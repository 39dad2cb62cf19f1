"""Snapshots of five small molecules as extended XYZ, split by files, for ``configs/molecules/small_*.yaml``.

``python scripts/small_molecules.py`` runs GFN2-xTB dynamics of each molecule at 400 K (three minutes in all)
and writes ``data/small/{train,val,test}/NH3.xyz`` and so on, with ``energy`` (eV) and ``forces`` (eV/Å).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from torch_geometric.data import Data

from fa_pyg.datasets import MDTrajectory
from fa_pyg.io import write_xyz

ROOT = Path(__file__).resolve().parents[1]
MOLECULES = {"NH3": "N", "CH4": "C", "C6H6": "c1ccccc1", "CH3OH": "CO", "C2H6": "CC"}
SPLITS = ("train", "val", "test")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", default=ROOT / "data" / "md", help="folder of the trajectories (data/md)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "data" / "small", help="folder to write (data/small)"
    )
    parser.add_argument("--temperature", type=float, default=400.0, help="of the thermostat, in K")
    parser.add_argument("--steps", type=int, default=16_000, help="of 0.5 fs; every tenth is a snapshot")
    parser.add_argument("--seed", type=int, default=0, help="of the dynamics and the splits")
    given = parser.parse_args()
    run = {"temperature": given.temperature, "steps": given.steps, "seed": given.seed, "num_val": 200}
    for name, smiles in MOLECULES.items():
        for split in SPLITS:
            write(
                MDTrajectory(given.data, smiles, split, dtype=torch.float64, **run), name, given.out / split
            )
    print(f"written to {given.out}")
    return 0


def write(snapshots: MDTrajectory, name: str, folder: Path) -> None:
    """Write one split of one molecule as ``folder/name.xyz``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_xyz(
        folder / f"{name}.xyz",
        (_sourced(data, f"{folder.name}:{index}") for index, data in enumerate(snapshots)),
        names=["energy", "forces"],
        columns=["forces"],
        digits=10,
        source=True,
    )


def _sourced(data: Data, source: str) -> Data:
    data.source = source
    return data


if __name__ == "__main__":
    sys.exit(main())
