"""Locks say who holds them, are not inherited, and end with their process; so do the workers of a build."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from functools import partial

import pytest

from fa_pyg.datasets import LazyXYZ, OnDiskXYZ, RDKitBonds, read_xyz
from fa_pyg.datasets.xtb.pool import Worker
from fa_pyg.files import lock as _lock
from fa_pyg.files.lock import locked

FILE = "".join(f"1\nE={i}\nHe 0 0 {i}\n" for i in range(40))

BUILD = """
import multiprocessing, os, sys, time
from fa_pyg.datasets import LazyXYZ, OnDiskXYZ
from fa_pyg.io.xyz.index import scan as _xyz_chains
from fa_pyg.io.xyz.index import build as _xyz_index

kind, method, folder = sys.argv[1:]

def note():
    open(f"{folder}/pids/{os.getpid()}", "w").close()

def slow(data):
    note()
    time.sleep(600)
    return data

def follow(part, reading):
    note()
    time.sleep(600)

if __name__ == "__main__":
    multiprocessing.set_start_method(method)
    if kind == "lazy":
        _xyz_index.follow, _xyz_index.Builder.__init__.__defaults__ = follow, (False, 0, 100)
        LazyXYZ(f"{folder}/a.xyz", workers=2)
    else:
        OnDiskXYZ.__init__.__globals__["BATCH"] = 5
        OnDiskXYZ.__init__.__globals__["Prepare"].first = lambda make: make.source[0]
        OnDiskXYZ(f"{folder}/out", f"{folder}/a.xyz", workers=2, pre_transform=slow)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.xyz").write_text(FILE)
    (tmp_path / "pids").mkdir()
    return tmp_path


