"""Tensors in cache files: written atomically, checked when they are read, never unpickled."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fa_pyg.files import atomic_write
from fa_pyg.files.checked_json import DamagedFile

__all__ = ["Spec", "Tensors", "cached", "check", "load", "save"]

Tensors = dict[str, Tensor]
Spec = Mapping[str, tuple[torch.dtype, tuple[int | None, ...]]]  # None: any size
ABOUT = "about"  # key: the name of the file, so that a renamed file is detected


def cached(path: str, spec: Spec, make: Callable[[], Tensors], again: bool = False) -> Tensors:
    """Return the tensors of a file; compute and write them where it is missing or damaged, or ``again``.

    A warning names files that are damaged, and files that cannot be written.

    Args:
        path: The file, whose name contains all that the tensors depend on.
        spec: Type and shape of each tensor.
        make: Computes the tensors.
        again: Compute them even where the file is good.
    """
    if not again and os.path.lexists(path):
        try:
            return _checked(path, spec)
        except DamagedFile as damage:
            damage.warn(stacklevel=4)
    tensors = make()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        save(path, tensors)
    except (OSError, ValueError) as error:
        warnings.warn(f"{path}: cannot be written ({error})", stacklevel=4)
    return tensors


def save(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Write tensors and plain values atomically; a link in their place is replaced, not followed."""
    with atomic_write(path, "wb", follow_links=False) as file:
        torch.save({**content, ABOUT: _about(path)}, file)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Return what :func:`save` wrote to a file of this name (earlier versions stored no name).

    Raises:
        DamagedFile: for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # torch.load ignores checksums
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of any kind can cause
        raise DamagedFile(Path(path), f"something else than tensors ({type(error).__name__})") from error
    if broken is not None:
        raise DamagedFile(Path(path), f"a wrong checksum of {broken}")
    if not isinstance(found, dict) or found.get(ABOUT, _about(path)) != _about(path):
        raise DamagedFile(Path(path), "the content of another file")
    return found


def _checked(path: str, spec: Spec) -> Tensors:
    found = load(path)
    if ABOUT not in found:
        raise DamagedFile(Path(path), "a file of another version")
    check(path, found, spec)
    return {key: found[key] for key in spec}


def check(path: str | os.PathLike, found: dict[str, Any], spec: Spec) -> None:
    """Check types and shapes of tensors.

    Raises:
        DamagedFile: where they differ from ``spec``.
    """
    for key, (dtype, shape) in spec.items():
        value = found.get(key)
        if not _fits(value, dtype, shape):
            is_tensor = isinstance(value, Tensor)
            what = f"{value.dtype} {list(value.shape)}" if is_tensor else type(value).__name__
            raise DamagedFile(Path(path), f"{key} as {what} instead of {dtype} {list(shape)}")


def _about(path: str | os.PathLike) -> str:
    """Return folder and name; a cache may be moved as a whole."""
    path = Path(path)
    return f"{path.parent.name}/{path.name}"


def _fits(value: object, dtype: torch.dtype, shape: Sequence[int | None]) -> bool:
    if not isinstance(value, Tensor) or value.dtype != dtype or value.dim() != len(shape):
        return False
    return all(n in (None, m) for n, m in zip(shape, value.shape, strict=True))
