"""Worker processes: scripts that answer JSON requests within a time limit, and that end with their parent.

``worker.py`` is the side of this process, ``serve.py`` that of the scripts. No torch.
"""

from __future__ import annotations

from fa_pyg.workers.worker import Answer, Worker

__all__ = ["Answer", "Worker"]
