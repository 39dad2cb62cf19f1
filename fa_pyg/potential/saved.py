"""Load a trained potential from the file of ``Potential.save``, or from a run of a training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from fa_pyg import trained
from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.plain import read
from fa_pyg.models import Potential

__all__ = ["build", "load", "load_potential"]

_KIND = {"kind": Potential, "what": "a run on molecules"}


def load(path: str | Path, trust: str | Iterable[str] = ()) -> Potential:
    """Load a trained potential in evaluation mode, on the CPU, as :func:`fa_pyg.trained.load` does.

    Args:
        path: a file of :meth:`fa_pyg.models.Potential.save`, a checkpoint of ``fa-pyg train molecules``,
            or the folder of such a run, of which ``best.ckpt`` is taken.
        trust: more classes that the settings may name, ``"my_net.Net"``, and modules whose classes they may
            name, ``"my_net"``; they are imported.

    Raises:
        ValueError: naming the file, if it or the configuration is missing, if the two do not belong together,
            or if the settings name what is not trusted.

    Not guaranteed: a limit on the memory that settings or a checkpoint ask for.
    """
    return cast("Potential", trained.load(path, trust, **_KIND))


load_potential = load


def build(config: str | Path, trust: str | Iterable[str] = ()) -> Potential:
    """Build the untrained potential of a configuration such as ``configs/molecules/aspirin_full.yaml``.

    Args:
        config: a YAML file, whose section ``model`` has the class and arguments of the potential.
        trust: as for :func:`load`.

    Raises:
        ValueError: naming the file, if it describes no potential or names what is not trusted.
    """
    return cast("Potential", trained.build(read(config), Path(config), Allowlist(trust), **_KIND))
