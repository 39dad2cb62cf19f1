"""Reading XYZ files: molecules a second, beside ASE's reader; one large file, and the peak of the memory.

python benchmarks/xyz.py [--molecules 300000] [--atoms 20] [--workers 2]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
import torch
from timing import seconds_per_call
from torch_geometric.loader import DataLoader

from fa_pyg import read_xyz
from fa_pyg.datasets import XYZ, LazyXYZ, XYZStream

FEW = 5000  # for the readers that hold everything in memory
DRAWN = 20_000  # structures read in random order


def write(path: Path, molecules: int, atoms: int) -> None:
    rng, symbols = np.random.default_rng(0), ("C", "H", "N", "O")
    with open(path, "w") as file:
        for number in range(molecules):
            pos = rng.normal(size=(atoms, 3)).tolist()
            rows = (f"{symbols[i % 4]} {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(pos))
            file.write(f"{atoms}\nmolecule {number}\n" + "".join(rows))


# -- a large file: each function reads it in a process of its own, and says how many structures it read


def stream(path: Path, workers: int) -> int:
    return sum(1 for _ in XYZStream(path))


def build_alone(path: Path, workers: int) -> int:
    with tempfile.TemporaryDirectory(dir=path.parent) as cache:
        return len(LazyXYZ(path, cache=cache, workers=0))


def build(path: Path, workers: int) -> int:
    return len(LazyXYZ(path, workers=workers))


def draw(path: Path, workers: int) -> int:
    dataset = LazyXYZ(path)
    return sum(1 for i in torch.randperm(len(dataset))[:DRAWN].tolist() if dataset[i].num_nodes)


def load(path: Path, workers: int) -> int:
    loader = DataLoader(LazyXYZ(path), batch_size=256, shuffle=True, num_workers=workers)
    return sum(batch.num_graphs for batch in loader)


def in_memory_too(path: Path, workers: int) -> int:
    return len(read_xyz(path))


LARGE = {
    "XYZStream, one pass": stream,
    "LazyXYZ, index built, 1 process": build_alone,
    "LazyXYZ, index built, workers": build,
    "LazyXYZ, in random order": draw,
    "LazyXYZ, shuffled batches, workers": load,
    "read_xyz, all in memory": in_memory_too,
}


def measured(function: Callable[[Path, int], int], path: Path, workers: int) -> list[float]:
    """Structures, seconds, seconds of all cores, and MB: added at the peak, the largest worker."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(False)
    process = context.Process(target=_measure, args=(function, path, workers, send))
    process.start()
    result = receive.recv()
    process.join()
    return result


def _measure(function: Callable[[Path, int], int], path: Path, workers: int, send) -> None:
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # as in a script; this process was spawned
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is that of the imports
    held = _megabytes("VmRSS")
    before, cpu = time.perf_counter(), time.process_time()
    count = function(path, workers)
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += children.ru_utime + children.ru_stime
    send.send([count, seconds, cpu, _megabytes("VmHWM") - held, children.ru_maxrss / 1024])


def _megabytes(what: str) -> float:
    """A figure of this process by its name in Linux's /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def large(folder: Path, args: argparse.Namespace) -> None:
    print("\none file, each line in a process of its own: seconds of the clock and of all cores, peak memory")
    for molecules in (args.molecules // 10, args.molecules):
        path = folder / f"{molecules}.xyz"
        write(path, molecules, args.atoms)
        size = os.path.getsize(path) / 1e6
        print(f"{molecules} molecules of {args.atoms} atoms, {size:.0f} MB, {args.workers} workers")
        for name, function in LARGE.items():
            count, seconds, cpu, own, worker = measured(function, path, args.workers)
            rates = f"{count / seconds:7.0f} molecules/s {count / max(cpu, 1e-9):7.0f} a core second"
            times = f"{seconds:6.1f} s {cpu:6.1f} s of cores"
            print(f"  {name:35s} {rates} {times} +{own:.0f} MB, worker {worker:.0f} MB", flush=True)


# -- in memory, beside ASE


def in_memory(folder: Path, args: argparse.Namespace) -> None:
    readers = {
        "ase.io.read": lambda path: ase.io.read(path, index=":"),
        "read_xyz": read_xyz,
        "XYZ": XYZ,
    }
    times: dict[str, list[float]] = {name: [] for name in readers}
    path = folder / "few.xyz"
    write(path, FEW, args.atoms)
    for _ in range(4):  # the first round warms the file cache
        for name, reader in readers.items():
            times[name].append(seconds_per_call(partial(reader, path)))
    reference = times["ase.io.read"][1:]
    print(f"{FEW} molecules of {args.atoms} atoms in one file, medians of 3 interleaved rounds")
    for name, values in times.items():
        ratio = statistics.median(a / b for a, b in zip(reference, values[1:], strict=True))
        rate = FEW / statistics.median(values[1:])
        print(f"{name:12s} {rate:8.0f} molecules/s   {ratio:5.2f} x ASE", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--molecules", type=int, default=300_000)
    parser.add_argument("--atoms", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        in_memory(Path(folder), args)
        large(Path(folder), args)


if __name__ == "__main__":
    main()