def until(holds, seconds=30.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def within(seconds, function, *args, **options):
    """The result, or a failure where it takes longer: a build that waits for ever must not hang the tests."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args, **options)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found
    return found[0]


@pytest.mark.parametrize(("kind", "method"), [("lazy", "fork"), ("disk", "fork"), ("disk", "spawn")])
def test_a_killed_build_leaves_neither_workers_nor_lock(folder, kind, method):
    (folder / "build.py").write_text(BUILD)
    build = subprocess.Popen([sys.executable, folder / "build.py", kind, method, folder])
    until(lambda: len(os.listdir(folder / "pids")) == 2)
    workers = [int(name) for name in os.listdir(folder / "pids")]
    assert all(map(is_running, workers))
    assert build.pid not in workers
    build.kill()
    build.wait()
    make = LazyXYZ if kind == "lazy" else partial(OnDiskXYZ, folder / "out")
    comments = within(20, lambda: [data.comment for data in make(folder / "a.xyz")])
    assert comments == [data.comment for data in read_xyz(folder / "a.xyz")]
    until(lambda: not any(map(is_running, workers)), 3)


def hold(path, ready, seconds, keep=None):
    with locked(path):
        ready.set()
        if keep is not None:  # as a program does that forks while it holds the lock
            child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
            child.start()
            keep.value = child.pid
        time.sleep(seconds)


def started(path, seconds=600.0, keep=None):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(path, ready, seconds, keep))
    process.start()
    assert ready.wait(20)
    return process


def test_a_lock_is_not_inherited(tmp_path):
    """By a child that outlives a holder that was killed: the holder alone holds it."""
    keep = multiprocessing.get_context("fork").Value("i", 0)
    process = started(tmp_path / "lock", keep=keep)
    until(lambda: keep.value)
    try:
        process.kill()
        process.join()
        assert is_running(keep.value)  # it can fail
        begin = time.monotonic()
        with locked(tmp_path / "lock"):
            assert time.monotonic() - begin < 30  # of 600
    finally:
        os.kill(keep.value, signal.SIGKILL)


def test_a_lock_excludes(tmp_path):
    process = started(tmp_path / "lock", seconds=0.7)
    begin = time.monotonic()
    with locked(tmp_path / "lock"):
        assert time.monotonic() - begin > 0.3
    process.join()
    order = []

    def enter(number):
        with locked(tmp_path / "lock"):
            order.append(number)
            time.sleep(0.05)
            order.append(number)

    threads = [threading.Thread(target=enter, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[::2] == order[1::2]


def test_a_lock_says_who_holds_it(tmp_path):
    path = tmp_path / "lock"
    with locked(path):
        said = json.loads(path.read_text())
        assert said["pid"] == os.getpid()
        assert said["host"]
        assert said["since"][:2] == "20"
    assert "pid" not in json.loads(path.read_text())


def test_a_wait_is_announced_and_ends(folder, monkeypatch):
    monkeypatch.setattr(_lock, "TELL", 0.2)
    monkeypatch.setattr(_lock, "PATIENCE", 1.0)
    LazyXYZ(folder / "a.xyz")
    (path,) = folder.glob(".fa_xyz*.lock")
    process = started(path)
    try:
        words = rf"{path.name}: .*process {process.pid} on .* since 20"
        with (
            pytest.warns(UserWarning, match=f"{path.name}: waits for process {process.pid} on"),
            pytest.raises(TimeoutError, match=words),
        ):
            LazyXYZ(folder / "a.xyz")
        assert str(process.pid) in path.read_text()  # who gives up leaves the holder's words
    finally:
        process.kill()
        process.join()
    assert len(within(5, LazyXYZ, folder / "a.xyz")) == 40


def test_signs_of_life_prolong_the_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(_lock, "PATIENCE", 0.5)
    path, stop = tmp_path / "lock", threading.Event()
    process = started(path, seconds=1.5)
    lock = _lock.Lock(path)

    def work():
        while not stop.wait(0.1):
            lock._shown -= 1  # it shows itself once a second
            lock.show_life()

    threading.Thread(target=work, daemon=True).start()
    with locked(path):
        stop.set()
    process.join()


def test_a_holder_that_has_ended_is_recognised(tmp_path, monkeypatch):
    """Its lock is free; where something else keeps it, the error says so."""
    path = tmp_path / "lock"
    process = started(path)
    process.kill()
    process.join()
    begin = time.monotonic()
    with locked(path):
        assert time.monotonic() - begin < 30  # of 600
    monkeypatch.setattr(_lock, "PATIENCE", 0.3)
    import fcntl

    with open(path, "ab") as other:  # as a program of another kind does
        fcntl.flock(other, fcntl.LOCK_EX)
        said = {"pid": process.pid, "host": os.uname().nodename, "since": ""}
        path.write_text(json.dumps(said))
        with pytest.raises(TimeoutError, match=f"process {process.pid} .*which has ended"), locked(path):
            pass
        odd = ({"pid": 0}, {"pid": -1}, {"host": "\x1b[2J"}, {"pid": "x"}, {"pid": 1e999})
        for text in ("", "{", "[1]", "[" * 1000, *(json.dumps({**said, **change}) for change in odd)):
            path.write_text(text)
            with pytest.raises(TimeoutError, match="has not said who it is"), locked(path):
                pass


def test_a_lock_touches_no_file_but_its_own(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "link"):
        pass
    for path in (tmp_path / "folder", tmp_path / "pipe"):
        path.mkdir() if path.name == "folder" else os.mkfifo(path)
        with pytest.raises(OSError, match=path.name), locked(path):
            pass
    os.link(victim, tmp_path / "hard")
    for path in (victim, tmp_path / "hard"):  # locked, but not written to
        with locked(path):
            pass
    assert victim.read_text() == "precious"
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "dangling"):
        pass
    assert not (tmp_path / "nowhere").exists()


def test_a_lock_that_was_removed_is_made_again(tmp_path):
    path = tmp_path / "lock"
    process = started(path, seconds=0.5)
    thread = threading.Timer(0.2, path.unlink)
    thread.start()
    with locked(path):
        assert str(os.getpid()) in path.read_text()
    process.join()


# -- processes that answer


ASK = """
import sys, torch
kind, folder = sys.argv[1:]
if kind == "rdkit":
    from fa_pyg.datasets.bonds import _Worker
    worker = _Worker(600)
    worker._start()
else:
    from fa_pyg.datasets.xtb.pool import Worker
    worker = Worker(600, "test")
    worker.start()
open(f"{folder}/{worker.process.pid}", "w").close()
if kind == "xtb":
    chain = {"z": [6] * 60, "pos": [[1.5 * i, 0, 0] for i in range(60)], "net_charge": 0, "unpaired": 0}
    long = {"temperature": 1, "snapshots": 99, "stride": 99, "timestep": 1, "friction": 1}
    list(worker.ask(task="dynamics", molecule=chain, seed=0, part=0, **long))
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["rdkit", "xtb"])
def test_workers_of_a_killed_program_end(folder, kind):
    """Idle, or in the middle of a long answer; a copy of the program that was forked does not keep them."""
    pytest.importorskip("rdkit" if kind == "rdkit" else "tblite")
    program = subprocess.Popen([sys.executable, "-c", ASK, kind, folder / "pids"], stdin=subprocess.PIPE)
    until(lambda: os.listdir(folder / "pids"), 60)
    worker = int(os.listdir(folder / "pids")[0])
    time.sleep(0.3)
    assert is_running(worker)
    program.kill()
    program.wait()
    until(lambda: not is_running(worker), 3)


def ask(bonds, data, found):
    found.append(bonds(data).bond_method)


def test_a_worker_outlives_the_thread_that_started_it(folder):
    """Bonds that fall back because the process died would be wrong without a word."""
    pytest.importorskip("rdkit")
    (folder / "b.xyz").write_text("2\n\nH 0 0 0\nH 0 0 0.74\n")
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
    worker = Worker(60, "test")
    thread = threading.Thread(target=worker.start)
    thread.start()
    thread.join()
    try:
        time.sleep(0.2)
        assert worker.process.poll() is None
        answers = list(worker.ask(task="one", smiles="[H][H]", seed=0))
        assert answers[0]["z"] == [1, 1]
    finally:
        worker.close()


def test_no_warning_where_nobody_waits(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LazyXYZ(folder / "a.xyz", workers=2)
        LazyXYZ(folder / "a.xyz")
