"""Runs from the command line's arguments, in this process: configurations, folders, resumption, early end."""

import json
import re
import signal
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Timer

from fa_pyg.testing import equivariance_error
from fa_pyg.train import NBodyCLI, NBodyModule, load_best, main
from fa_pyg.train.logs import read_metrics

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "nbody").glob("*.yaml"))
NOT_EQUIVARIANT = {"gnn", "mpnn"}
ROTATIONS_ONLY = {"tfn", "se3_transformer", "se3_transformer_fair"}  # these need e3nn
OF_AXES = {"pair_force", "two_body"}  # equivariant where rotations map axes to axes


@pytest.fixture
def arguments(tmp_path, data_root):
    """A small run below ``tmp_path``."""

    def make(name, *more):
        config = next(path for path in CONFIGS if path.stem == name)
        folders = [f"--data.root={data_root}", f"--trainer.default_root_dir={tmp_path}"]
        small = ["--data.num_samples=20", "--data.batch_size=8", "--trainer.max_epochs=4"]
        quick = ["--trainer.check_val_every_n_epoch=2", "--trainer.enable_progress_bar=false"]
        return ["--config", str(config), *folders, *small, *quick, *more]

    return make


@pytest.fixture
def begun(arguments):
    """The folder of a run of one epoch."""
    return Path(main(arguments("gnn", "--trainer.max_epochs=1"))["folder"])


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_configuration_trains_one_step_and_is_equivariant_or_not(path, arguments):
    if path.stem in ROTATIONS_ONLY:
        pytest.importorskip("e3nn")
    cli = NBodyCLI(arguments(path.stem))
    assert cli.config.name == path.stem
    data = next(iter(cli.datamodule.train_dataloader()))
    cli.model.on_train_epoch_start()
    loss = cli.model.training_step(data, 0)
    if list(cli.model.parameters()):
        loss.backward()
        gradients = [p.grad for p in cli.model.parameters() if p.grad is not None]
        assert all(g.isfinite().all() for g in gradients)
        assert any(g.abs().max() > 0 for g in gradients)

    inputs = {
        key: value.double() if value.is_floating_point() else value
        for key, value in data
        if key not in ("y", "ptr")
    }
    reps = {"pos": "point", "vel": "vector"}
    group = "SE(3)" if path.stem in ROTATIONS_ONLY else "T(3):Oh" if path.stem in OF_AXES else "E(3)"
    errors = equivariance_error(cli.model.model.double().eval(), inputs, group, reps, "point")
    assert (max(errors.values()) < 1e-9) == (path.stem not in NOT_EQUIVARIANT), errors


def test_run_leaves_results_that_can_be_loaded(arguments, tmp_path):
    results = main(arguments("fa_gnn_haar"))
    folder = tmp_path / "fa_gnn_haar" / "version_0"
    assert results["folder"] == str(folder)
    assert json.loads((folder / "results.json").read_text()) == results
    assert {"best.ckpt", "last.ckpt", "loss.png", "config.yaml"} <= {path.name for path in folder.iterdir()}
    assert list(folder.glob("events.out.tfevents.*"))
    errors = {int(r["epoch"]) + 1: float(r["val/mse"]) for r in read_metrics(folder) if "val/mse" in r}
    assert list(errors) == [2, 4]
    assert results["best_epoch"] == min(errors, key=errors.get)
    assert results["val_mse"] == pytest.approx(min(errors.values()))
    assert [int(r["epoch"]) for r in read_metrics(folder) if "train/mse" in r] == [0, 1, 2, 3]

    module = load_best(folder)
    batches = list(NBodyCLI(arguments("gnn")).datamodule.test_dataloader())
    assert not module.training
    with torch.no_grad():
        squares = sum((module(b) - b.y).square().sum().item() for b in batches)
    assert results["test_mse"] == pytest.approx(squares / (20 * 15), rel=1e-5)
    assert [b.num_graphs for b in batches] == [8, 8, 4]


def final(folder):
    return torch.load(folder / "last.ckpt", weights_only=True)


def assert_same_run(one, other):
    """The same figures, checkpoint and table, to the last bit."""
    assert {**one, "folder": 0, "name": 0} == {**other, "folder": 0, "name": 0}
    a, b = (torch.load(Path(run["folder"]) / "last.ckpt", weights_only=True) for run in (one, other))
    assert a.keys() == b.keys()
    for key in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(a[key], b[key], rtol=0, atol=0)
    torch.testing.assert_close(a.get("ema"), b.get("ema"), rtol=0, atol=0)
    assert read_metrics(one["folder"]) == read_metrics(other["folder"])


@pytest.mark.parametrize("name", ["fa_gnn_haar", "fa_gnn_sampled"])
def test_resumed_run_is_the_uninterrupted_one(name, arguments, monkeypatch, capsys):
    step = NBodyModule.training_step

    def stop_in_the_third_epoch(self, batch, batch_idx):
        if self.global_step == 7:
            raise InterruptedError
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(NBodyModule, "training_step", stop_in_the_third_epoch)
        with pytest.raises(InterruptedError):
            main(arguments(name, "--name=parts"))
    parts = main(arguments(name, "--name=parts", "--ckpt_path=last"))
    assert f"resuming from {parts['folder']}/last.ckpt" in capsys.readouterr().out
    assert_same_run(parts, main(arguments(name, "--name=whole")))


