"""Ratios of two releases side by side: what became slower than its yardstick.

Benchmarks write their ratios by ``--json``, each to a yardstick of the same run: the limit of memory, one
large matrix product, the bare network, the way it is usually done. ``make ratios`` writes those of this
version. What grew by more than ``--allowed`` is listed, and the exit status is 1: measure it again on a quiet
machine. It is 1, too, where something is not measured any more (``--partial`` compares what both files
have), and 2 for a file without ratios.

    git show HEAD:benchmarks/ratios/0.1.0.json > before.json    # what `make ratios` overwrites
    python benchmarks/regressions.py before.json benchmarks/ratios/0.1.0.json [--allowed 0.15] [--partial]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from command_line import natural
from markdown_table import table
from ratio_file import Key, key, read

from fa_pyg.options import printable


def measured(path: Path) -> dict[Key, float]:
    """The ratios of a file that were measured, by benchmark, size and row.

    Raises:
        ValueError: naming the file and the row, for a file that is none of ratios, or has no rows.
    """
    rows = read(path)
    if not rows:
        raise ValueError(printable(f"{path}: expected rows with ratios, found none"))
    return {key(row): float(row["ratio"]) for row in rows if row["ratio"] is not None}


def both(old: Path, new: Path) -> tuple[dict[Key, float], dict[Key, float]]:
    """The ratios of two files; what the older one does not have cannot become slower."""
    before = measured(old)
    if not before:
        raise ValueError(printable(f"{old}: expected a ratio that was measured, found null in every row"))
    return before, measured(new)


def slower(old: dict[Key, float], new: dict[Key, float], allowed: float) -> Iterator[list[str]]:
    """Rows of which the ratio grew, the worst first."""
    grown = {key: new[key] / old[key] - 1 for key in old.keys() & new.keys()}
    for name in sorted(grown, key=grown.__getitem__, reverse=True):
        if grown[name] > allowed:
            yield [*name, f"{old[name]:.3g}", f"{new[name]:.3g}", f"+{100 * grown[name]:.0f} %"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--allowed", type=natural, default=0.15, help="growth that is noise (0.15)")
    parser.add_argument("--partial", action="store_true", help="rows that only one file has are no matter")
    args = parser.parse_args()
    try:
        old, new = both(args.old, args.new)
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")
    found = list(slower(old, new, args.allowed))
    faster, shared = len(list(slower(new, old, args.allowed))), len(old.keys() & new.keys())
    if found:
        for line in table(["benchmark", "size", "row", "before", "now", ""], found):
            print(line)
    print(f"{shared} rows compared: {len(found)} slower, {faster} faster; {len(new) - shared} new")
    missing = [] if args.partial else sorted(old.keys() - new.keys())
    for name in missing:
        print(f"not measured now: {' / '.join(name)}")
    return 1 if found or missing or not shared else 0


if __name__ == "__main__":
    raise SystemExit(main())
