"""N-body benchmark: train every model of the published table on the same data, and write the table.

``python scripts/reproduce_nbody.py --rows egnn fa_gnn --seeds 0 1 2 --minutes 60 --jobs 2`` trains two rows
with three seeds, each for an hour of CPU time at most, two at once, and adds them to
``runs/reproduce_nbody/results.csv``. Finished runs are not repeated, interrupted ones are resumed. A test
that everything runs, in minutes: ``--quick``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: one thread for each run

import torch

from fa_pyg import checks
from fa_pyg.train.nbody.benchmark import Benchmark
from fa_pyg.train.nbody.report import Report
from fa_pyg.train.nbody.rows import Row, find_rows

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs" / "nbody"
SETTINGS = ("train_samples", "eval_samples", "particles", "epochs", "minutes", "accelerator")
QUICK = {"train_samples": 20, "eval_samples": 20, "epochs": 2, "minutes": None, "rounds": 3}


def main() -> None:
    given = arguments()
    try:
        check(given)
        sys.exit(run(given, find_rows(given.rows, CONFIGS)))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. The same command resumes; finished runs are in {given.out / 'results.csv'}")


def run(given: argparse.Namespace, rows: list[Row]) -> int:
    """Train, evaluate and write; return 1 if a run failed."""
    torch.set_num_threads(1)
    benchmark = Benchmark(
        given.out,
        ROOT / "scripts" / "train_nbody.py",
        given.data,
        **{name: getattr(given, name) for name in SETTINGS},
        progress=given.jobs == 1 and sys.stderr.isatty(),
    )
    for path in given.merge:
        print(f"merged {benchmark.record.merge(path)} runs of {path}")
    failed = 0
    benchmark.splits().prepare_data()  # before several processes want them
    for task, outcome in benchmark.run(benchmark.tasks(rows, given.seeds), given.jobs):
        name = f"{task.row.name}, seed {task.seed}, {task.epochs} epochs"
        if isinstance(outcome, str):
            failed = 1
            print(f"error: {name}: {outcome}", file=sys.stderr, flush=True)
        else:
            print(f"{name}: test MSE {outcome.test_mse:.5f}, CPU {outcome.cpu_seconds:.0f} s", flush=True)
            report(benchmark, rows).write(plots=False)
    finish(given, report(benchmark, rows))
    return failed


def report(benchmark: Benchmark, rows: list[Row]) -> Report:
    """Return a report of all rows that there are runs of, and of these."""
    known = {run.name for run in benchmark.record.runs()}
    known = {name for name in known if (CONFIGS / f"{name}.yaml").is_file()} - {row.name for row in rows}
    return Report(benchmark, find_rows([*map(str, (row.path for row in rows)), *sorted(known)], CONFIGS))


def finish(given: argparse.Namespace, everything: Report) -> None:
    """Measure forward passes, write everything, print the table."""
    if given.rounds:
        everything.time_forward(given.rounds)
    print(everything.write())
    if given.write_docs:
        docs = ROOT / "docs"
        everything.write_docs(ROOT / "README.md", docs / "benchmarks" / "nbody.md", docs / "images")
    if given.quick:
        print("QUICK RUN, ONLY A TEST THAT EVERYTHING WORKS: THE FIGURES ABOVE MEAN NOTHING")


def check(given: argparse.Namespace) -> None:
    """Check the values of the options, and fill in those of a quick run."""
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    checks.integer("--train-samples", given.train_samples, 1, 10_000)
    checks.integer("--eval-samples", given.eval_samples, 1, 2000)
    checks.integer("--particles", given.particles, 2)
    checks.integer("--epochs", given.epochs, optional=True)
    checks.number("--minutes", given.minutes, above=0, optional=True)
    checks.integer("--jobs", given.jobs)
    checks.integer("--rounds", given.rounds, 0)
    if given.quick and given.write_docs:
        raise ValueError("--write-docs: expected a run without --quick, found both")
    given.out, given.data = given.out.resolve() / ("quick" if given.quick else ""), given.data.resolve()
    vars(given).update(QUICK if given.quick else {})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", help="names of configurations in configs/nbody, or files (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    parser.add_argument("--train-samples", type=int, default=3000, help="systems in training (3000)")
    parser.add_argument("--eval-samples", type=int, default=2000, help="in validation and test each (2000)")
    parser.add_argument("--particles", type=int, default=5, help="of each system (5)")
    parser.add_argument("--epochs", type=int, help="of training (those of the configuration)")
    parser.add_argument("--minutes", type=float, help="CPU time of training of a row and seed, at most")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each (1)")
    parser.add_argument("--accelerator", choices=("cpu", "cuda"), default="cpu", help="of training (cpu)")
    parser.add_argument("--merge", type=Path, nargs="+", default=[], help="results.csv of other machines")
    parser.add_argument("--rounds", type=int, default=50, help="of timed forward passes; 0: not again (50)")
    parser.add_argument("--write-docs", action="store_true", help="write the tables into README and docs")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "nbody", help="folder of the data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reproduce_nbody", help="of the results")
    parser.add_argument("--quick", action="store_true", help="only test that everything runs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
