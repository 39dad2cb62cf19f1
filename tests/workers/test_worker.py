"""Workers answer within their time or are replaced, end with their parent, and are not shared by forks."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fa_pyg.datasets import RDKitBonds, read_xyz
from fa_pyg.datasets.xtb.pool import xtb_worker
from fa_pyg.workers import Worker

SERVE = Path(__file__).parents[2] / "fa_pyg/workers/serve.py"
SCRIPT = f"""
import os, runpy, time

def count(n, wait=0.0, prints=False):
    for i in range(n):
        time.sleep(wait)
        if prints:
            print("noise")
        yield {{"i": i, "pid": os.getpid()}}

def crash(code):
    yield {{"i": 0}}
    os._exit(code)

def fail():
    raise KeyError("two\\nlines")
    yield

tasks = {{"count": count, "crash": crash, "fail": fail}}
runpy.run_path({str(SERVE)!r})["serve"](tasks, lambda: {{"numbers": "1"}})
"""


@pytest.fixture
def worker(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    worker = Worker(tmp_path / "script.py", 5.0, "test", "nothing")
    yield worker
    worker.close()


def numbers(worker, **request):
    return [answer.get("i", answer.get("error")) for answer in worker.request(**request)]


def test_requests_are_answered_by_one_process(worker):
    assert worker.process is None
    first, second = (list(worker.request(task="count", n=2, prints=True)) for _ in range(2))
    assert [answer["i"] for answer in first + second] == [0, 1, 0, 1]
    assert {answer["pid"] for answer in first + second} == {worker.process.pid}
    assert worker.versions == {"numbers": "1"}


def test_an_error_is_an_answer_on_one_line_and_the_process_stays(worker):
    (answer,) = worker.request(task="fail")
    assert answer == {"error": "KeyError: 'two\\nlines'"}
    pid = worker.process.pid
    assert "no_task" in numbers(worker, task="no_task")[0]
    assert numbers(worker, task="count", n=1) == [0]
    assert worker.process.pid == pid


def test_a_crash_is_reported_as_lost_and_the_process_replaced(worker):
    answers = list(worker.request(task="crash", code=3))
    assert answers == [{"i": 0}, {"error": "the process died (exit code 3)", "lost": True}]
    assert worker.process is None
    assert numbers(worker, task="count", n=1) == [0]


def test_an_answer_that_takes_too_long_ends_the_process(worker):
    worker.seconds = 0.3
    worker.start()
    begun = time.monotonic()
    assert numbers(worker, task="count", n=2, wait=60) == ["no answer within 0.3 s"]
    assert time.monotonic() - begun < 5
    assert numbers(worker, task="count", n=3, wait=0.15) == [0, 1, 2]  # the limit is of each answer


def test_answers_that_nobody_took_are_not_those_to_the_next_request(worker):
    answers = worker.request(task="count", n=1000)
    first = next(answers)
    answers.close()
    (again,) = worker.request(task="count", n=1)
    assert (again["i"], again["pid"] != first["pid"]) == (0, True)


def test_a_killed_worker_takes_no_more_requests(worker):
    worker.start()
    process = worker.process
    worker.kill()
    process.wait(5)
    with pytest.raises(RuntimeError, match="test: expected no more requests"):
        next(worker.request(task="count", n=1))


def ask_in_fork(worker, queue):
    queue.put([answer["pid"] for answer in worker.request(task="count", n=1)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_starts_its_own_process_and_leaves_that_of_its_parent(worker):
    (mine,) = (answer["pid"] for answer in worker.request(task="count", n=1))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=ask_in_fork, args=(worker, queue))
    child.start()
    child.join(30)
    assert queue.get() != [mine]
    (again,) = (answer["pid"] for answer in worker.request(task="count", n=1))
    assert again == mine


@pytest.mark.parametrize(
    ("script", "kind", "text"),
    [
        (
            """print('{"error": "no module"}'); input()""",
            ImportError,
            "test: expected nothing, found no module",
        ),
        ("raise SystemExit(7)", RuntimeError, r"found the process died \(exit code 7\)"),
    ],
)
def test_a_script_that_does_not_start(script, kind, text, worker):
    worker.script.write_text(script + "\n")
    with pytest.raises(kind, match=text):
        worker.start()
    assert worker.process is None


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pids").mkdir()
    return tmp_path


ASK = """
import sys, torch
from fa_pyg.workers import Worker
kind, folder = sys.argv[1:]
if kind == "rdkit":
    from fa_pyg.datasets.bonds import SCRIPT
else:
    from fa_pyg.datasets.xtb.pool import SCRIPT
worker = Worker(SCRIPT, 600, "test", "packages")
worker.start()
open(f"{folder}/{worker.process.pid}", "w").close()
if kind == "xtb":
    chain = {"z": [6] * 60, "pos": [[1.5 * i, 0, 0] for i in range(60)], "net_charge": 0, "unpaired": 0}
    long = {"temperature": 1, "snapshots": 99, "stride": 99, "timestep": 1, "friction": 1}
    list(worker.request(task="dynamics", molecule=chain, seed=0, part=0, **long))
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["rdkit", "xtb"])
def test_workers_of_a_killed_program_end(folder, kind, processes):
    """Idle, or in the middle of a long answer; a copy of the program that was forked does not keep them."""
    pytest.importorskip("rdkit" if kind == "rdkit" else "tblite")
    program = subprocess.Popen([sys.executable, "-c", ASK, kind, folder / "pids"], stdin=subprocess.PIPE)
    processes.until(lambda: os.listdir(folder / "pids"), 60)
    worker = int(os.listdir(folder / "pids")[0])
    time.sleep(0.3)
    assert processes.is_running(worker)
    program.kill()
    program.wait()
    processes.until(lambda: not processes.is_running(worker), 3)


def ask(bonds, data, found):
    found.append(bonds(data).bond_method)


def test_a_worker_outlives_the_thread_that_started_it(folder):
    """Bonds that fall back because the process died would be silently wrong."""
    pytest.importorskip("rdkit")
    (folder / "b.xyz").write_text("3\n\nO 0 0 0.12\nH 0 0.76 -0.48\nH 0 -0.76 -0.48\n")
    bonds, found = RDKitBonds(fallback=None, time_limit=60), []
    for _ in range(3):
        thread = threading.Thread(target=ask, args=(bonds, read_xyz(folder / "b.xyz")[0], found))
        thread.start()
        thread.join()
        time.sleep(0.1)
    assert found == ["rdkit"] * 3
    assert bonds._worker.process.poll() is None


def test_the_workers_of_a_pool_outlive_their_threads():
    pytest.importorskip("tblite")
    worker = xtb_worker(60, "test")
    thread = threading.Thread(target=worker.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.2)
        assert worker.process.poll() is None
        answers = list(worker.request(task="one", smiles="[H][H]", seed=0))
        assert answers[0]["z"] == [1, 1]
    finally:
        worker.close()
