"""Which structures train, validate and test: drawn by shares or counts, or read from a file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch

PARTS = ("train", "val", "test")
Splits = Sequence[float | int | None] | Mapping[str, Sequence[int]] | str | os.PathLike


def choose(total: int, split: str | None, splits: Splits, seed: int) -> np.ndarray:
    """The positions of a part of `total` structures, in increasing order."""
    if split is None:
        return np.arange(total)
    if split not in PARTS:
        raise ValueError(f"split: found {split!r}, expected one of {list(PARTS)} or None")
    if isinstance(splits, str | os.PathLike):
        parts = _listed(_load(Path(splits)), total, str(splits))
    elif isinstance(splits, Mapping):
        parts = _listed(splits, total, "splits")
    else:
        parts = _drawn(_sizes(splits, total), total, seed)
    if not len(parts[split]):
        raise ValueError(f"splits: found nothing for {split!r} of {total} structures, expected at least one")
    return np.sort(parts[split])


def _drawn(sizes: list[int], total: int, seed: int) -> dict[str, np.ndarray]:
    if isinstance(seed, bool) or not isinstance(seed, Integral):
        raise ValueError(f"seed: found {seed!r}, expected a whole number")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(int(seed))).numpy()
    return dict(zip(PARTS, np.split(order, np.cumsum(sizes))[:3], strict=True))


def _sizes(splits: Any, total: int) -> list[int]:
    """How many each part has. Rounding the sums of shares lets three that sum to 1 use everything."""
    expected = "three shares that sum to at most 1, or three counts of which one may be None"
    if not isinstance(splits, Sequence) or len(splits) != 3 or any(isinstance(s, bool) for s in splits):
        raise ValueError(f"splits: found {splits!r}, expected {expected}")
    if all(isinstance(s, Integral) for s in splits if s is not None) and sum(s is None for s in splits) < 2:
        known = sum(s for s in splits if s is not None)
        sizes = [total - known if s is None else int(s) for s in splits]
        if min(sizes) < 0 or sum(sizes) > total:
            raise ValueError(f"splits: found {splits!r}, expected counts that fit {total} structures")
        return sizes
    if not all(isinstance(s, Real) and 0 <= s <= 1 for s in splits) or sum(splits) > 1 + 1e-9:
        raise ValueError(f"splits: found {splits!r}, expected {expected}")
    ends = [round(total * float(end)) for end in np.cumsum(splits)]
    return [stop - start for start, stop in zip([0, *ends], ends, strict=False)]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: found no readable file ({error.strerror}), expected splits") from error
    except Exception as error:  # whatever a broken archive makes of itself
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path}: found no JSON or NPZ ({words}), expected train, val and test") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: found a {type(found).__name__}, expected train, val and test")
    return found


def _listed(found: Mapping[str, Any], total: int, where: str) -> dict[str, np.ndarray]:
    """The parts of a mapping, checked: positions that exist, each in one part at most."""
    if missing := [name for name in PARTS if name not in found]:
        raise ValueError(f"{where}: found {sorted(found)}, expected train, val and test (no {missing[0]})")
    parts = {name: _positions(found[name], total, f"{where}, {name}") for name in PARTS}
    everything = np.sort(np.concatenate(list(parts.values())))
    if (twice := everything[1:][everything[1:] == everything[:-1]]).size:
        names = [name for name in PARTS for _ in range(int((parts[name] == twice[0]).sum()))]
        raise ValueError(f"{where}: found {twice[0]} in {' and '.join(names)}, expected it once")
    return parts


def _positions(values: Any, total: int, where: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty((0, 0))
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{where}: found {str(values)[:60]}, expected a list of whole numbers")
    outside = array[(array < 0) | (array >= total)]
    if outside.size:
        raise ValueError(f"{where}: found {outside[0]}, expected 0 to {total - 1} (so many structures)")
    return array.astype(np.int64)
