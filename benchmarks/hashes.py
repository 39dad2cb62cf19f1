"""Hashes of what the package computes, case by case: whether a change of the code changes a number.

Frames and framed outputs on the degenerate catalogue, graphs, molecules, transforms, data sets and a training
run of every task, each by public names only, so that the same file runs on older and newer code. Equal hashes
are equal bits; floating point differs between machines and versions of torch, so compare two runs on one.

    PYTHONPATH=OLD python benchmarks/hashes.py > old.txt
    PYTHONPATH=NEW python benchmarks/hashes.py > new.txt
    python benchmarks/hashes.py --compare old.txt new.txt
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch

import torch
from hashed.digest import digest

PARTS = ("frames", "graphs", "calls", "molecules", "files", "training")


def lines(parts: Sequence[str] = PARTS, only: str = "", slow: float = 0.0) -> list[str]:
    """Return ``name hash`` of every case, sorted; of one that raises, the kind of error."""
    found = []
    for part in parts:
        for name, run in importlib.import_module(f"hashed.{part}").cases():
            if only in name:
                begin = time.perf_counter()
                found.append(f"{name} {outcome(name, run)}".replace(" ", "_", name.count(" ")))
                if slow and time.perf_counter() - begin > slow:
                    print(f"{time.perf_counter() - begin:6.2f} s  {name}", file=sys.stderr)
    return sorted(found)


def outcome(name: str, run: Callable[[], Any]) -> str:
    torch.manual_seed(0)
    try:
        return digest(run())
    except Exception as error:  # the other cases are of interest, too
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return type(error).__name__


def differences(one: Path, other: Path) -> list[str]:
    """Return the names of the cases that two files do not agree on."""
    first, second = (dict(line.split() for line in path.read_text().splitlines()) for path in (one, other))
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("A", "B"), help="two files; 1 if they differ"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all unless said")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--slow", type=float, default=0.0, help="tell what takes longer, in seconds")
    given = parser.parse_args(args)
    if given.compare:
        wrong = differences(*given.compare)
        print("\n".join([*wrong, f"{len(wrong)} cases differ"]))
        return 1 if wrong else 0
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    warnings.simplefilter("ignore")
    print("\n".join(lines(given.parts, given.only, given.slow)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
