"""A trained model of molecules from its checkpoint and the configuration beside it."""

from pathlib import Path

import torch
import yaml
from jsonargparse import ArgumentError, ArgumentParser

from fa_pyg.models import Potential
from fa_pyg.train.molecules import MoleculeModule

__all__ = ["load_potential"]


def load_potential(checkpoint: str | Path) -> Potential:
    """The model of a run of ``scripts/train_molecules.py``, in evaluation mode, on the CPU.

    Only numbers are read from the checkpoint (``weights_only``); what they belong to is built from the
    ``config.yaml`` in the same folder.

    Args:
        checkpoint: the file, or the folder of the run, of which ``best.ckpt`` is taken.

    Raises:
        ValueError: naming the file, where one of the two is missing, or they do not belong together.
    """
    path = Path(checkpoint)
    path = path / "best.ckpt" if path.is_dir() else path
    config = path.parent / "config.yaml"
    for file, what in ((path, "a checkpoint"), (config, "the configuration of its run")):
        if not file.is_file():
            has = [name for name in ("final.ckpt", "last.ckpt") if (file.parent / name).is_file()]
            instead = f"; the run was not validated yet, but has {has[0]}" if has and file == path else ""
            raise ValueError(f"{file}: found no such file, expected {what}{instead}")
    model = _built(config)
    try:
        state = torch.load(path, "cpu", weights_only=True)["state_dict"]
        model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()})
    except Exception as error:  # whatever a file of any kind can cause
        said = str(error) or type(error).__name__  # of an empty file it says nothing
        reason = said.splitlines()[0][:200]
        raise ValueError(f"{path}: expected a checkpoint of {config}, found none ({reason})") from error
    return model.eval()


def _built(config: Path) -> Potential:
    """The untrained model of a configuration."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(MoleculeModule, "model")
    try:
        settings = parser.parse_object({"model": yaml.safe_load(config.read_text())["model"]})
        return parser.instantiate_classes(settings).model.model
    except (ArgumentError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{config}: expected the configuration of a run on molecules ({error})") from error
