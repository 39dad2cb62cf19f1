"""A line to a process, and one back, within a time."""

import subprocess
from collections.abc import Callable
from threading import Timer


def exchange(
    process: subprocess.Popen, line: str, seconds: float, close: Callable[[], None]
) -> tuple[str, bool]:
    """Sends a line and waits for one; returns it, empty where none came whole, and whether it was late.

    Where none came in time the process is killed, and ``close`` is called; so it is when the wait is
    interrupted, or the answer would be taken for that of the next request.
    """
    late: list[bool] = []
    timer = Timer(seconds, lambda: (late.append(True), process.kill()))
    timer.start()
    try:
        process.stdin.write(line)
        process.stdin.flush()
        answer = process.stdout.readline()
    except OSError:
        answer = ""
    except BaseException:
        close()
        raise
    finally:
        timer.cancel()
        timer.join()
    if late or not answer.endswith("\n"):
        close()
    return answer if answer.endswith("\n") else "", bool(late)
