"""Report of the n-body benchmark: everything in the record as tables and plots."""

from __future__ import annotations

from collections.abc import Sequence

from fa_pyg.files import write_atomically
from fa_pyg.train.nbody.benchmark import Benchmark
from fa_pyg.train.nbody.rows import Row
from fa_pyg.train.nbody.table import lines_of, table

__all__ = ["write"]


def write(benchmark: Benchmark, rows: Sequence[Row], rounds: int = 0) -> str:
    """Write ``table.md`` of all runs of the present settings, and return it."""
    runs = benchmark.record.runs()
    sizes = sorted({(run.particles, -run.train_samples, -run.eval_samples) for run in runs})
    parts = []
    for particles, train, evaluated in sizes:
        some = [
            r
            for r in runs
            if (r.particles, r.train_samples, r.eval_samples) == (particles, -train, -evaluated)
        ]
        if lines := lines_of(rows, some):
            parts.append(f"{-train} training systems of {particles} particles:\n\n{table(lines)}")
    text = "\n".join(parts)
    write_atomically(benchmark.out / "table.md", text)
    return text
