"""Compare frames for training: one backbone on n-body data with all of them, for equally many steps.

``python scripts/compare_frames.py`` trains every configuration with every seed, one after the other, and
writes ``runs/compare_frames/results.csv`` and ``table.md``. Finished runs are not repeated, an interrupted
one is resumed from its last checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

from fa_pyg.files import atomic_write, write_atomically
from fa_pyg.train.compare import trained

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "train_nbody.py"
CONFIGS = {
    "gnn": "no frames",
    "fa_gnn_full": "all 8 PCA frames",
    "fa_gnn_sampled": "1 of 8 PCA frames; evaluated with 8",
    "fa_gnn_weighted": "weighted",
    "fa_gnn_weighted_sampled": "1 weighted, drawn; evaluated with all",
    "fa_gnn_learned": "learned",
    "fa_gnn_haar": "a random motion; evaluated with 8 PCA frames",
    "fa_gnn_haar_weighted": "a random motion; evaluated with weighted",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100, help="of each run (100)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    parser.add_argument("--configs", nargs="+", choices=CONFIGS, default=list(CONFIGS))
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "compare_frames", help="folder of the runs"
    )
    given = parser.parse_args()
    arguments = [f"--data.root={ROOT / 'data' / 'nbody'}", f"--trainer.max_epochs={given.epochs}"]
    results = []
    for seed in given.seeds:
        for config in given.configs:
            path = ROOT / "configs" / "nbody" / f"{config}.yaml"
            folder = given.out / f"epochs_{given.epochs}" / f"seed_{seed}"
            results.append(trained(SCRIPT, path, seed, folder, *arguments))
            write(results, given.out)
    print((given.out / "table.md").read_text())


def write(results: list[dict], out: Path) -> None:
    """Write the finished runs as CSV, and their means as a table."""
    columns = ["name", "seed", "epochs", "best_epoch", "val_mse", "test_mse", "parameters", "cpu_seconds"]
    with atomic_write(out / "results.csv") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    lines = ["| frame in training | test MSE | standard deviation | seeds |", "|---|---|---|---|"]
    for config, title in CONFIGS.items():
        errors = [r["test_mse"] for r in results if r["name"] == config]
        if errors:
            spread = f"{statistics.stdev(errors):.5f}" if len(errors) > 1 else ""
            lines.append(f"| {title} | {statistics.mean(errors):.5f} | {spread} | {len(errors)} |")
    write_atomically(out / "table.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
