"""GFN2-xTB workers, alone or several at work together (see :class:`fa_pyg.workers.Worker`)."""

from __future__ import annotations

from pathlib import Path

from fa_pyg.workers import Worker, pool
from fa_pyg.workers.parent import usable_cores

__all__ = ["Workers", "xtb_worker"]

SCRIPT = Path(__file__).with_name("worker.py")
NEEDS = "tblite, RDKit and ASE (pip install 'fa_pyg[chem]'; tblite elsewhere than on Linux: conda-forge)"


def xtb_worker(seconds: float, user: str) -> Worker:
    """Return a worker for the tasks of ``tasks.py``, not yet started.

    Args: See :class:`fa_pyg.workers.Worker`.
    """
    return Worker(SCRIPT, seconds, user, NEEDS)


class Workers(pool.Workers):
    """Several GFN2-xTB workers as a context manager.

    Args:
        count: How many; None: one for each core that this process may use.
        seconds, user: See :class:`fa_pyg.workers.Worker`.
    """

    def __init__(self, count: int | None, seconds: float, user: str) -> None:
        super().__init__([xtb_worker(seconds, user) for _ in range(count or usable_cores())])
