"""Load a trained potential from the file of ``Potential.save``, or from a run of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import check, only_weights
from fa_pyg.config.instantiate import instantiate
from fa_pyg.config.plain import parse, read
from fa_pyg.models import Potential

__all__ = ["build", "load", "load_potential"]


def load(path: str | Path, trust: str | Iterable[str] = ()) -> Potential:
    """Load a trained potential in evaluation mode, on the CPU.

    Safe on files of other people: only tensors and plain data are read from the checkpoint
    (``weights_only``), and the settings, in it or in the ``config.yaml`` of its folder, may name the classes
    of an allowlist and no others (docs/guides/security.md).

    Args:
        path: a file of :meth:`fa_pyg.models.Potential.save`, a checkpoint of ``scripts/train_molecules.py``,
            or the folder of such a run, of which ``best.ckpt`` is taken.
        trust: more classes that the settings may name, ``"my_net.Net"``, and modules whose classes they may
            name, ``"my_net"``; they are imported.

    Raises:
        ValueError: naming the file, if it or the configuration is missing, if the two do not belong together,
            or if the settings name what is not trusted.

    Not guaranteed: a limit on the memory that settings or a checkpoint ask for.
    """
    path = Path(path) / "best.ckpt" if Path(path).is_dir() else Path(path)
    config = path.parent / "config.yaml"
    _check_file(path, "a checkpoint")
    checkpoint = _read_checkpoint(path, config)
    if isinstance(checkpoint.get("potential"), str):
        source, settings = path, parse(checkpoint["potential"], str(path))
    else:
        _check_file(config, "the configuration of its run")
        source, settings = config, read(config)
    model = _build(settings, source, Allowlist(trust))
    try:
        state = checkpoint["state_dict"].items()
        model.load_state_dict({name.removeprefix("model."): value for name, value in state})
    except Exception as error:  # whatever the content of a file can cause
        raise _not_a_checkpoint(path, config, error) from error
    return model.eval()


load_potential = load


def build(config: str | Path, trust: str | Iterable[str] = ()) -> Potential:
    """Build the untrained potential of a configuration such as ``configs/molecules/aspirin_full.yaml``.

    Args:
        config: a YAML file, whose section ``model`` has the class and arguments of the potential.
        trust: as for :func:`load`.

    Raises:
        ValueError: naming the file, if it describes no potential or names what is not trusted.
    """
    return _build(read(config), Path(config), Allowlist(trust))


def _check_file(path: Path, expected: str) -> None:
    if path.is_file():
        return
    others = [name for name in ("final.ckpt", "last.ckpt") if (path.parent / name).is_file()]
    is_early = others and path.suffix == ".ckpt"
    hint = f"; the run was not validated yet, but has {others[0]}" if is_early else ""
    raise ValueError(f"{path}: found no such file, expected {expected}{hint}")


def _read_checkpoint(path: Path, config: Path) -> Mapping[str, Any]:
    try:
        checkpoint = torch.load(path, "cpu", weights_only=True)
        if not isinstance(checkpoint, Mapping):
            raise ValueError(type(checkpoint).__name__)
    except Exception as error:  # whatever a file of any kind can cause
        raise _not_a_checkpoint(path, config, error) from error
    return checkpoint


def _not_a_checkpoint(path: Path, config: Path, error: Exception) -> ValueError:
    text = str(error) or type(error).__name__  # the error for an empty file has no text
    reason = text.splitlines()[0][:200]
    if isinstance(error, UnpicklingError | LookupError | EOFError):  # torch proposes to read it unsafely
        reason = "it holds other than tensors and plain data"
    return ValueError(f"{path}: expected a checkpoint of {config}, found none ({reason})")


def _build(settings: Mapping[str, Any], source: Path, allowed: Allowlist) -> Potential:
    """Build the potential that the section ``model`` describes; how it was trained is left out."""
    section, expected = settings.get("model"), "the configuration of a run on molecules"
    if not isinstance(section, dict):
        raise ValueError(f"{source}: expected {expected}, found no model")
    check({"model": section}, {"model": _potential}, source, allowed)
    try:
        with only_weights():
            model = instantiate(_potential, {"model": section.get("model")}, allowed)
    except Exception as error:  # of the constructors of any class, with any arguments
        raise ValueError(f"{source}: expected {expected} ({error})") from error
    model.settings = section["model"]
    return model


def _potential(model: Potential) -> Potential:
    """Return the argument: what the section ``model`` of a configuration is built with."""
    return model
