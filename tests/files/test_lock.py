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

from fa_pyg.datasets import LazyXYZ, OnDiskXYZ, read_xyz
from fa_pyg.files import lock as _lock
from fa_pyg.files.lock import locked

FILE = "".join(f"1\nE={i}\nHe 0 0 {i}\n" for i in range(40))

BUILD = """
import multiprocessing, os, sys, time
from fa_pyg.datasets import LazyXYZ, OnDiskXYZ
from fa_pyg.io.xyz.index import scan
from fa_pyg.io.xyz.index import build

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
        build.follow, build.Builder.__init__.__defaults__ = follow, (False, 0, 100)
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


def within(seconds, function, *args, **options):
    """The result, or a failure where it takes longer: a build that waits for ever must not hang the tests."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*args, **options)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found
    return found[0]


@pytest.mark.parametrize(("kind", "method"), [("lazy", "fork"), ("disk", "fork"), ("disk", "spawn")])
def test_a_killed_build_leaves_neither_workers_nor_lock(folder, kind, method, processes):
    (folder / "build.py").write_text(BUILD)
    build = subprocess.Popen([sys.executable, folder / "build.py", kind, method, folder])
    processes.until(lambda: len(os.listdir(folder / "pids")) == 2)
    workers = [int(name) for name in os.listdir(folder / "pids")]
    assert all(map(processes.is_running, workers))
    assert build.pid not in workers
    build.kill()
    build.wait()
    make = LazyXYZ if kind == "lazy" else partial(OnDiskXYZ, folder / "out")
    comments = within(20, lambda: [data.comment for data in make(folder / "a.xyz")])
    assert comments == [data.comment for data in read_xyz(folder / "a.xyz")]
    processes.until(lambda: not any(map(processes.is_running, workers)), 3)


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


def test_a_lock_is_not_inherited(tmp_path, processes):
    """By a child that outlives a holder that was killed: the holder alone holds it."""
    keep = multiprocessing.get_context("fork").Value("i", 0)
    process = started(tmp_path / "lock", keep=keep)
    processes.until(lambda: keep.value)
    try:
        process.kill()
        process.join()
        assert processes.is_running(keep.value)  # it can fail
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


def test_without_patience_a_held_lock_is_an_error_at_once(tmp_path):
    path = tmp_path / "lock"
    process = started(path)
    try:
        begin = time.monotonic()
        with pytest.raises(TimeoutError, match=f"held by process {process.pid}"), locked(path, patience=0):
            pass
        assert time.monotonic() - begin < 5
    finally:
        process.kill()
        process.join()
    with locked(path, patience=0):
        pass


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


def test_a_holder_that_has_ended_is_recognized(tmp_path, monkeypatch):
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
            with pytest.raises(TimeoutError, match="an unknown process"), locked(path):
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


def test_no_warning_where_nobody_waits(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LazyXYZ(folder / "a.xyz", workers=2)
        LazyXYZ(folder / "a.xyz")
