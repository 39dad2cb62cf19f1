"""The benchmark on point clouds as a user starts it."""

import runpy
import sys
from pathlib import Path

import pytest

from fa_pyg.cli import main as command
from fa_pyg.train import NormalsCLI, compare, main

ROOT = Path(__file__).resolve().parents[1]


def test_a_quick_run_of_a_row(tmp_path, monkeypatch, capsys):
    def timed(run, keep):
        """Trains in this process, which starts sooner."""
        main(list(map(str, run[run.index("--config") :])), NormalsCLI)
        return 1.5

    monkeypatch.setattr(compare, "_timed", timed)
    arguments = ["--quick", "--rows", "fa_pointnet", "--regimes", "I", "--out", str(tmp_path)]
    assert command(["reproduce", "normals", *arguments]) == 0
    folder, said = tmp_path / "quick", capsys.readouterr().out
    table = (folder / "table.md").read_text()
    assert table in said
    assert "THE FIGURES ABOVE MEAN NOTHING" in said
    assert "| FA-PointNet |" in table
    assert len((folder / "results.csv").read_text().splitlines()) == 8
    assert {"curves.png", "clouds.png", "measured.json"} < {path.name for path in folder.iterdir()}


def test_a_training_of_classes(tmp_path, monkeypatch, capsys):
    config = ROOT / "configs" / "normals" / "pointnet.yaml"
    size = ["--model.model.init_args.width=0.03", "--model.model.init_args.num_classes=23"]
    data = ["--data.shipped=true", "--data.num_points=32", "--data.num_parts=4", "--data.num_eval=2"]
    trainer = ["--trainer.max_epochs=1", f"--trainer.default_root_dir={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["train_shapes.py", "--config", str(config), *size, *data, *trainer])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "train_shapes.py"), run_name="__main__")
    assert ended.value.code == 0
    assert "test accuracy" in capsys.readouterr().out
    assert (tmp_path / "pointnet" / "version_0" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "nothing"], "--rows: expected a file, or the name of a configuration, found 'nothing'"),
        (["--seeds", "-1"], "--seeds: expected an integer >= 0, found -1"),
        (["--parts", "0"], "--parts: expected a positive integer or None, found 0"),
        (["--points", "0"], "--points: expected a positive integer, found 0"),
        (["--width", "0"], "--width: expected a positive number, found 0.0"),
        (["--batch-size", "0"], "--batch-size: expected a positive integer, found 0"),
        (["--minutes", "nan"], "--minutes: expected a positive number or None, found nan"),
        (["--equal-time"], "--equal-time: expected --minutes with it, found none"),
        (["--rounds", "-1"], "--rounds: expected an integer >= 0, found -1"),
        (["--quick", "--write-docs"], "--write-docs: expected a run without --quick, found both"),
        (["--merge", "none.csv"], "--merge: expected a CSV file of runs, found none.csv"),
        (["--data", "none"], "root: expected a folder of parts, found no"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message, tmp_path, capsys):
    assert command(["reproduce", "normals", *arguments, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")
    assert not (tmp_path / "out").exists()
