"""The table of a run that was interrupted reads as if it had not been."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from fa_pyg.train import main
from fa_pyg.train.logs import ResumableCSVLogger, read_metrics


def write(folder, start, steps):
    logger = ResumableCSVLogger(folder, start)
    _ = logger.experiment  # a trainer asks for it before anything is logged
    for step in steps:
        logger.log_metrics(
            {"train/mse": 1 / (step + 1)} if step % 2 else {"val/mse": 2.0, "epoch": step}, step
        )
        logger.save()


def test_resumed_table_is_that_of_one_run(tmp_path):
    write(tmp_path / "whole", 0, range(10))
    write(tmp_path / "parts", 0, range(7))  # got as far as step 6, but the checkpoint is of step 4
    write(tmp_path / "parts", 4, range(4, 10))
    texts = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "parts")]
    assert texts[0] == texts[1]
    assert texts[0].count("\n") == 11


def test_an_interruption_right_after_resuming_loses_nothing(tmp_path):
    write(tmp_path, 0, range(3))
    write(tmp_path, 3, [])
    assert [row["step"] for row in read_metrics(tmp_path)] == ["0", "1", "2"]


def test_no_table(tmp_path):
    assert read_metrics(tmp_path) == []


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"step\nx\n", b"step,a\n\xff,1\n", b"a\n1,2\n"])
def test_what_is_no_table_of_a_run_is_named(content, tmp_path):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.csv: expected the table of a run, found another"):
        write(tmp_path, 4, range(4, 10))


CONFIG = Path(__file__).parents[2] / "configs/nbody/gnn.yaml"
WANDB = "{class_path: lightning.pytorch.loggers.WandbLogger, init_args: {project: tests, offline: true}}"


@pytest.fixture
def small(tmp_path, data_root):
    """Arguments of a run of one epoch."""
    folders = ["--config", str(CONFIG), f"--data.root={data_root}", f"--trainer.default_root_dir={tmp_path}"]
    sizes = ["--data.num_samples=20", "--data.batch_size=20", "--trainer.max_epochs=1"]
    return [*folders, *sizes, "--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]


@pytest.fixture
def wandb(monkeypatch):
    """A stand-in for wandb, which remembers what it is told."""
    told = SimpleNamespace(config={}, metrics=[], settings={})
    run = SimpleNamespace(
        name="run",
        id="1",
        log=told.metrics.append,
        config=SimpleNamespace(update=lambda found, **options: told.config.update(found)),
    )

    class Disabled:
        pass

    def init(**settings):
        told.settings = settings
        return run

    module = ModuleType("wandb")
    module.init, module.run = init, None
    module.__spec__ = ModuleSpec("wandb", None)
    parts = {"wandb.sdk.lib": {"RunDisabled": Disabled}, "wandb.wandb_run": {"Run": Disabled}}
    for name, found in {"wandb.sdk": {}, **parts}.items():
        part = ModuleType(name)
        vars(part).update(found)
        monkeypatch.setitem(sys.modules, name, part)
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", True)
    return told


def test_wandb_by_configuration_beside_the_table_and_tensorboard(small, wandb, tmp_path):
    (tmp_path / "wandb.yaml").write_text(f"trainer: {{logger: {WANDB}}}\n")
    results = main([*small, "--config", str(tmp_path / "wandb.yaml"), "--model.lr=0.002"])
    assert wandb.settings["project"] == "tests"
    logged = {key for row in wandb.metrics for key in row}
    assert {"train/mse", "val/mse", "test/mse"} <= logged
    assert wandb.config["lr"] == 0.002
    assert wandb.config["model"]["model"]["class_path"].endswith("GNN")
    assert [row for row in read_metrics(results["folder"]) if "train/mse" in row]
    assert list(Path(results["folder"]).glob("events.*"))


def test_an_offline_run_of_the_real_wandb(small, tmp_path, monkeypatch):
    """Without a key or a network: its file has the names of what was logged."""
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    logger = WANDB.replace("offline", f"save_dir: {tmp_path}, offline")
    main([*small, f"--trainer.logger={logger}", "--model.lr=0.002"])
    wandb.finish()
    (run,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert all(key in run.read_bytes() for key in (b"train/mse", b"val/mse", b"test/mse", b"0.002"))


def test_without_wandb_the_error_names_the_extra(small, capsys, monkeypatch):
    monkeypatch.setattr("fa_pyg.train.logs.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main([*small, f"--trainer.logger={WANDB}"])
    assert "--trainer.logger: expected wandb (pip install 'fa_pyg[wandb]')" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["lightning.pytorch.loggers", "lightning.pytorch.loggers.wandb"])
@pytest.mark.parametrize("key", ["init_args", "dict_kwargs"])
def test_a_configuration_cannot_name_the_server_that_keys_are_sent_to(small, wandb, tmp_path, path, key):
    hostile = f"{{class_path: {path}.WandbLogger, {key}: {{settings: {{base_url: 'http://localhost'}}}}}}"
    (tmp_path / "hostile.yaml").write_text(f"trainer: {{logger: {hostile}}}\n")
    with pytest.raises(ValueError, match="of the arguments of WandbLogger only"):
        main([*small, "--config", str(tmp_path / "hostile.yaml")])
    assert not wandb.settings
