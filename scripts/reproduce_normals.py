"""Benchmark on point clouds: train every model in several regimes of rotation, and write the tables.

``python scripts/reproduce_normals.py --rows dgcnn fa_dgcnn --regimes I "SO(3)" --seeds 0 1 2 --minutes 30
--jobs 2 --points 256 --width 0.25 --k 16`` trains two rows, upright and turned, with three seeds, each for
half an hour of CPU time at most, two at once, tests them in every regime, with noise and with uneven density,
and adds them to ``runs/reproduce_normals/results.csv``. Finished trainings are not repeated, interrupted ones
are resumed. ``--task classes`` classifies the families of the parts instead. A test that everything runs, in
a minute or two, on the parts that come with the project: ``--quick``.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: one thread for each run
# For the processes that train: glibc keeps freed memory, and large tensors need no new pages in every step.
os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**34))

import torch

from fa_pyg import checks
from fa_pyg.train.normals.benchmark import CLIS, Benchmark
from fa_pyg.train.normals.report import Report
from fa_pyg.train.normals.rows import Row, find_rows
from fa_pyg.train.tasks.clouds import REGIMES
from fa_pyg.train.tasks.clouds_sources import SOURCES

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs" / "normals"
SETTINGS = (
    "task",
    "source",
    "splitting",
    "shipped",
    "parts",
    "evaluated",
    "points",
    "width",
    "k",
    "batch_size",
)
SETTINGS += ("epochs", "minutes", "equal_time", "accelerator")
QUICK = {"shipped": True, "parts": 16, "evaluated": 4, "points": 64, "width": 0.05, "k": 8, "batch_size": 4}
QUICK |= {"splitting": "random", "epochs": 2, "minutes": None, "equal_time": False, "rounds": 2, "seeds": [0]}


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
    settings = {name: getattr(given, name) for name in SETTINGS}
    progress = given.jobs == 1 and sys.stderr.isatty()
    benchmark = Benchmark(given.out, ROOT / "scripts", given.data, **settings, progress=progress)
    for path in given.merge:
        print(f"merged {benchmark.record.merge(path)} lines of {path}")
    failed = 0
    tasks = benchmark.tasks(rows, given.regimes, given.seeds) if given.seeds else []
    for task, outcome in benchmark.run(tasks, given.jobs):
        name = f"{task.row.name}, trained in {task.regime}, seed {task.seed}, {task.epochs} epochs"
        if isinstance(outcome, str):
            failed = 1
            print(f"error: {name}: {outcome}", file=sys.stderr, flush=True)
        else:
            losses = ", ".join(
                f"{one.condition} {one.loss:.4f}" for one in outcome if one.condition in REGIMES
            )
            print(f"{name}: test loss in {losses}; CPU {outcome[0].cpu_seconds:.0f} s", flush=True)
            report(benchmark, rows).write(pictures=False)
    finish(given, report(benchmark, rows))
    return failed


def report(benchmark: Benchmark, rows: list[Row]) -> Report:
    """Return a report of all rows that there are runs of, and of these."""
    known = {run.name for run in benchmark.record.runs()}
    known = {name for name in known if (CONFIGS / f"{name}.yaml").is_file()} - {row.name for row in rows}
    return Report(benchmark, find_rows([*map(str, (row.path for row in rows)), *sorted(known)], CONFIGS))


def finish(given: argparse.Namespace, everything: Report) -> None:
    """Measure what is not measured in runs, write everything, print the tables."""
    if given.rounds:
        everything.measure(given.rounds)
    print(everything.write())
    if given.write_docs:
        everything.write_docs(ROOT / "docs" / "benchmarks" / "normals.md", ROOT / "docs" / "images")
    if given.quick:
        print("QUICK RUN, ONLY A TEST THAT EVERYTHING WORKS: THE FIGURES ABOVE MEAN NOTHING")


def check(given: argparse.Namespace) -> None:
    """Check the values of the options, and fill in those of a quick run."""
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    for name in ("parts", "evaluated", "k", "epochs"):
        checks.integer(f"--{name}", getattr(given, name), optional=True)
    for name in ("points", "batch_size", "jobs"):
        checks.integer(f"--{name.replace('_', '-')}", getattr(given, name))
    checks.number("--width", given.width, above=0)
    checks.number("--minutes", given.minutes, above=0, optional=True)
    checks.integer("--rounds", given.rounds, 0)
    if given.quick and given.write_docs:
        raise ValueError("--write-docs: expected a run without --quick, found both")
    if given.equal_time and given.minutes is None:
        raise ValueError("--equal-time: expected --minutes with it, found none")
    given.out, given.data = given.out.resolve() / ("quick" if given.quick else ""), given.data.resolve()
    vars(given).update(QUICK if given.quick else {})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", nargs="+", help="names of configurations in configs/normals, or files (all)")
    add("--task", choices=sorted(CLIS), default="normals", help="what is learned (normals)")
    add("--regimes", nargs="+", choices=REGIMES, default=["I", "SO(3)"], help="rotations in training")
    add("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the runs (0 1 2); none: no training")
    add("--parts", type=int, help="parts in training, at most (all)")
    add("--evaluated", type=int, help="parts in validation and test each, at most (all)")
    add("--source", choices=sorted(SOURCES), default="cad", help="of the data (cad)")
    add("--splitting", choices=("family", "random"), help="(family; random for classes)")
    add("--shipped", action="store_true", help="take the few parts that come with the project")
    add("--points", type=int, default=512, help="of a cloud (512)")
    add("--width", type=float, default=1.0, help="multiplies the published widths of all rows (1)")
    add("--k", type=int, help="number of neighbors in all rows (as published)")
    add("--batch-size", type=int, default=32, help="clouds per step (32)")
    add("--epochs", type=int, help="of training (those of the configuration)")
    add("--minutes", type=float, help="CPU time of training of a row, regime and seed, at most")
    add("--equal-time", action="store_true", help="train for all of the minutes, however many epochs")
    add("--jobs", type=int, default=1, help="runs at once, one thread each (1)")
    add("--accelerator", choices=("cpu", "cuda"), default="cpu", help="of training (cpu)")
    add("--merge", type=Path, nargs="+", default=[], help="results.csv of other machines")
    add("--rounds", type=int, default=10, help="of timed forward passes; 0: nothing measured again (10)")
    add("--write-docs", action="store_true", help="write the tables into docs/benchmarks/normals.md")
    add("--data", type=Path, default=ROOT / "data" / "cad", help="folder of the data set")
    add("--out", type=Path, default=ROOT / "runs" / "reproduce_normals", help="of the results")
    add("--quick", action="store_true", help="only test that everything runs")
    given = parser.parse_args()
    if given.splitting is None:
        given.splitting = "family" if given.task == "normals" else "random"
    return given


if __name__ == "__main__":
    main()
