"""Splits of a data set into training, validation and test parts: drawn, consecutive, hashed, or of a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fa_pyg import checks

__all__ = ["PARTS", "Splits", "choose_split", "consecutive_parts", "hashed_part", "name_hash"]

PARTS = ("train", "val", "test")
Splits = Sequence[float | int | None] | Mapping[str, Sequence[int]] | str | os.PathLike


def consecutive_parts(sizes: Mapping[str, int | None], total: int | None = None) -> dict[str | None, range]:
    """Return consecutive positions for each part, in the order of ``sizes``; those of None are everything.

    Args:
        sizes: The size of each part; None, for the last part, is the rest.
        total: How many positions there are; None is the sum of the sizes.
    """
    known = sum(size or 0 for size in sizes.values())
    total = known if total is None else total
    ends = np.cumsum([total - known if size is None else size for size in sizes.values()]).tolist()
    spans = (range(start, stop) for start, stop in zip([0, *ends], ends, strict=False))
    return {**dict(zip(sizes, spans, strict=True)), None: range(total)}


def hashed_part(name: str) -> str:
    """Return the part that a name belongs to by its hash, 80, 10 and 10 % of all; others do not matter."""
    share = int.from_bytes(name_hash(name)[:8], "big") / 2**64
    return PARTS[(share >= 0.8) + (share >= 0.9)]


def name_hash(name: str) -> bytes:
    """Return the SHA-256 of a name in UTF-8; names of files may have bytes that are not UTF-8."""
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()


def choose_split(total: int, split: str | None, splits: Splits, seed: int) -> np.ndarray:
    """Return the positions of a part of ``total`` structures, in increasing order.

    Args:
        total: The number of structures.
        split: ``"train"``, ``"val"``, ``"test"``, or None for all.
        splits, seed: As of :class:`~fa_pyg.datasets.XYZ`.

    Raises:
        ValueError: where a part has another name or is empty, and where ``splits`` does not fit.
    """
    checks.one_of("split", split, PARTS, optional=True)
    if split is None:
        return np.arange(total)
    if isinstance(splits, str | os.PathLike):
        parts = _check_parts(_load(Path(splits)), total, str(splits))
    elif isinstance(splits, Mapping):
        parts = _check_parts(splits, total, "splits")
    else:
        parts = _draw(_sizes(splits, total), total, seed)
    if not len(parts[split]):
        raise ValueError(f"splits: expected structures for {split!r}, found none of {total}")
    return np.sort(parts[split])


def _draw(sizes: list[int], total: int, seed: int) -> dict[str, np.ndarray]:
    checks.integer("seed", seed, -(2**63), 2**64 - 1)  # as torch
    order = torch.randperm(total, generator=torch.Generator().manual_seed(int(seed))).numpy()
    spans = consecutive_parts(dict(zip(PARTS, sizes, strict=True)))
    return {name: order[spans[name]] for name in PARTS}


def _sizes(splits: Any, total: int) -> list[int]:
    """Return the size of each part; rounding the sums of shares lets three that sum to 1 use everything."""
    expected = "three shares that sum to at most 1, or three counts of which one may be None"
    if not isinstance(splits, Sequence) or len(splits) != 3 or any(isinstance(s, bool) for s in splits):
        checks.refuse("splits", expected, splits)
    if all(checks.is_integer(s) for s in splits if s is not None) and sum(s is None for s in splits) < 2:
        known = sum(s for s in splits if s is not None)
        sizes = [total - known if s is None else int(s) for s in splits]
        if min(sizes) < 0 or sum(sizes) > total:
            checks.refuse("splits", f"counts that fit {total} structures", splits)
        return sizes
    if not all(isinstance(s, Real) and 0 <= float(s) <= 1 for s in splits) or sum(splits) > 1 + 1e-9:
        checks.refuse("splits", expected, splits)
    ends = [round(total * float(end)) for end in np.cumsum(splits)]
    return [stop - start for start, stop in zip([0, *ends], ends, strict=False)]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: expected a readable file of splits, found {error.strerror}") from error
    except Exception as error:  # whatever a broken archive makes of itself
        words = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path}: expected JSON or NPZ with train, val and test, found {words}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected train, val and test, found a {type(found).__name__}")
    return found


def _check_parts(found: Mapping[str, Any], total: int, where: str) -> dict[str, np.ndarray]:
    """Return the parts of a mapping: positions that exist, each in one part at most."""
    if missing := [name for name in PARTS if name not in found]:
        raise ValueError(f"{where}: expected train, val and test, found {sorted(found)} (not {missing[0]})")
    parts = {name: _positions(found[name], total, f"{where}, {name}") for name in PARTS}
    everything = np.sort(np.concatenate(list(parts.values())))
    if (repeated := everything[1:][everything[1:] == everything[:-1]]).size:
        names = [name for name in PARTS for _ in range(int((parts[name] == repeated[0]).sum()))]
        raise ValueError(f"{where}: expected {repeated[0]} once, found it in {' and '.join(names)}")
    return parts


def _positions(values: Any, total: int, where: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty((0, 0))
    if array.size == 0 and array.ndim == 1:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{where}: expected a list of integers, found {str(values)[:60]}")
    outside = array[(array < 0) | (array >= total)]
    if outside.size:
        raise ValueError(f"{where}: expected positions from 0 to {total - 1}, found {outside[0]}")
    return array.astype(np.int64)
