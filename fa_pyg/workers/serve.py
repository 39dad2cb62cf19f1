"""The script side of a worker: one JSON request a line in, JSON answers a line each out, then ``end``.

Worker scripts run this file by its path, not through the package, which would load torch. They are processes
because compiled libraries may crash or never return, and only a process can be lost or stopped. A script has
one thread, so that sums are always taken in the same order.
"""

from __future__ import annotations

import json
import math
import os
import runpy
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Answer", "one_line", "serve"]

Answer = dict[str, Any]
Tasks = dict[str, Callable[..., Iterator[Answer]]]


def serve(tasks: Tasks, versions: Callable[[], dict[str, str]]) -> None:
    """Answer requests until the input ends.

    The arguments of the script are the time limit of an answer in seconds, the identifier of the parent, and
    whether the kernel ends this process with its parent.

    Args:
        tasks: Functions that yield answers, by the ``task`` of a request; its other entries are arguments.
        versions: Imports what the tasks need, and returns the versions: the first answer.
    """
    seconds, parent, by_kernel = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "True"
    parent_file = Path(__file__).with_name("parent.py")
    runpy.run_path(str(parent_file))["end_with_parent"](parent, by_kernel=by_kernel)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed cannot get among the answers
    print(json.dumps(_opening(versions)), file=out)
    for line in sys.stdin:
        _set_alarm(seconds)
        for answer in _answers(tasks, json.loads(line)):
            print(json.dumps(answer), file=out)
            _set_alarm(seconds)
        _set_alarm(0)


def _opening(versions: Callable[[], dict[str, str]]) -> Answer:
    try:
        return {"versions": versions()}
    except ImportError as error:
        return {"error": one_line(error)}


def _answers(tasks: Tasks, request: Answer) -> Iterator[Answer]:
    try:
        yield from tasks[request.pop("task")](**request)
    except Exception as error:
        yield {"error": one_line(error)}
    yield {"end": True}


def _set_alarm(seconds: float) -> None:
    """End the process even inside a library, where its parent is no longer there to kill it."""
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds) + 5 if seconds else 0)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, with its class unless that is ``ValueError``."""
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())
