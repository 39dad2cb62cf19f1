"""Compare frames for forces: one backbone on aspirin with all of them, beside networks without frames.

``python scripts/compare_molecules.py`` trains every configuration with every seed for equal CPU time, one
after the other, and writes ``results.csv`` and ``table.md`` in ``runs/compare_molecules/minutes_8``. Finished
runs are not repeated, an interrupted one is resumed from its last checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path

from fa_pyg.files import atomic_write, write_atomically
from fa_pyg.train import MoleculeCLI
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.results import read_result

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "train_molecules.py"
ROWS = {
    "schnet": "SchNet (invariant)",
    "e3nn": "NequIP (equivariant, e3nn)",
    "haar": "FA-FAENet, random motions, evaluated in smooth frames",
    "consistent": "FA-FAENet, the same with a consistency loss",
    "full": "FA-FAENet, all 4 frames",
    "sampled": "FA-FAENet, 1 of 4 frames drawn",
    "sampled_direct": "FA-FAENet, 1 of 4 frames drawn, forces by a head",
    "one": "FA-FAENet, one frame, signs by third moments",
    "weighted": "FA-FAENet, weighted frames",
}
COLUMNS = ("test_energy_mae_meV", "test_forces_mae_meV_per_A")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8, help="of CPU time for each run (8)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--molecule", default="aspirin", help="name, SMILES or XYZ file (aspirin)")
    parser.add_argument("--data", default=ROOT / "data" / "md", help="folder of the trajectory (data/md)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "runs" / "compare_molecules", help="folder of the runs"
    )
    given = parser.parse_args()
    parts = [f"--data.{split}.{key}" for split in ("dataset", "val", "test") for key in ("root", "molecule")]
    data = [f"{part}={given.data if part.endswith('root') else given.molecule}" for part in parts]
    folder = given.out / f"minutes_{given.minutes:g}"
    for seed in given.seeds:
        for row in given.rows:
            config = ROOT / "configs" / "molecules" / f"aspirin_{row}.yaml"
            kept = folder / "epochs" / f"{config.stem}.json"
            epochs = affordable_epochs(MoleculeCLI, config, data, 60 * given.minutes, kept)
            every = max(1, epochs // 20)
            arguments = [*data, f"--trainer.max_epochs={epochs}"]
            arguments += [f"--trainer.check_val_every_n_epoch={every}", f"--checkpoint_every={every}"]
            trained(SCRIPT, config, seed, folder / f"seed_{seed}", *arguments)
            write(folder)
    print((folder / "table.md").read_text())


def write(folder: Path) -> None:
    """Write all finished runs as CSV, and their means as a table."""
    results = [read_result(path) for path in sorted(folder.glob("seed_*/*/finished.json"))]
    results = [result for result in results if result]
    columns = ["name", "seed", *COLUMNS, "val_loss", "epochs", "best_epoch", "parameters", "cpu_seconds"]
    with atomic_write(folder / "results.csv") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    lines = [
        "| model | energy MAE / meV | force MAE / meV/Å | parameters | epochs | CPU min | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, title in ROWS.items():
        runs = [one for one in results if one["name"] == f"aspirin_{row}"]
        if runs:
            figures = [spread([one[column] for one in runs]) for column in COLUMNS]
            minutes = statistics.mean(one["cpu_seconds"] for one in runs) / 60
            lines.append(
                f"| {title} | {figures[0]} | {figures[1]} | {runs[0]['parameters']} "
                f"| {runs[0]['epochs']} | {minutes:.1f} | {len(runs)} |"
            )
    write_atomically(folder / "table.md", "\n".join(lines) + "\n")


def spread(values: list[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
