"""Compare configurations: train each with several seeds, once, and measure the time of an epoch."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.files import write_atomically
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.results import read_result
from fa_pyg.workers.parent import end_by_kernel

KEEP_EVERY = 20.0  # seconds between two records of the CPU time of a run
SAFE = ["-P"] if sys.version_info >= (3, 11) else []  # a file of the working directory hides no module

__all__ = ["affordable_epochs", "seconds_per_epoch", "trained"]


def trained(task: str | Path, config: Path, seed: int, folder: Path, *arguments: str) -> dict:
    """Run a training, and return its results with the ``cpu_seconds`` of all attempts.

    A finished run is not repeated; an interrupted one is resumed from its last checkpoint.

    Args:
        task: of ``fa-pyg train``, which runs in a separate process; or the path of another script.
        config: its configuration.
        seed: of the run.
        folder: of the run; another one for every seed.
        arguments: more of the command line.

    Raises:
        CalledProcessError: if the run fails.
    """
    name = config.stem
    finished, spent = folder / name / "finished.json", folder / name / "cpu_seconds.json"
    if known := read_result(finished):
        return known
    program = [task] if isinstance(task, Path) else [*SAFE, "-m", "fa_pyg", "train", task, "--no-next"]
    command = [sys.executable, *program, "--config", config, f"--seed_everything={seed}"]
    command += [f"--name={name}", f"--trainer.default_root_dir={folder}", *arguments]
    if list(folder.glob(f"{name}/version_*/last.ckpt")):
        command += ["--ckpt_path", "last"]
    before = read_result(spent, float) or 0.0
    spent.parent.mkdir(parents=True, exist_ok=True)
    seconds = before + _timed(command, lambda seconds: write_atomically(spent, json.dumps(before + seconds)))
    newest = max(folder.glob(f"{name}/version_*/results.json"), key=lambda path: path.stat().st_mtime)
    result = json.loads(newest.read_text()) | {"seed": seed, "cpu_seconds": seconds}
    write_atomically(finished, json.dumps(result, indent=2))
    return result


def _timed(command: Sequence[object], keep: Callable[[float], None]) -> float:
    """Run a command, return its CPU time [s], and pass it on regularly: this process may be killed.

    Raises:
        CalledProcessError: if the command fails.
    """
    before = _cpu_of_children()
    # A run that outlives this process would write to the same folder as the one that resumes it.
    with subprocess.Popen(list(map(str, command)), preexec_fn=_ends_with_us(), env=_environment()) as process:
        try:
            while _runs(process):
                keep(_cpu_of(process.pid))
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
            keep(seconds := _cpu_of_children() - before)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return seconds


def _environment() -> dict[str, str]:
    """Return the environment of a process that imports what this one does, from wherever it is started."""
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path}


def _runs(process: subprocess.Popen) -> bool:
    """Return whether a process still runs after some seconds."""
    try:
        process.wait(KEEP_EVERY)
    except subprocess.TimeoutExpired:
        return True
    return False


def _cpu_of(pid: int) -> float:
    """Return the CPU time [s] of a running process; 0 where the system does not tell it."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (OSError, ValueError):
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class _StepTimes(Callback):
    """Record the CPU time [s] of this process at the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *args: Any) -> None:
        self.times.append(time.process_time())


def seconds_per_epoch(make: type[FitCLI], arguments: Sequence[str], steps: int = 20) -> float:
    """Return the CPU time of a training epoch, without validation, from a trial of some steps.

    Args:
        make: the task.
        arguments: of the command line of the run.
        steps: number of steps to time, after 5 others; their median counts.
    """
    with isolate_rng(), TemporaryDirectory() as folder:
        trial = [f"--trainer.max_steps={steps + 5}", "--trainer.limit_val_batches=0"]
        trial += ["--trainer.enable_progress_bar=false", f"--trainer.default_root_dir={folder}"]
        cli = make([*arguments, *trial])
        clock = _StepTimes()
        trainer: Any = cli.trainer  # Lightning does not declare the list of callbacks
        trainer.callbacks.append(clock)
        cli.trainer.fit(cli.model, cli.datamodule)
        batches = len(cli.datamodule.train_dataloader())
    return batches * statistics.median(b - a for a, b in pairwise(clock.times[4:]))


def affordable_epochs(
    make: type[FitCLI], config: Path, arguments: Sequence[str], seconds: float, kept: Path
) -> int:
    """Return the number of epochs that fit in a CPU time; measured once and kept in a file, for all seeds.

    Args:
        make: the task.
        config, arguments: of the run.
        seconds: of CPU time.
        kept: the file.
    """
    if known := read_result(kept, int):
        return known
    cost = seconds_per_epoch(make, ["--config", str(config), *arguments])
    epochs = max(1, int(seconds / cost))
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, json.dumps(epochs))
    return epochs


def _ends_with_us() -> Callable[[], None] | None:
    """Return a function that lets a run end with this process, unless its thread may end earlier."""
    is_main = threading.current_thread() is threading.main_thread()
    return end_by_kernel if is_main and sys.platform == "linux" else None


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
