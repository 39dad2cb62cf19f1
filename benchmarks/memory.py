"""Peak memory of this process: measured in a process for each model, as freed memory is kept."""

from __future__ import annotations

import resource
from pathlib import Path

__all__ = ["peak_kib"]


def peak_kib() -> int:
    """Return the peak memory of this process so far, in KiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins at what the parent had when it forked
        return int(status.read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
