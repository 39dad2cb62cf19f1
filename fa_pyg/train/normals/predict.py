"""Estimate the normals of scans with a trained model."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.io.points import read_points, write_points
from fa_pyg.models import PatchedNormals, orient_normals
from fa_pyg.options import predict as options
from fa_pyg.potential.device import default_device, find_device
from fa_pyg.train.run import load_best
from fa_pyg.train.tasks.normals import NormalsModule
from fa_pyg.transforms import NormalizeCloud

__all__ = ["estimate", "load_normals", "main", "run"]


def load_normals(folder: str | Path, trust: str | Iterable[str] = ()) -> NormalsModule:
    """Load the best module of a run of ``fa-pyg train normals``, as by :func:`fa_pyg.train.load_best`.

    Raises:
        ValueError: for a run of another task, and as there.
    """
    module = load_best(folder, trust=trust)
    if not isinstance(module, NormalsModule):
        expected = "a run of `fa-pyg train normals`"
        raise ValueError(f"{folder}: expected {expected}, found one of {type(module).__name__}")
    return module


@torch.no_grad()
def estimate(
    module: NormalsModule, pos: Tensor, patch_size: int = 512, overlap: float = 2.0, orient: bool = False
) -> Tensor:
    """Return unit normals of a scan of any size.

    A scan of more points than a patch is estimated by :class:`~fa_pyg.models.PatchedNormals`; another one as
    a cloud of unit size (:class:`~fa_pyg.transforms.NormalizeCloud`).

    Args:
        module: in evaluation mode.
        pos: finite points; float64 keeps its precision far from the origin.
        patch_size, overlap: of the patches.
        orient: make signs consistent (:func:`~fa_pyg.models.orient_normals`); needs scipy.

    Shapes:
        pos ``[N, 3]``; returns ``[N, 3]`` in float32 on the CPU.

    Not guaranteed: signs, unless the model is trained with ``oriented`` or ``orient`` is set.
    """
    patched = PatchedNormals(module.model, patch_size, overlap, oriented=module.oriented)
    unit = NormalizeCloud()(Data(pos=pos.double())).pos.to(module.device)
    found = patched(unit) if len(pos) > patch_size else module.model(unit.float(), None)
    unit, found = unit.cpu(), found.float().cpu()
    return orient_normals(unit, found.double()).float() if orient else found


def main(args: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line; return 0, or 2 if a file was left out or nothing was done."""
    try:
        return run(options.normals(args, prog))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(given: Namespace) -> int:
    """Estimate normals with the options of a command line, and say what was done; return as :func:`main`.

    Raises:
        ValueError: for a run that cannot be loaded, and options that are wrong.
    """
    device = default_device() if given.device is None else given.device
    find_device(device, "--device")
    module = load_normals(given.run, given.trust).to(device)
    PatchedNormals(module.model, given.patch_size, given.overlap)  # checks the options
    targets: list[Path] = given.targets
    targets[0].parent.mkdir(parents=True, exist_ok=True)
    settings = (given.patch_size, given.overlap, given.orient)
    done = [_is_done(module, *one, settings) for one in zip(given.files, targets, strict=True)]
    if any(done):
        print(_next(targets[done.index(True)]))
    return 0 if all(done) else 2


def _next(target: Path) -> str:
    """Say what can be done with a file of points and normals."""
    if target.suffix.lower() == ".npz":
        return f'next: numpy.load("{target}") has pos and normal'
    return f"next: any viewer of point clouds opens {target}, with its normals"


def _is_done(module: NormalsModule, path: Path, target: Path, options: tuple[int, float, bool]) -> bool:
    """Estimate and write the normals of a file, and say so; or say why not."""
    try:
        start, pos = time.perf_counter(), read_points(path)
        normal = estimate(module, torch.from_numpy(pos), *options)
        if not normal.isfinite().all():
            raise ValueError(f"{path}: expected finite normals, found others")
        write_points(target, pos, np.asarray(normal))
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        reason = str(error).partition("\n")[0]
        print(f"error: {reason if str(path) in reason else f'{path}: {reason}'}", file=sys.stderr)
        return False
    print(f"{path}: {len(pos)} points in {time.perf_counter() - start:.1f} s, written to {target}")
    return True
