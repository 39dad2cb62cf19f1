"""Inputs on which readers once disagreed or failed, as fuzzing found them: now they agree to the last bit."""

import importlib.util
from pathlib import Path

import pytest
import torch

from fa_pyg.datasets import XYZStream

FILE = Path(__file__).with_name("fuzz_xyz.py")


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz_xyz", FILE)
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


def inputs():
    head = b"Properties=species:S:1:pos:R:3"
    return {
        "a piece that ends with a line": b"9\npbc=F\n" + b"C 0 0 0\n" * 8,
        "a piece that ends with a return": b"9\rpbc=F\r" + b"C 0 0 0\r" * 9,
        "a bad target before a bad row": b"9\n%s\n" % head + b"C 0 0 0\n" * 8 + b"C\n",
        "columns, bad later": b"9\n%s:q:R:1\n" % head
        + b"C 0 0 0 1\n" * 4
        + b"C 0 0 x 1\n"
        + b"C 0 0 0 x\n" * 4,
        "self": b"1\n%s self=1\nC 0 0 0\n" % head,
        "invalid UTF-8": b"1\n%s \xff=1 \xfe=2\nC 0 0 0\n" % head,
        "the same invalid keys": b"1\n%s \xff=1 \xfe=1\nC 0 0 0\n" % head,
        "whole and real": b"1\n%s a=1\nC 0 0 0\n1\n%s a=1.5\nC 0 0 0\n" % (head, head),
        "text and numbers": b"1\n%s a=1\nC 0 0 0\n1\n%s a=b\nC 0 0 0\n" % (head, head),
        "plain and a crystal": b'1\n\nC 0 0 0\n1\nLattice="2 0 0 0 2 0 0 0 2"\nC 0 0 0\n',
    }


@pytest.mark.parametrize("name", inputs())
def test_all_readers_agree(fuzz, tmp_path, name):
    fuzz.check(inputs()[name], tmp_path)


def test_the_seeds_are_good(fuzz, tmp_path):
    for number, seed in enumerate(fuzz.SEEDS):
        (tmp_path / str(number)).mkdir()
        assert not isinstance(fuzz.check(seed, tmp_path / str(number)), str)


@pytest.mark.parametrize("what", ["order", "bits", "error"])
def test_a_reader_that_differs_is_noticed(fuzz, tmp_path, monkeypatch, what):
    def other(self):
        found = list(original(self))
        if what == "error":
            raise ValueError("other words")
        if what == "bits":
            found[0].pos = torch.nextafter(found[0].pos, torch.ones(()))
        return iter(found[::-1] if what == "order" else found)

    original = XYZStream.__iter__
    monkeypatch.setattr(XYZStream, "__iter__", other)
    with pytest.raises(AssertionError, match="XYZStream"):
        fuzz.check(fuzz.SEEDS[0], tmp_path)
