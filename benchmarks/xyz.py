"""Reading XYZ files: molecules a second, beside ASE's reader on the same files in the same run.

python benchmarks/xyz.py [--molecules 5000] [--atoms 20]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import ase.io
import numpy as np

from fa_pyg import read_xyz
from fa_pyg.datasets import XYZ


def write(path: Path, molecules: int, atoms: int) -> None:
    pos = np.random.default_rng(0).normal(size=(molecules, atoms, 3))
    symbols = ("C", "H", "N", "O")
    with open(path, "w") as file:
        for number, molecule in enumerate(pos):
            rows = (f"{symbols[i % 4]} {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(molecule))
            file.write(f"{atoms}\nmolecule {number}\n" + "".join(rows))


def seconds(function, path: Path) -> float:
    begin = time.perf_counter()
    function(path)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=5000)
    parser.add_argument("--atoms", type=int, default=20)
    args = parser.parse_args()
    readers = {
        "ase.io.read": lambda path: ase.io.read(path, index=":"),
        "read_xyz": read_xyz,
        "XYZ": XYZ,
    }
    times: dict[str, list[float]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.xyz"
        write(path, args.molecules, args.atoms)
        for _ in range(4):  # the first round warms the file cache
            for name, reader in readers.items():
                times[name].append(seconds(reader, path))
    reference = times["ase.io.read"][1:]
    print(f"{args.molecules} molecules of {args.atoms} atoms in one file, medians of 3 interleaved rounds")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(reference, values[1:], strict=True))
        rate = args.molecules / statistics.median(values[1:])
        print(f"{name:12s} {rate:8.0f} molecules/s   {ratio:5.2f} x ASE")


if __name__ == "__main__":
    main()
