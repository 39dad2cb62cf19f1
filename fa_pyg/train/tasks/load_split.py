"""The molecules that a run was trained, validated or tested on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch_geometric.data import Batch

from fa_pyg.potential.load import built
from fa_pyg.train.tasks.molecules_data import MoleculeData
from fa_pyg.train.tasks.targets import MoleculesOnDisk

__all__ = ["load_split"]


def load_split(
    checkpoint: str | Path, name: str = "test", trust: str | Iterable[str] = ()
) -> Batch | MoleculesOnDisk:
    """Load the molecules of a split of a run of ``scripts/train_molecules.py``, with ``z`` and ``pos`` alone.

    Its data set is built from the ``config.yaml`` in the folder of the checkpoint, as for training: paths are
    relative to the current folder, and a data set that is not there is computed or downloaded. Molecules that
    are not in memory are read when they are asked for. A file of somebody else may name the classes of an
    allowlist and no others; but which files are read, and where caches are written, is what it says
    (docs/security.md).

    Args:
        checkpoint: the file, or the folder of the run.
        name: ``"train"``, ``"val"`` or ``"test"``.
        trust: more names that the configuration may hold (:func:`~fa_pyg.potential.load.load_potential`).

    Raises:
        ValueError: naming the file, where it is missing, describes no data or names what is not trusted;
            what the data set raises.
    """
    path = Path(checkpoint)
    config = (path if path.is_dir() else path.parent) / "config.yaml"
    if not config.is_file():
        raise ValueError(f"{config}: found no such file, expected the configuration of a run")
    return built(config, "data", MoleculeData, trust, targets=[]).split(name)
