"""``fa-pyg train`` from any directory: by name, and what it says at its end."""

import json
import subprocess
import sys

import pytest

from fa_pyg.cli import main
from fa_pyg.train import compare

QUICK = ["--data.num_samples=20", "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"]


def test_a_configuration_by_name_from_another_directory(tmp_path, data_root, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "nbody", "--config", "linear", f"--data.root={data_root}", *QUICK]) == 0
    out = capsys.readouterr().out
    assert "results, curves and checkpoints in runs/nbody/linear/version_0" in out
    assert 'next: fa_pyg.train.load_best("runs/nbody/linear/version_0")' in out
    assert json.loads((tmp_path / "runs/nbody/linear/version_0/results.json").read_text())["epochs"] == 1
    again = ["train", "nbody", "--no-next", "--config=linear", f"--data.root={data_root}", *QUICK]
    assert main(again) == 0
    assert "next:" not in capsys.readouterr().out


def test_a_run_without_a_validation_is_said_to_be_unfinished(tmp_path, data_root, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rare = ["--trainer.check_val_every_n_epoch=2", f"--data.root={data_root}", *QUICK]
    assert main(["train", "nbody", "--config", "linear", *rare]) == 0
    assert "next: the same command with --ckpt_path last and a larger" in capsys.readouterr().out
    longer = ["--ckpt_path=last", "--trainer.max_epochs=2"]
    assert main(["train", "nbody", "--config", "linear", *rare, *longer]) == 0
    assert "next: fa_pyg.train.load_best" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "error: --config: expected a name or a file, found none; `fa-pyg configs list nbody` shows"),
        (["--trainer.max_epochs=1"], "error: --config: expected a name or a file, found none"),
        (["--config"], "error: --config: expected a value, found none"),
        (["--config", "linear", "--trust"], "error: --trust: expected a value, found none"),
        (
            ["--config", "linear", "--data.root", ""],
            "error: --data.root: expected a value, found an empty one",
        ),
        (["--config", "linear", "--data.root="], "error: --data.root: expected a value, found an empty one"),
        (["--config", "lineer"], "found 'lineer' (did you mean linear?)"),
        (["--config", "linear", "--data.num_samples=0"], "error: "),
        (["--config", "linear", "--ckpt_path=last"], "error: --ckpt_path: expected a checkpoint"),
    ],
)
def test_wrong_command_lines(args, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["train", "nbody", *args])
    except SystemExit as ended:  # of the parser
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_an_unknown_option_does_not_print_all_others(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["train", "nbody", "--config", "linear", "--trainer.max_epoch", "3"])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 5
    assert lines[0] == "usage: fa-pyg train nbody --config NAME|FILE [options]"
    assert "unrecognized arguments: --trainer.max_epoch 3 (did you mean --trainer.max_epochs" in lines[-1]


def test_trainings_of_a_table_import_what_the_table_does(tmp_path, monkeypatch):
    """From a directory with a file that would hide a module."""
    (tmp_path / "fa_pyg.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, *compare.SAFE, "-m", "fa_pyg", "--version"]
    done = subprocess.run(command, env=compare._environment(), capture_output=True, text=True)
    assert done.stdout.startswith("fa-pyg ") is bool(compare.SAFE), done.stderr


def test_a_training_of_a_table_is_a_command(tmp_path, monkeypatch):
    seen = []

    def timed(command, keep):
        seen.extend(command)
        folder = tmp_path / "linear" / "version_0"
        folder.mkdir(parents=True)
        (folder / "results.json").write_text("{}")
        return 1.0

    monkeypatch.setattr(compare, "_timed", timed)
    compare.trained("nbody", tmp_path / "linear.yaml", 0, tmp_path)
    start = seen.index("fa_pyg")
    assert seen[start - 1 : start + 5] == ["-m", "fa_pyg", "train", "nbody", "--no-next", "--config"]


def test_only_the_first_of_several_processes_speaks(monkeypatch, capsys):
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    import fa_pyg.train as train

    monkeypatch.setattr(train, "main", lambda *args, **options: {"folder": "runs/nbody/linear/version_0"})
    command = ["train", "nbody", "--config", "linear"]
    for rank, count in ((0, 1), (1, 0)):
        monkeypatch.setattr(rank_zero_only, "rank", rank)
        assert main(command) == 0
        assert capsys.readouterr().out.count("next:") == count
