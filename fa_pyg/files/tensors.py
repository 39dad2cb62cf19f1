"""Tensors in a file of a cache: written at once, checked before they are believed, never unpickled."""

import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fa_pyg.files import atomic_write
from fa_pyg.files.checked_json import DamagedFile

Tensors = dict[str, Tensor]
Spec = dict[str, tuple[torch.dtype, tuple[int | None, ...]]]  # None: any size
ABOUT = "about"  # key: which file it is, so that none passes for another


def cached(path: str, spec: Spec, make: Callable[[], Tensors], again: bool = False) -> Tensors:
    """The tensors of a file; made, and written, where there is none, it does not check out, or ``again``.

    Args:
        path: its name says all that decides about the tensors.
        spec: type and shape of each.
        make: what takes long.

    Warns, naming the file, where it does not check out, and where it cannot be written.
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
        warnings.warn(f"{path}: is not kept ({error})", stacklevel=4)
    return tensors


def save(path: str | os.PathLike, content: dict[str, Any]) -> None:
    """Writes tensors and plain values at once; a link in their place is replaced, not followed."""
    with atomic_write(path, "wb", follow_links=False) as file:
        torch.save({**content, ABOUT: _about(path)}, file)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """What :func:`save` wrote, of a file of this name, or of an earlier version that named none.

    Raises:
        DamagedFile: for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()  # torch.load looks at no checksum
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file of any kind can cause
        raise DamagedFile(Path(path), f"no file of tensors ({type(error).__name__})") from error
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
    """Raises DamagedFile, naming the file, where tensors are not of these types and shapes."""
    for key, (dtype, shape) in spec.items():
        value = found.get(key)
        fits = isinstance(value, Tensor) and value.dtype == dtype and value.dim() == len(shape)
        if not fits or any(n not in (None, m) for n, m in zip(shape, value.shape, strict=True)):
            is_tensor = isinstance(value, Tensor)
            what = f"{value.dtype} {list(value.shape)}" if is_tensor else type(value).__name__
            raise DamagedFile(Path(path), f"{key} as {what} instead of {dtype} {list(shape)}")


def _about(path: str | os.PathLike) -> str:
    """Folder and name; a cache may be moved as a whole."""
    path = Path(path)
    return f"{path.parent.name}/{path.name}"
