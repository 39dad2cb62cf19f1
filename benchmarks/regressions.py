"""Ratios of two releases side by side: what became slower than its yardstick.

Benchmarks write their ratios by ``--json``, each to a yardstick of the same run: the limit of memory, one
large matrix product, the bare network, the way it is usually done. ``make ratios`` writes those of this
version. What grew by more than ``--allowed`` is listed, and the exit status is 1: measure it again on a quiet
machine.

    python benchmarks/regressions.py old.json new.json [--allowed 0.15]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from markdown_table import table

Key = tuple[str, str, str]


def ratios(path: Path) -> dict[Key, float]:
    """The ratios of a file, by benchmark, size and row."""
    rows = json.loads(path.read_text())
    return {(row["benchmark"], row["size"], row["row"]): row["ratio"] for row in rows if row["ratio"]}


def slower(old: dict[Key, float], new: dict[Key, float], allowed: float) -> Iterator[list[str]]:
    """Rows of which the ratio grew, the worst first."""
    growth = {key: new[key] / old[key] - 1 for key in old.keys() & new.keys()}
    for key in sorted(growth, key=growth.__getitem__, reverse=True):
        if growth[key] > allowed:
            yield [*key, f"{old[key]:.3g}", f"{new[key]:.3g}", f"+{100 * growth[key]:.0f} %"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--allowed", type=float, default=0.15, help="growth that is noise (0.15)")
    args = parser.parse_args()
    old, new = ratios(args.old), ratios(args.new)
    found = list(slower(old, new, args.allowed))
    for line in table(["benchmark", "size", "row", "before", "now", ""], found):
        print(line)
    if missing := old.keys() - new.keys():
        print(f"not measured now: {', '.join(' / '.join(key) for key in sorted(missing))}")
    return 1 if found or missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
