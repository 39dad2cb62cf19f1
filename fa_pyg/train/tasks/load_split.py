"""Load the molecules that a run was trained, validated or tested on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from torch_geometric.data import Batch

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import check
from fa_pyg.config.plain import read
from fa_pyg.train.guard import guarded
from fa_pyg.train.tasks.molecules_data import MoleculeData
from fa_pyg.train.tasks.molecules_on_disk import MoleculesOnDisk

__all__ = ["load_split"]


def load_split(
    checkpoint: str | Path, name: str = "test", trust: str | Iterable[str] = ()
) -> Batch | MoleculesOnDisk:
    """Load the molecules of a split of a run of ``fa-pyg train molecules``, with ``z`` and ``pos`` only.

    The data set is built from the ``config.yaml`` in the folder of the checkpoint, as for training: paths are
    relative to the current folder, and a data set that does not exist yet is computed or downloaded.
    Molecules that are not in memory are read on access. A file of somebody else may name the classes of an
    allowlist and no others; but it decides which files are read, and where caches are written
    (docs/guides/security.md).

    Args:
        checkpoint: the file, or the folder of the run.
        name: ``"train"``, ``"val"`` or ``"test"``.
        trust: more names that the configuration may hold (:func:`fa_pyg.potential.load`).

    Raises:
        ValueError: naming the file, if it is missing, describes no data or names what is not trusted;
            what the data set raises.
    """
    path = Path(checkpoint)
    config = (path if path.is_dir() else path.parent) / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{config}: found no such file, expected the configuration of a run")
    return _build_data(config, Allowlist(trust)).split(name)


def _build_data(config: Path, allowed: Allowlist) -> Any:
    section, expected = read(config).get("data"), "the configuration of a run on molecules"
    if not isinstance(section, dict):
        raise ValueError(f"{config}: expected {expected}, found no data")
    settings = {"data": {**section, "targets": []}}
    check(settings, {"data": MoleculeData}, config, allowed)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(MoleculeData, "data")
    try:
        with guarded(allowed):
            return parser.instantiate(parser.parse_object(settings))["data"]
    except Exception as error:  # of the constructors of any class, with any arguments
        raise ValueError(f"{config}: expected {expected} ({error})") from error
