"""Trainings that diverge: they end at once, keep what was good, and say so in a line."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fa_pyg.cli import main
from fa_pyg.train import compare
from fa_pyg.train import main as train
from fa_pyg.train.divergence import EVERY, StopDiverged
from fa_pyg.train.tasks.nbody import NBodyModule

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--data.num_samples=20", "--data.batch_size=8", "--trainer.enable_progress_bar=false"]
QUICK += ["--trainer.check_val_every_n_epoch=1"]


@pytest.fixture
def command(tmp_path, data_root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ["train", "nbody", "--config", "gnn", f"--data.root={data_root}", *QUICK]


def test_a_rate_that_is_too_large(command, tmp_path, capsys):
    more = ["--model.lr=1e30", "--trainer.gradient_clip_val=0", "--trainer.max_epochs=3"]
    assert main([*command, *more]) == 1
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(
        "error: training loss: expected a finite number, found nan at step 2 of epoch 1; try"
    )
    assert "--model.lr (now 1e+30) or --trainer.gradient_clip_val 1. No epoch" in line
    assert line.endswith("nothing is kept")
    assert "next:" not in said.out
    folder = tmp_path / "runs/nbody/gnn/version_0"
    assert not list(folder.glob("*.ckpt"))
    assert not (folder / "results.json").exists()


@pytest.fixture
def spoil(monkeypatch):
    """Spoils the loss of a step, or its gradient alone."""

    def at(number, how):
        steps, original = [], NBodyModule.training_step

        def training_step(self, batch, batch_idx):
            steps.append(0)
            loss = original(self, batch, batch_idx)
            if len(steps) != number:
                return loss
            weight = next(self.parameters()).flatten()[0]
            return loss * torch.inf if how == "loss" else loss + (weight - weight).sqrt() * 1e-30

        monkeypatch.setattr(NBodyModule, "training_step", training_step)
        return steps

    return at


@pytest.mark.parametrize(
    ("number", "how", "message"),
    [
        (5, "loss", "training loss: expected a finite number, found inf at step 2 of epoch 2"),
        (6, "gradient", "expected finite weights, found others after step 3 of epoch 2"),
    ],
)
def test_the_checkpoint_of_before_stays(command, tmp_path, capsys, spoil, number, how, message):
    """Three steps an epoch; the weights of epoch 1 can be resumed from, with smaller gradients."""
    steps = spoil(number, how)
    epochs = "--trainer.max_epochs=4"
    assert main([*command, epochs]) == 1
    error = capsys.readouterr().err
    folder = Path("runs/nbody/gnn/version_0")
    assert message in error
    assert f"The weights of before are in {folder / 'last.ckpt'} and best.ckpt" in error
    assert len(steps) == 6
    for name in ("last.ckpt", "best.ckpt"):
        kept = torch.load(folder / name, weights_only=True)
        assert kept["epoch"] == 0
        assert all(one.isfinite().all() for one in kept["state_dict"].values())
    assert main([*command, epochs, "--ckpt_path=last", "--trainer.gradient_clip_val=0.1"]) == 0
    assert "epoch 4 of 4" in capsys.readouterr().out.replace("at epoch 3", "at epoch 4")


def test_a_loss_that_is_not_finite_before_any_step_is_no_matter_of_the_rate(command, capsys, spoil):
    spoil(1, "loss")
    assert main([*command, "--trainer.max_epochs=1"]) == 1
    error = capsys.readouterr().err
    assert "at step 1 of epoch 1; no step was made before it" in error
    assert "--model.lr" not in error


def test_from_python_it_is_an_error_and_from_a_script_an_exit(command, spoil, monkeypatch):
    given = ["--config", str(ROOT / "configs/nbody/gnn.yaml"), *command[4:]]
    spoil(2, "loss")
    with pytest.raises(FloatingPointError, match="at step 2 of epoch 1"):
        train(given)
    spoil(1, "loss")
    monkeypatch.setattr("sys.argv", ["train.py", *given])
    with pytest.raises(SystemExit) as ended:
        train()
    assert ended.value.code == 1


@pytest.mark.parametrize("split", ["val", "test"])
def test_figures_that_are_not_finite(command, capsys, monkeypatch, split):
    """Finite losses in training do not make those of other data finite."""
    original = NBodyModule.measures

    def measures(self, predicted, batch):
        found = original(self, predicted, batch)
        is_it = self.trainer.testing if split == "test" else self.trainer.validating
        return tuple(one * torch.nan for one in found) if is_it else found

    monkeypatch.setattr(NBodyModule, "measures", measures)
    assert main([*command, "--trainer.max_epochs=1"]) == 1
    error = capsys.readouterr().err
    figure = {"val": "validation mse", "test": "test mse"}[split]
    assert f"error: {figure}: expected a finite number, found " in error
    assert "ckpt" in error


def alone(precision="32-true"):
    """What is asked of a trainer, in the first epoch."""
    one = SimpleNamespace(reduce=lambda value, reduce_op: value)
    settings = {"precision": precision, "strategy": one, "current_epoch": 0, "gradient_clip_val": None}
    return SimpleNamespace(**settings, lightning_module=nn.Module())


@pytest.mark.parametrize("steps", [EVERY - 1, EVERY, EVERY + 1, 2 * EVERY])
def test_weights_are_checked_after_epochs_of_any_length(tmp_path, steps):
    stop, trainer, module = StopDiverged(tmp_path), alone(), nn.Linear(2, 2)
    for epoch in range(2):
        for number in range(steps):
            stop.on_train_batch_end(trainer, module, {"loss": torch.ones(())}, None, number)
        if epoch:
            module.weight.data[0] = torch.nan
            with pytest.raises(FloatingPointError, match=f"weight: .* after step {steps} of epoch 1"):
                stop.on_train_epoch_end(trainer, module)
        else:
            stop.on_validation_start(trainer, module)
            stop.on_train_epoch_end(trainer, module)


@pytest.mark.parametrize(("precision", "stops"), [("32-true", True), ("16-mixed", False)])
def test_a_skipped_step_of_mixed_precision_is_no_divergence(tmp_path, precision, stops):
    trainer, stop, losses = alone(precision), StopDiverged(tmp_path), torch.ones(EVERY)
    losses[3] = torch.inf

    def steps():
        for number, loss in enumerate(losses):
            stop.on_train_batch_end(trainer, nn.Module(), {"loss": loss}, None, number)

    if not stops:
        steps()
        losses[:] = torch.nan
    with pytest.raises(FloatingPointError, match=f"at step {4 if stops else 1} of epoch 1"):
        steps()


def test_a_table_goes_on_after_a_training_that_failed(tmp_path, monkeypatch, capsys):
    def quick(task, config, seed, folder, *arguments):
        if config.stem == "gnn":
            return {"name": "gnn", "seed": seed, "test_mse": 0.5}
        raise subprocess.CalledProcessError(1, ["train"])

    monkeypatch.setattr(compare, "trained", quick)
    rows = ["--configs", "fa_gnn_full", "gnn", "--seeds", "0", "--out", str(tmp_path)]
    assert main(["reproduce", "frames", *rows]) == 1
    said = capsys.readouterr()
    assert "error: fa_gnn_full, seed 0: expected a training to end well, found exit status 1" in said.err
    assert "| no frames | 0.50000" in said.out


def test_a_table_is_not_begun_where_it_cannot_be_written(tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").touch()
    monkeypatch.setattr(compare, "trained", lambda *_: pytest.fail("it has begun"))
    assert main(["reproduce", "frames", "--out", str(tmp_path / "taken/out")]) == 2
    assert "expected a folder that can be written to" in capsys.readouterr().err
