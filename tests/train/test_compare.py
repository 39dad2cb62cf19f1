"""Runs that are compared: each done once, gone on with after an interruption, with all of its time."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
import torch

from fa_pyg.train import NBodyCLI, compare
from fa_pyg.train.compare import seconds_per_epoch, trained

# Stands for a training script: dies in its first attempt, if it is told to.
SCRIPT = """
import json, pathlib, sys, time
given = dict(one.removeprefix("--").split("=", 1) for one in sys.argv[1:] if "=" in one)
folder = pathlib.Path(given["trainer.default_root_dir"], given["name"], "version_0")
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "log", "a") as log:
    print(*sys.argv[1:], file=log)
while time.process_time() < 0.3:
    pass
if given.get("die") and not (folder / "last.ckpt").exists():
    (folder / "last.ckpt").touch()
    sys.exit(1)
(folder / "results.json").write_text(json.dumps({"name": given["name"], "test_mse": 1.5}))
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_a_finished_run_is_not_run_again(script, tmp_path):
    first = trained(script, tmp_path / "one.yaml", 3, tmp_path / "runs", "--trainer.max_epochs=2")
    assert first["test_mse"] == 1.5
    assert first["seed"] == 3
    assert first["cpu_seconds"] > 0.29
    assert trained(script, tmp_path / "one.yaml", 3, tmp_path / "runs") == first
    (line,) = (tmp_path / "runs/one/version_0/log").read_text().splitlines()
    assert "--seed_everything=3" in line
    assert "--trainer.max_epochs=2" in line
    assert "--ckpt_path" not in line


def test_an_interrupted_run_goes_on_and_its_time_counts(script, tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        trained(script, tmp_path / "one.yaml", 0, tmp_path / "runs", "--die=yes")
    spent = json.loads((tmp_path / "runs/one/cpu_seconds.json").read_text())
    result = trained(script, tmp_path / "one.yaml", 0, tmp_path / "runs", "--die=yes")
    assert result["cpu_seconds"] > spent + 0.29
    _, second = (tmp_path / "runs/one/version_0/log").read_text().splitlines()
    assert second.endswith("--ckpt_path last")


@pytest.mark.skipif(sys.platform != "linux", reason="from /proc")
def test_the_time_of_a_run_is_kept_while_it_runs(script, tmp_path, monkeypatch):
    """For a comparison that is killed, and with it the run."""
    seen, write = [], compare.write_atomically
    monkeypatch.setattr(compare, "KEEP_EVERY", 0.05)
    monkeypatch.setattr(compare, "write_atomically", lambda *args: (seen.append(args[1]), write(*args)))
    result = trained(script, tmp_path / "one.yaml", 0, tmp_path / "runs")
    *before, at_end, _ = map(json.loads, seen)
    assert len(before) > 2
    assert before == sorted(before)
    assert 0 < before[-1] <= at_end + 0.02 == pytest.approx(result["cpu_seconds"] + 0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it")
def test_a_run_ends_with_the_comparison_that_started_it(tmp_path):
    """Or two of them would write to one folder, when the comparison is started again."""
    script, pid = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    code = "import sys, pathlib; from fa_pyg.train.compare import trained; "
    code += "trained(pathlib.Path(sys.argv[1]), pathlib.Path('one.yaml'), 0, pathlib.Path(sys.argv[2]))"
    comparison = subprocess.Popen([sys.executable, "-c", code, script, tmp_path / "runs"])
    end = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    run = Path("/proc", pid.read_text(), "stat")
    assert run.exists()
    comparison.kill()
    comparison.wait()
    with suppress(OSError):  # it is no more
        while run.read_text().rpartition(")")[2].split()[0] != "Z":
            assert time.monotonic() < end
            time.sleep(0.02)


def test_an_epoch_takes_as_long_as_its_steps(tmp_path, monkeypatch):
    clock = count()
    monkeypatch.setattr(compare.time, "process_time", lambda: 0.25 * next(clock))
    given = ["--model.model=fa_pyg.models.Linear", f"--data.root={tmp_path}", "--data.num_samples=10"]
    state = torch.get_rng_state()
    seconds = seconds_per_epoch(NBodyCLI, [*given, "--data.batch_size=3"], steps=6)
    assert seconds == 4 * 0.25
    assert torch.equal(state, torch.get_rng_state())
    assert {path.name for path in tmp_path.iterdir()} <= {"processed", "raw"}
