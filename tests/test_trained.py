"""Trained networks of every task are loaded where the packages of the training are not installed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from fa_pyg import trained
from fa_pyg.config.allowlist import Allowlist

ROOT = Path(__file__).resolve().parents[1]
FAGNN = {"class_path": "fa_pyg.models.FAGNN", "init_args": {"hidden_channels": 6, "num_layers": 1}}
GIN = {
    "class_path": "fa_pyg.models.GIN",
    "init_args": {"in_channels": 2, "hidden_channels": 4, "num_layers": 1, "out_channels": 1},
}
FRAMED = {
    "class_path": "fa_pyg.FrameAveraging",
    "init_args": {"model": GIN, "frame": {"class_path": "fa_pyg.CanonicalFrame"}},
}
DGCNN = {"class_path": "fa_pyg.models.FADGCNN", "init_args": {"k": 4}}
SECTIONS = {
    "nbody": {"model": FAGNN, "huber": 0.1, "lr": 1e-3},
    "graphs": {"model": FRAMED, "inputs": ["x", "edge_index"]},
    "normals": {"model": DGCNN, "oriented": False},
}
# The task's settings name a logger and a callback, whose packages are not there.
TRAINER = {"logger": {"class_path": "lightning.pytorch.loggers.CSVLogger"}}


@pytest.fixture(params=SECTIONS)
def folder(request, tmp_path):
    """The files of a run: the configuration, and weights as Lightning names them."""
    section = SECTIONS[request.param]
    settings = {"name": request.param, "model": section, "trainer": TRAINER}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    model = trained.build(settings, tmp_path, Allowlist())
    state = {f"model.{name}": torch.rand_like(value.float()) for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "best.ckpt")
    return tmp_path


def test_the_network_of_any_task_is_loaded(folder):
    model = trained.load(folder)
    state = torch.load(folder / "best.ckpt", weights_only=True)["state_dict"]
    assert not model.training
    assert all(torch.equal(v, state[f"model.{k}"].to(v)) for k, v in model.state_dict().items())


def test_without_the_packages_of_the_training(folder):
    """Negative control: the same process cannot import the training."""
    code = """
import sys
for name in ("lightning", "pytorch_lightning", "jsonargparse", "torchmetrics", "tensorboard", "wandb"):
    sys.modules[name] = None
from fa_pyg import trained
print(type(trained.load(sys.argv[1])).__name__)
import fa_pyg.train
"""
    arguments = [sys.executable, "-c", code, str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() in ("FAGNN", "FrameAveraging", "FADGCNN"), done.stderr
    assert "halted; None in sys.modules" in done.stderr  # the last import


def test_a_run_of_another_kind_is_refused(folder):
    from fa_pyg.potential import load

    with pytest.raises(ValueError, match=r"config.yaml: expected the configuration of a run on molecules"):
        load(folder)


@pytest.mark.parametrize("name", ["os.system", "lightning.pytorch.Trainer", "builtins.eval"])
def test_hostile_settings_are_refused(folder, name):
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": {"model": {"class_path": name}}}))
    with pytest.raises(ValueError, match=r"model.model.class_path: expected a public model"):
        trained.load(folder)


def test_pickled_objects_are_refused(folder):
    torch.save({"state_dict": {}, "task": Allowlist}, folder / "best.ckpt")
    with pytest.raises(ValueError, match="holds other than tensors and plain data"):
        trained.load(folder)
