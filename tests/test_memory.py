"""Freed memory is kept for the next tensors, where the C library is glibc."""

import os
import platform
import subprocess
import sys

import pytest

from fa_pyg.memory import VARIABLE, keep_freed_memory

# Large blocks, freed one after the other; prints the page faults of all but the first.
BLOCKS = """
import resource
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(b"x") * 2**26
begin = faults()
for _ in range(4):
    bytearray(b"x") * 2**26
print(faults() - begin)
"""
PAGES = 4 * 2**26 // os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
KEEP = "from fa_pyg.memory import keep_freed_memory; print(keep_freed_memory())\n"
needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")


def printed(code: str, **environment: str) -> list[str]:
    given = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=given)
    return done.stdout.split()


@needs_glibc
def test_pages_are_not_faulted_in_again():
    kept, faults = printed(KEEP + BLOCKS)
    assert kept == "True"
    assert int(faults) < PAGES / 50
    assert int(printed(BLOCKS)[0]) > PAGES / 2  # negative control


@needs_glibc
def test_commands_keep_it_unless_the_environment_says_otherwise():
    command = "from fa_pyg.cli import main; main(['configs', 'list', 'nbody'])\n"
    assert int(printed(command + BLOCKS)[-1]) < PAGES / 50
    assert int(printed(command + BLOCKS, **{VARIABLE: "0"})[-1]) > PAGES / 2


@pytest.mark.parametrize("value", ["0", "off", " False "])
def test_the_environment_switches_it_off(value):
    assert printed(KEEP, **{VARIABLE: value}) == ["False"]


@needs_glibc
def test_an_unknown_word_is_told():
    given = {**os.environ, VARIABLE: "disable"}
    done = subprocess.run([sys.executable, "-c", KEEP], capture_output=True, text=True, check=True, env=given)
    assert done.stdout == "True\n"
    assert f"{VARIABLE}: expected 0, false, no, off, or 1, true, yes, on; found 'disable'" in done.stderr


def test_nothing_happens_elsewhere(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
