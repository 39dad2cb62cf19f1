"""Hashes of what the package computes, case by case: whether a change of the code changes a number.

Frames and framed outputs on the degenerate catalogue, graphs, calls, molecules, files, the test kit and short
training runs of every task, by public names only, so that the same file runs on older and newer code. Equal
hashes are equal bits. Numbers differ between machines and versions of torch: compare runs of one machine.

    python benchmarks/hashes.py --code OLD > old.txt     # another checkout
    python benchmarks/hashes.py > new.txt                # this one
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

PARTS = ("frames", "graphs", "calls", "levels", "rare", "layers", "kit")
PARTS += ("molecules", "files", "training", "scripts")
HERE = Path(__file__).resolve().parents[1]


def lines(parts: Sequence[str] = PARTS, only: str = "", slow: float = 0.0) -> list[str]:
    """Return ``name hash`` of every case, sorted; of one that raises, the kind of error."""
    found = []
    for part in parts:
        for name, run in importlib.import_module(f"hashed.{part}").cases():
            name = name.replace(" ", "_")
            if only in name:
                begin = time.perf_counter()
                found.append(f"{name} {outcome(name, run)}")
                if slow and (seconds := time.perf_counter() - begin) > slow:
                    print(f"{seconds:6.2f} s  {name}", file=sys.stderr)
    return sorted(found)


def outcome(name: str, run: Callable[[], Any]) -> str:
    from hashed.digest import digest

    torch.manual_seed(0)
    try:
        return digest(run())
    except Exception as error:  # the other cases are of interest, too
        print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        return type(error).__name__


def differences(one: Path, other: Path, some: bool = False) -> list[str]:
    """Return the cases that two files do not agree on; with ``some``, of those that both have."""
    first, second = (dict(line.split() for line in path.read_text().splitlines()) for path in (one, other))
    names = first.keys() & second.keys() if some else first.keys() | second.keys()
    return sorted(name for name in names if first.get(name) != second.get(name))


def use(checkout: Path) -> None:
    """Import ``fa_pyg`` from a checkout, in this process and in those that it starts."""
    sys.path.insert(0, str(checkout))
    os.environ["PYTHONPATH"] = str(checkout)
    print(f"hashing {Path(importlib.import_module('fa_pyg').__file__).parent}", file=sys.stderr)


def main(args: Sequence[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--code", type=Path, default=HERE, help="checkout to hash; default that of this file")
    parser.add_argument(
        "--compare", nargs=2, type=Path, metavar=("A", "B"), help="ends with 1 if they differ"
    )
    parser.add_argument("--some", action="store_true", help="compare the cases that both files have")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default all")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--slow", type=float, default=0.0, help="tell cases that take more seconds")
    given = parser.parse_args(args)
    if given.compare:
        wrong = differences(*given.compare, given.some)
        print("\n".join([*wrong, f"{len(wrong)} cases differ"]))
        return 1 if wrong else 0
    use(given.code.resolve())
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    warnings.simplefilter("ignore")
    print("\n".join(lines(given.parts, given.only, given.slow)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
