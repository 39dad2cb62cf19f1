"""A process that answers: one JSON request a line in, JSON answers a line each out, then ``{"end": true}``.

It is run as a script, not imported, because compiled libraries may crash or run for ever, and only a process
can be lost or stopped. It has one thread, so that sums are always taken in the same order.
"""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
_NAMES = runpy.run_path(str(Path(__file__).with_name("tasks.py")))  # a package would load torch
TASKS, one_line = _NAMES["TASKS"], _NAMES["one_line"]
end_with_parent = runpy.run_path(str(Path(__file__).parents[2] / "workers/parent.py"))["end_with_parent"]


def versions() -> dict[str, str]:
    import ase
    import rdkit
    import tblite.library

    return {
        "ase": ase.__version__,
        "rdkit": rdkit.__version__,
        "tblite": ".".join(map(str, tblite.library.get_version())),
    }


def answers(request: Answer) -> Iterator[Answer]:
    try:
        yield from TASKS[request.pop("task")](**request)
    except Exception as error:
        yield {"error": one_line(error)}
    yield {"end": True}


def main(seconds: float) -> None:
    """Answers requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed cannot get among the answers
    print(json.dumps(opening()), file=out)
    for line in sys.stdin:
        guard(seconds)
        for answer in answers(json.loads(line)):
            print(json.dumps(answer), file=out)
            guard(seconds)
        guard(0)


def opening() -> Answer:
    try:
        from rdkit import RDLogger

        RDLogger.DisableLog("rdApp.*")
        return {"versions": versions()}
    except ImportError as error:
        return {"error": one_line(error)}


def guard(seconds: float) -> None:
    """Ends the process even inside a library if nobody is left to kill it."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds) + 5 if seconds else 0)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be imported from the top
    end_with_parent(int(sys.argv[2]), by_kernel=sys.argv[3] == "True")
    main(float(sys.argv[1]))
