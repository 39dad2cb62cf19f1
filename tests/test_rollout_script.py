"""Rollouts of runs, as a user starts them."""

import runpy
from pathlib import Path

import pytest
import torch

from fa_pyg.train import main

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "rollout_nbody.py"
BOTH = """
model:
  model:
    class_path: fa_pyg.models.KinematicGNN
    init_args: {hidden_channels: 4, num_layers: 1, velocity: true}
  target: [y, y_vel]
data: {velocities: true, num_samples: 20}
trainer: {max_epochs: 1, enable_progress_bar: false}
"""
POSITIONS = """
model: {model: {class_path: fa_pyg.models.Linear}}
data: {num_samples: 20}
trainer: {max_epochs: 1, enable_progress_bar: false}
"""


@pytest.fixture
def trained(tmp_path, data_root):
    """Trains a configuration and returns the folder of the run."""

    def make(name, text):
        (tmp_path / f"{name}.yaml").write_text(text)
        where = [f"--data.root={data_root}", f"--trainer.default_root_dir={tmp_path}", f"--name={name}"]
        return main(["--config", str(tmp_path / f"{name}.yaml"), *where])["folder"]

    return make


def start(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", [str(SCRIPT), *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return ended.value.code


def test_tables_and_plots_of_two_runs(trained, tmp_path, monkeypatch, capsys):
    runs, out = [trained(name, BOTH) for name in ("one", "other")], tmp_path / "out"
    assert start(monkeypatch, *runs, "--steps", 3, "--systems", 4, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["paths.png", "rollouts.png", "table.md"]
    text = (out / "table.md").read_text()
    assert text in capsys.readouterr().out
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith(("| one", "| other"))]
    assert [len(row) for row in rows] == [4] * 4
    assert rows[0][1:] == rows[1][1:]  # the same seed
    assert "| no force |" in text


def test_weights_that_are_not_finite(trained, tmp_path, monkeypatch, capsys):
    run = Path(trained("one", BOTH))
    kept = torch.load(run / "best.ckpt", weights_only=True)
    next(iter(kept["state_dict"].values()))[:] = torch.nan
    torch.save(kept, run / "best.ckpt")
    assert start(monkeypatch, run, "--steps", 2, "--systems", 4, "--out", tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "error: one: expected positions, found NaN in all of the 4 systems at the first step" in said.err
    assert "next:" not in said.out


@pytest.mark.parametrize("twice", [True, False])
def test_runs_that_cannot_be_rolled_out(trained, monkeypatch, capsys, twice):
    runs = [trained("one", BOTH)] * 2 if twice else [trained("flat", POSITIONS)]
    assert start(monkeypatch, *runs, "--steps", 1, "--systems", 2) == 2
    expected = "runs of different names, found 'one'" if twice else "model: expected one that predicts velo"
    assert expected in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_at_once(trained, tmp_path, monkeypatch, capsys):
    run, taken = trained("one", BOTH), tmp_path / "taken"
    taken.touch()
    monkeypatch.setattr("fa_pyg.train.nbody.rollouts.rollouts", lambda *_: pytest.fail("it has begun"))
    assert start(monkeypatch, run, "--out", taken) == 2
    assert "expected a folder that can be written to" in capsys.readouterr().err


@pytest.mark.parametrize("there", [(), ("config.yaml",), ("best.ckpt",)])
def test_a_folder_that_is_no_run(there, tmp_path, monkeypatch, capsys):
    for name in there:
        (tmp_path / name).write_text("name: a")
    assert start(monkeypatch, tmp_path) == 2
    error = capsys.readouterr().err
    whole = "error: runs: expected a run folder of `fa-pyg train nbody`, with config.yaml and best.ckpt"
    assert (whole if "best.ckpt" in there else "best.ckpt: found no such file") in error
    assert "--config" not in error
