"""For tests of the n-body benchmark: runs of known figures, and trainings in this process."""

from dataclasses import replace
from pathlib import Path

import pytest

from fa_pyg.train import compare, main
from fa_pyg.train.nbody.benchmark import Benchmark
from fa_pyg.train.nbody.runs import Run

CONFIGS = Path(__file__).parents[3] / "configs" / "nbody"
TINY = """
name: tiny
model:
  model: {class_path: fa_pyg.models.GNN, init_args: {hidden_channels: 4, num_layers: 1}}
  schedule: cosine
trainer:
  max_epochs: 6
  check_val_every_n_epoch: 2
  callbacks:
  - {class_path: fa_pyg.train.EMA, init_args: {decay: 0.9}}
"""
STILL = """
model: {model: {class_path: fa_pyg.models.Linear}}
trainer: {max_epochs: 0}
"""


@pytest.fixture
def configs(tmp_path):
    """A folder with a model that learns, and one that does not."""
    folder = tmp_path / "configs"
    folder.mkdir()
    for name, text in (("tiny", TINY), ("still", STILL)):
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
def benchmark(tmp_path, data_root):
    """A benchmark on 20 systems."""

    def make(out="out", **settings):
        small = {"train_samples": 20, "eval_samples": 20, **settings}
        return Benchmark(tmp_path / out, data_root, **small)

    return make


@pytest.fixture
def in_process(monkeypatch):
    """Trainings in this process, where they can be watched; returns the list of their command lines."""
    seen = []

    def timed(command, keep):
        seen.append(list(map(str, command[command.index("--config") :])))
        main(seen[-1])
        return 1.5

    monkeypatch.setattr(compare, "_timed", timed)
    return seen


@pytest.fixture
def run():
    """A run with any figures."""
    sizes = {"train_samples": 3000, "eval_samples": 2000, "particles": 5, "epochs": 100, "best_epoch": 90}
    figures = {"val_mse": 0.011, "test_mse": 0.01, "median_mse": 1e-3, "worst_1": 0.25, "worst_5": 0.5}
    rest = {"equivariance": 2e-7, "parameters": 7, "cpu_seconds": 90.0, "settings": "0123abcd"}
    one = Run("gnn", 0, **sizes, **figures, **rest)
    return lambda **changes: replace(one, **{"best_epoch": min(90, changes.get("epochs", 90)), **changes})