def test_ctrl_c_says_how_to_go_on(arguments, monkeypatch, capsys):
    def press(self, batch, batch_idx):
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)  # Lightning takes no other once it ends
    try:
        monkeypatch.setattr(NBodyModule, "validation_step", press)
        with pytest.raises(SystemExit):
            main(arguments("gnn", "--name=pressed"))
        assert "interrupted; the same command with --ckpt_path last resumes" in capsys.readouterr().out
        monkeypatch.setattr(NBodyModule, "training_step", press)
        with pytest.raises(SystemExit):
            main(arguments("gnn", "--name=nothing"))
        assert "interrupted before the end of an epoch; nothing is kept" in capsys.readouterr().out
    finally:
        signal.signal(signal.SIGINT, handler)


def test_ends_by_time_after_a_whole_epoch_and_goes_on(arguments, monkeypatch):
    every = "--trainer.check_val_every_n_epoch=1"
    with monkeypatch.context() as patch:
        patch.setattr(Timer, "time_elapsed", lambda self, *stage: 0 if self.start_time() is None else 99)
        parts = main(arguments("gnn", every, "--name=parts", "--trainer.max_time=00:00:01:00"))
    assert parts["epochs"] == 1
    parts = main(arguments("gnn", every, "--name=parts", "--ckpt_path=last"))
    assert_same_run(parts, main(arguments("gnn", every, "--name=whole")))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ("--model.lr=0.5", r"model.lr \(started with 0.001, now 0.5\)"),
        (
            "--model.model.init_args.hidden_channels=8",
            r"model.model.init_args.hidden_channels \(started with 64, now 8\)",
        ),
        ("--seed_everything=7", r"seed_everything \(started with 0, now 7\)"),
        ("--data.batch_size=5", r"data.batch_size \(started with 8, now 5\)"),
        ("--trainer.callbacks=null", r"trainer.callbacks \(started with .*EMA.*, now None\)"),
    ],
)
def test_a_run_does_not_go_on_as_another(changed, named, arguments, begun, capsys):
    before = (begun / "config.yaml").read_text()
    with pytest.raises(SystemExit):
        main(arguments("gnn", f"--ckpt_path={begun}", changed))
    assert re.search(named, capsys.readouterr().err)
    assert (begun / "config.yaml").read_text() == before


def test_a_run_goes_on_for_longer_and_says_so(arguments, begun):
    results = main(arguments("gnn", f"--ckpt_path={begun}", "--trainer.max_epochs=6"))
    assert (results["folder"], results["epochs"]) == (str(begun), 6)
    assert "max_epochs: 6" in (begun / "config.yaml").read_text()


def test_a_run_that_fails_to_go_on_keeps_its_configuration(arguments, begun):
    before = (begun / "config.yaml").read_text()
    kept = torch.load(begun / "last.ckpt", weights_only=True)
    del kept["state_dict"]["model.embed.weight"]
    torch.save(kept, begun / "last.ckpt")
    with pytest.raises(RuntimeError, match=r"embed\.weight"):
        main(arguments("gnn", f"--ckpt_path={begun}", "--trainer.max_epochs=6"))
    assert (begun / "config.yaml").read_text() == before


def test_another_seed_is_another_run(arguments):
    runs = [NBodyCLI(arguments("gnn", f"--seed_everything={seed}")) for seed in (0, 0, 1)]
    weights = [run.model.model.embed.weight for run in runs]
    orders = [next(iter(run.datamodule.train_dataloader())).pos for run in runs]
    for same, different in ((weights[:2], weights[1:]), (orders[:2], orders[1:])):
        assert torch.equal(*same)
        assert not torch.equal(*different)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("--model.learning_rate=1", "learning_rate"),
        ("--trainer.max_epoch=1", "max_epoch"),
        ("--model.lr=fast", "lr"),
        ("--model.schedule=linear", "schedule"),
        ("--seed_everything=-3", "--seed_everything: expected .* found -3"),
        (f"--ckpt_path={__file__}", "expected a checkpoint, found .*test_cli.py"),
        (f"--ckpt_path={Path(__file__).parent}", "expected a checkpoint, found none"),
        ("--ckpt_path=last", "expected a checkpoint, found none"),
    ],
)
def test_unknown_keys_and_wrong_values_are_errors(arguments, wrong, message, capsys):
    with pytest.raises(SystemExit):
        NBodyCLI(arguments("gnn", wrong))
    assert re.search(message, capsys.readouterr().err)


def test_unknown_key_in_a_file_is_an_error(arguments, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("model:\n  model:\n    class_path: fa_pyg.models.GNN\n    init_args: {width: 3}\n")
    with pytest.raises(SystemExit):
        NBodyCLI(["--config", str(path)])
    assert "width" in capsys.readouterr().err


def test_prints_its_configuration(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        NBodyCLI(arguments("fa_gnn_haar", "--print_config"))
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert "class_path: fa_pyg.HaarFrame" in printed
    assert "max_epochs: 4" in printed


def test_a_run_that_ends_before_its_first_validation_is_still_tested(arguments):
    results = main(arguments("gnn", "--trainer.max_epochs=1", "--trainer.check_val_every_n_epoch=10"))
    assert results["epochs"] == results["best_epoch"] == 1
    assert results["test_mse"] > 0
    assert results["val_mse"] > 0
