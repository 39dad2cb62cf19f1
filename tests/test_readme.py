"""Blocks of the README run as pasted and print what it says; those of the guide to wrapping run, too."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)


def of(kind):
    return [text for found, text in BLOCKS if found == kind]


def test_every_block_is_tested_here():
    assert {kind for kind, _ in BLOCKS} == {"bash", "python", "text"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_example_prints_what_is_below_it(tmp_path):
    assert len(of("python")) == len(of("text")) == 1
    of_pyg = "ignore:`torch.jit.script` is deprecated"  # PyG 2.8 calls it; torch 2.15 says so to all users
    command = [sys.executable, "-W", of_pyg, "-c", of("python")[0]]
    run = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert run.stderr == ""  # no warning
    found, said = ([line.split() for line in text.splitlines()] for text in (run.stdout, of("text")[0]))
    assert [name for name, _ in found] == [name for name, _ in said] == ["GIN", "FrameAveraging"]
    for (_, now), (_, then) in zip(found, said, strict=True):
        assert 0.1 < float(now) / float(then) < 10  # another machine rounds otherwise
    assert float(found[0][1]) > 0.1
    assert float(found[1][1]) < 1e-13


@pytest.mark.parametrize("line", [line for text in of("bash") for line in text.splitlines()])
def test_commands_exist(line):
    command = line.split("#")[0].split()
    if command[0] == "make":
        assert re.search(rf"^{command[1]}:", (ROOT / "Makefile").read_text(), re.M)
        return
    assert command[:2] == ["pip", "install"]  # `make smoke` installs a wheel and runs the example
    metadata = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"\[(.*?)\]", command[2]):
        assert re.search(rf"^{extra} = \[", metadata, re.M)


def test_it_is_short():
    assert len(README.splitlines()) <= 120


def test_the_guide_to_wrapping_runs():
    page = (ROOT / "docs/guides/wrapping.md").read_text(encoding="utf-8")
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)):
            exec(compile(block, f"wrapping.md, block {number}", "exec"), names)
    assert (names["again"] - names["pos"]).abs().max() < 1e-6
