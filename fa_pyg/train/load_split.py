"""The molecules that a run was trained, validated or tested on."""

from pathlib import Path

import yaml
from jsonargparse import ArgumentError, ArgumentParser
from torch_geometric.data import Batch

from fa_pyg.train.molecules_data import MoleculeData
from fa_pyg.train.targets import MoleculesOnDisk

__all__ = ["load_split"]


def load_split(checkpoint: str | Path, name: str = "test") -> Batch | MoleculesOnDisk:
    """The molecules of a split of a run of ``scripts/train_molecules.py``, with ``z`` and ``pos`` alone.

    Its data set is built from the ``config.yaml`` in the folder of the checkpoint, as for training: paths are
    relative to the current folder, and a data set that is not there is computed or downloaded. Molecules that
    are not in memory are read when they are asked for.

    Args:
        checkpoint: the file, or the folder of the run.
        name: ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        ValueError: naming the file, where it is missing or describes no data; what the data set raises.
    """
    path = Path(checkpoint)
    config = (path if path.is_dir() else path.parent) / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{config}: found no such file, expected the configuration of a run")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(MoleculeData, "data")
    try:
        settings = {**yaml.safe_load(config.read_text())["data"], "targets": []}
        data = parser.instantiate_classes(parser.parse_object({"data": settings})).data
    except (ArgumentError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{config}: expected the configuration of a run on molecules ({error})") from error
    return data.split(name)
