"""Time of parts written by hand, beside the libraries that could replace them: docs/guides/by_hand.md.

python benchmarks/by_hand.py [--seconds 5]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from command_line import positive
from filelock import FileLock
from timing import interleaved, median_ms, ratio
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fa_pyg.files.lock import locked
from fa_pyg.models import FAGNN


def averages(seconds: float) -> None:
    """An update of the moving average of FA-GNN's weights."""
    model = FAGNN()
    library = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
    weights = [value for value in model.state_dict().values() if value.is_floating_point()]
    average = [value.clone() for value in weights]
    functions = {
        "torch": lambda: library.update_parameters(model),
        "by hand": lambda: torch._foreach_lerp_(average, weights, 1e-3),
    }
    report("moving average, torch.optim.swa_utils", functions, "torch", seconds)


def locks(seconds: float) -> None:
    """A lock that nobody else holds, taken and released."""
    with tempfile.TemporaryDirectory() as folder:
        functions = {
            "filelock": lambda: _taken(FileLock(Path(folder) / "a.lock")),
            "by hand": lambda: _taken(locked(Path(folder) / "b.lock")),
        }
        report("lock, filelock", functions, "filelock", seconds)


def _taken(lock) -> None:
    with lock:
        pass


def report(title: str, functions: dict, library: str, seconds: float) -> None:
    times = interleaved(functions, seconds, clock=time.process_time)
    print(f"{title} / by hand: {ratio(times, library, 'by hand'):.1f} ({median_ms(times, 'by hand'):.3f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=positive, default=5.0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    averages(given.seconds)
    locks(given.seconds)


if __name__ == "__main__":
    main()
