"""The scripts as a user starts them: killed while they run, on two processes; and what the demo computes."""

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg.datasets import XYZ, NBody
from fa_pyg.datasets.xtb.snapshots import write_snapshots
from fa_pyg.models import Linear
from fa_pyg.train import load_best, main

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def data_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("nbody")
    for split in ("train", "val", "test"):
        NBody(root, split, 20, log=False)
    return root


@pytest.fixture
def arguments(tmp_path, data_root):
    """The command line of a small run below ``tmp_path``."""

    def make(*more):
        folders = [f"--data.root={data_root}", f"--trainer.default_root_dir={tmp_path}"]
        small = ["--data.num_samples=20", "--data.batch_size=8", "--trainer.max_epochs=4"]
        rest = ["--trainer.check_val_every_n_epoch=2", "--trainer.enable_progress_bar=false", *more]
        return ["--config", str(ROOT / "configs/nbody/fa_gnn_haar.yaml"), *folders, *small, *rest]

    return make


def start(*command):
    """Runs Python on one thread and returns the finished process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=environment, timeout=300
    )


KILLED = """
import os, signal, torch
from fa_pyg.train import main

save, written = torch.save, []

def dying(checkpoint, file):
    written.append(file)
    if len(written) < 4:  # after epoch 1, after epoch 2 the best and the last, after epoch 3
        return save(checkpoint, file)
    file.write(b"half a checkpoint")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = dying
main()
"""


def test_killed_while_it_writes_a_checkpoint_it_goes_on_exactly(arguments, tmp_path):
    killed = start("-c", textwrap.dedent(KILLED), *arguments("--name=parts"))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert torch.load(tmp_path / "parts/version_0/last.ckpt", weights_only=True)["epoch"] == 1
    parts, whole = main(arguments("--name=parts", "--ckpt_path=last")), main(arguments("--name=whole"))
    assert {**parts, "folder": 0, "name": 0} == {**whole, "folder": 0, "name": 0}
    for file in ("best.ckpt", "last.ckpt"):
        a, b = (torch.load(Path(run["folder"]) / file, weights_only=True) for run in (parts, whole))
        torch.testing.assert_close(a["state_dict"], b["state_dict"], rtol=0, atol=0)
        torch.testing.assert_close(a["ema"], b["ema"], rtol=0, atol=0)
    tables = [(Path(run["folder"]) / "metrics.csv").read_text() for run in (parts, whole)]
    assert tables[0] == tables[1]


def test_a_set_up_that_waits_says_for_whom_and_not_for_ever(tmp_path):
    """The lock lies with the process that sets up, and with a pip that outlives it."""
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "setup_venv.sh"
    script.write_text((ROOT / "scripts" / "setup_venv.sh").read_text())
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    lock = tmp_path / ".cache" / "setup.lock"
    first = subprocess.Popen(["bash", script, slow], start_new_session=True)
    try:
        while not (lock.exists() and lock.read_text()):
            time.sleep(0.02)
        env = os.environ | {"LOCK_TELL": "0.1", "LOCK_PATIENCE": "0.2"}
        second = subprocess.run(["bash", script, slow], env=env, capture_output=True, text=True, timeout=20)
        assert second.returncode == 1
        assert f"{lock} is held by process {first.pid}" in second.stderr
        assert f"{lock} is still held by process {first.pid}" in second.stderr
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


def test_two_processes_train_one_model(arguments, tmp_path, data_root):
    two = [
        "--trainer.devices=2",
        "--trainer.strategy=ddp",
        "--trainer.max_epochs=2",
        "--trainer.accelerator=cpu",
    ]
    done = start(ROOT / "scripts/train_nbody.py", *arguments(*two))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test MSE") == 1
    folder = tmp_path / "fa_gnn_haar/version_0"
    assert (
        torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 4
    )  # ceil(20 / 2 / 8) steps an epoch
    test = Batch.from_data_list(NBody(data_root, "test", 20))
    with torch.no_grad():
        error = (load_best(folder)(test) - test.y).square().mean().item()
    assert f"test MSE {error:.5f}" in done.stdout


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "scripts/demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_demo_draws_the_true_paths(demo, data_root):
    test = Batch.from_data_list(NBody(data_root, "test", 20)[:4])
    paths = demo.true_paths(test)
    assert paths.shape == (4, 11, 5, 3)
    torch.testing.assert_close(paths[:, 0].flatten(0, 1), test.pos.double())
    torch.testing.assert_close(paths[:, -1].flatten(0, 1), test.y.double(), atol=1e-3, rtol=0)


def test_demo_moves_predictions_back(demo, data_root):
    test = Batch.from_data_list(NBody(data_root, "test", 20)[:4])
    found = demo.poses(Linear(), test, times=5)
    assert found.shape == (4, 5, 5, 3)
    expected = (test.pos + test.vel).double().view(4, 1, 5, 3)
    torch.testing.assert_close(found, expected.expand_as(found), atol=1e-5, rtol=0)


def test_snapshots_of_small_molecules_are_files_that_are_read_again(tmp_path):
    torch.manual_seed(0)
    atoms = {"z": torch.tensor([7, 1, 1, 1]), "pos": torch.randn(4, 3).double()}
    labels = [
        {"energy": torch.tensor([-1e4 - k / 3]).double(), "forces": torch.randn(4, 3).double()}
        for k in (0, 1)
    ]
    write_snapshots([Data(**atoms, **one) for one in labels], tmp_path / "train" / "NH3.xyz")
    found = XYZ(tmp_path / "train", targets=["energy"], dtype=torch.float64)
    assert [file.name for file in (tmp_path / "train").iterdir()] == ["NH3.xyz"]
    for data, one in zip(found, labels, strict=True):
        assert (data.z == atoms["z"]).all()
        for name, value in {"pos": atoms["pos"], **one}.items():
            torch.testing.assert_close(data[name], value, rtol=0, atol=1e-9)
