"""Load the network of a run of any training, without the packages of the training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import check, only_weights
from fa_pyg.config.instantiate import instantiate
from fa_pyg.config.plain import parse, read
from fa_pyg.files.runs import check_file, find_run

__all__ = ["build", "load"]


def load(
    path: str | Path, trust: str | Iterable[str] = (), kind: type[nn.Module] = nn.Module, what: str = "a run"
) -> nn.Module:
    """Load a trained network in evaluation mode, on the CPU.

    Needs neither Lightning nor jsonargparse, nor the data that the network was trained on. Safe on files of
    other people: only tensors and plain data are read from the checkpoint (``weights_only``), and the
    settings, in it or in the ``config.yaml`` of its folder, may name the classes of an allowlist and no
    others (docs/guides/security.md).

    Args:
        path: a checkpoint of a training (n-body, graphs, molecules, normals), or the folder of its run, of
            which ``best.ckpt`` is taken.
        trust: more classes that the settings may name, ``"my_net.Net"``, and modules whose classes they may
            name, ``"my_net"``; they are imported.
        kind: the class of the network.
        what: the kind of run that errors name.

    Returns:
        The network, which is called with its own arguments; ``settings`` describes how it was built.

    Raises:
        ValueError: naming the file, if it or the configuration is missing, if the two do not belong together,
            or if the settings name what is not trusted.

    Not guaranteed: a limit on the memory that settings or a checkpoint ask for.
    """
    path = find_run(path)
    config = path.parent / "config.yaml"
    checkpoint = _read_checkpoint(path, config)
    if isinstance(checkpoint.get("potential"), str):
        source, settings = path, parse(checkpoint["potential"], str(path))
    else:
        check_file(config, "the configuration of its run")
        source, settings = config, read(config)
    model = build(settings, source, Allowlist(trust), kind, what)
    try:
        state = checkpoint["state_dict"].items()
        model.load_state_dict({name.removeprefix("model."): value for name, value in state})
    except Exception as error:  # whatever the content of a file can cause
        raise _not_a_checkpoint(path, config, error) from error
    return model.eval()


def build(
    settings: Mapping[str, Any],
    source: Path,
    allowed: Allowlist,
    kind: type[nn.Module] = nn.Module,
    what: str = "a run",
) -> nn.Module:
    """Build the untrained network that the section ``model`` describes; how it is trained is left out.

    Args:
        settings: plain data, as ``fa_pyg.config.plain.read`` returns them.
        source: where they are from, for errors.
        allowed: the classes that they may name.
        kind, what: as for :func:`load`.

    Raises:
        ValueError: naming the source, if it describes no such network or names what is not allowed.
    """
    section, expected = settings.get("model"), f"the configuration of {what}"
    if not isinstance(section, dict):
        raise ValueError(f"{source}: expected {expected}, found no model")
    take = _taking(kind)
    check({"model": section}, {"model": take}, source, allowed)
    try:
        with only_weights():
            model = instantiate(take, {"model": section.get("model")}, allowed)
    except Exception as error:  # of the constructors of any class, with any arguments
        raise ValueError(f"{source}: expected {expected} ({error})") from error
    model.settings = section["model"]
    return model


@cache
def _taking(kind: type[nn.Module]) -> Callable[[nn.Module], nn.Module]:
    """Return the function of one argument of this class, with which the section ``model`` is built."""

    def take(model: nn.Module) -> nn.Module:
        return model

    take.__annotations__["model"] = kind
    return take


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
