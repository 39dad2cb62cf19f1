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

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: one thread for each run

from fa_pyg.train.nbody.benchmark import Benchmark
from fa_pyg.train.nbody.report import write
from fa_pyg.train.nbody.rows import Row, find_rows

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs" / "nbody"
QUICK = {"train_samples": 20, "eval_samples": 20, "epochs": 2, "minutes": None}


def main() -> None:
    given = arguments()
    try:
        rows = find_rows(given.rows, CONFIGS)
        if given.quick:
            given.out = given.out / "quick"
            vars(given).update(QUICK)
        sys.exit(run(given, rows))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. The same command resumes; finished runs are in {given.out / 'results.csv'}")


def run(given: argparse.Namespace, rows: list[Row]) -> int:
    """Train, evaluate and write; return 1 if a run failed."""
    settings = ("train_samples", "eval_samples", "particles", "epochs", "minutes")
    benchmark = Benchmark(
        given.out.resolve(),
        ROOT / "scripts" / "train_nbody.py",
        given.data.resolve(),
        **{name: getattr(given, name) for name in settings},
        progress=given.jobs == 1 and sys.stderr.isatty(),
    )
    for path in given.merge:
        print(f"{path}: {benchmark.record.merge(path)} runs")
    benchmark.prepare()
    tasks, failed = benchmark.tasks(rows, given.seeds), 0
    for task, outcome in benchmark.run(tasks, given.jobs):
        name = f"{task.row.name}, seed {task.seed}, {task.epochs} epochs"
        if isinstance(outcome, str):
            failed = 1
            print(f"error: {name}: {outcome}", file=sys.stderr, flush=True)
        else:
            print(f"{name}: test MSE {outcome.test_mse:.5f}, CPU {outcome.cpu_seconds:.0f} s", flush=True)
            write(benchmark, find_rows(None, CONFIGS), rounds=0)
    text = write(benchmark, rows, rounds=given.rounds)
    print(text)
    if given.quick:
        print("QUICK RUN, ONLY A TEST THAT EVERYTHING WORKS: THE FIGURES ABOVE MEAN NOTHING")
    return failed


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", help="names of configurations in configs/nbody, or files (all)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    parser.add_argument("--train-samples", type=int, default=3000, help="systems in training (3000)")
    parser.add_argument("--eval-samples", type=int, default=2000, help="in validation and test each (2000)")
    parser.add_argument("--particles", type=int, default=5, help="of each system (5)")
    parser.add_argument("--epochs", type=int, help="of training (those of the configuration)")
    parser.add_argument("--minutes", type=float, help="of CPU time for training a row and seed, at most")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, one thread each (1)")
    parser.add_argument("--merge", type=Path, nargs="+", default=[], help="results.csv of other machines")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "nbody", help="folder of the data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "reproduce_nbody", help="of the results")
    parser.add_argument("--rounds", type=int, default=50, help="of forward passes, which are timed (50)")
    parser.add_argument("--quick", action="store_true", help="only test that everything runs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
