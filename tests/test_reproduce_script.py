"""The n-body benchmark as a user starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fa_pyg.cli import main

ROOT = Path(__file__).resolve().parents[1]
STILL = "model: {model: {class_path: fa_pyg.models.Linear}}\ntrainer: {max_epochs: 0}\n"


def start(*arguments):
    """Runs the script on one thread and returns the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, ROOT / "scripts/reproduce_nbody.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def test_two_rows(tmp_path, data_root):
    (tmp_path / "still.yaml").write_text(STILL)
    rows = ["--rows", "linear", tmp_path / "still.yaml", "--seeds", "0"]
    done = start(*rows, "--quick", "--data", data_root, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "quick"
    table = (folder / "table.md").read_text()
    assert table in done.stdout
    assert "THE FIGURES ABOVE MEAN NOTHING" in done.stdout
    assert "| Linear |" in table
    assert "| without learning |" in table
    assert {line.split(",")[0] for line in (folder / "results.csv").read_text().splitlines()[1:]} == {
        "linear",
        "still",
    }
    assert {"forward.json", "nbody_curves.png", "nbody_systems.png"} < {
        path.name for path in folder.iterdir()
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "nothing"], "--rows: expected a file, or the name of a configuration, found 'nothing'"),
        (["--seeds", "-1"], "--seeds: expected an integer >= 0, found -1"),
        (["--train-samples", "10001"], "--train-samples: expected an integer from 1 to 10000, found 10001"),
        (["--eval-samples", "0"], "--eval-samples: expected a positive integer, found 0"),
        (["--particles", "1"], "--particles: expected an integer >= 2, found 1"),
        (["--epochs", "0"], "--epochs: expected a positive integer or None, found 0"),
        (["--minutes", "0"], "--minutes: expected a positive number or None, found 0.0"),
        (["--minutes", "nan"], "--minutes: expected a positive number or None, found nan"),
        (["--jobs", "0"], "--jobs: expected a positive integer, found 0"),
        (["--rounds", "-1"], "--rounds: expected an integer >= 0, found -1"),
        (["--merge", "none.csv"], "--merge: expected a CSV file of runs, found none.csv"),
        (["--quick", "--write-docs"], "--write-docs: expected a run without --quick, found both"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message, tmp_path, capsys):
    assert main(["reproduce", "nbody", *arguments, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()


def test_a_failed_run_and_merged_ones(tmp_path, data_root, monkeypatch, capsys):
    from fa_pyg.train import compare
    from fa_pyg.train.nbody.record import Record
    from fa_pyg.train.nbody.rows import Recipe, find_rows
    from fa_pyg.train.nbody.runs import Run

    def fails(command, keep):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(compare, "_timed", fails)
    (linear,) = find_rows(["linear"], ROOT / "configs" / "nbody")
    other = Record(tmp_path / "other")
    figures = (30, 20, 0.08, 0.08, 0.04, 0.1, 0.3, 1e-7, 1, 60.0, Recipe.read(linear).digest)
    other.add([Run("linear", 7, 20, 20, 5, *figures)])
    given = [
        "--rows",
        "gnn",
        "--seeds",
        "0",
        "--train-samples",
        "20",
        "--eval-samples",
        "20",
        "--rounds",
        "0",
    ]
    given += ["--merge", str(other.path), "--data", str(data_root), "--out", str(tmp_path / "out")]
    assert main(["reproduce", "nbody", *given]) == 1
    said = capsys.readouterr()
    assert "error: gnn, seed 0, 250 epochs: expected a training to end well" in said.err
    assert f"merged 1 runs of {other.path}" in said.out
    assert "| Linear | 0.08000 | 1 |" in said.out
