"""A trained model of molecules from its checkpoint and the configuration beside it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.settings import read
from fa_pyg.config.trust import check, guarded
from fa_pyg.models import Potential
from fa_pyg.train.tasks.molecules import MoleculeModule

__all__ = ["built", "load_potential"]


def load_potential(checkpoint: str | Path, trust: str | Iterable[str] = ()) -> Potential:
    """Load the model of a run of ``scripts/train_molecules.py``, in evaluation mode, on the CPU.

    Safe on files of other people: only numbers are read from the checkpoint (``weights_only``), and what they
    belong to is built from the ``config.yaml`` in the same folder, which may name the classes of an allowlist
    and no others (docs/security.md).

    Args:
        checkpoint: the file, or the folder of the run, of which ``best.ckpt`` is taken.
        trust: more classes that the configuration may name, ``"my_net.Net"``, and modules whose classes it
            may name, ``"my_net"``; they are imported.

    Raises:
        ValueError: naming the file, where one of the two is missing, they do not belong together, or the
            configuration names what is not trusted.

    Not guaranteed: how much memory a configuration or a checkpoint asks for.
    """
    path = Path(checkpoint)
    path = path / "best.ckpt" if path.is_dir() else path
    config = path.parent / "config.yaml"
    for file, what in ((path, "a checkpoint"), (config, "the configuration of its run")):
        if not file.is_file():
            has = [name for name in ("final.ckpt", "last.ckpt") if (file.parent / name).is_file()]
            instead = f"; the run was not validated yet, but has {has[0]}" if has and file == path else ""
            raise ValueError(f"{file}: found no such file, expected {what}{instead}")
    model = built(config, "model", MoleculeModule, trust).model
    try:
        state = torch.load(path, "cpu", weights_only=True)["state_dict"]
        model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    except Exception as error:  # whatever a file of any kind can cause
        said = str(error) or type(error).__name__  # of an empty file it says nothing
        reason = said.splitlines()[0][:200]
        raise ValueError(f"{path}: expected a checkpoint of {config}, found none ({reason})") from error
    return model.eval()


def built(config: Path, section: str, kind: type, trust: str | Iterable[str] = (), **instead: Any) -> Any:
    """Build a section of the configuration of a run on molecules.

    Args:
        config: the file.
        section: ``"model"`` or ``"data"``.
        kind: the class that it describes.
        trust: as for :func:`load_potential`.
        instead: settings of the section, whatever the file says of them.

    Raises:
        ValueError: naming the file, where it describes none, or names what is not trusted.
    """
    allowed, found = Allowlist(trust), read(config)
    if not isinstance(found.get(section), dict):
        raise ValueError(f"{config}: expected the configuration of a run on molecules, found no {section}")
    settings = {section: {**found[section], **instead}}
    check(settings, {section: kind}, config, allowed)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, section)
    try:
        with guarded(allowed):
            return parser.instantiate(parser.parse_object(settings))[section]
    except Exception as error:  # of the constructors of any class, with any arguments
        raise ValueError(f"{config}: expected the configuration of a run on molecules ({error})") from error
