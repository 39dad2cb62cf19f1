"""Checks of arguments: accepted values, refused values and error messages."""

import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from fa_pyg import checks


def test_integers():
    assert [checks.integer("n", n) for n in (1, 7, np.int64(3))] == [1, 7, 3]
    assert type(checks.integer("n", np.int8(3))) is int
    assert checks.integer("n", None, optional=True) is None
    assert checks.integer("n", -5, -5, -5) == -5
    for bad in (0, True, 1.0, "1", None, math.nan, 2**31, torch.tensor(1), np.bool_(True)):
        with pytest.raises(ValueError, match=r"^n: expected a"):
            checks.integer("n", bad)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.integer("k", 0), "k: expected a positive integer, found 0"),
        (
            lambda: checks.integer("k", "3", optional=True),
            "k: expected a positive integer or None, found '3'",
        ),
        (lambda: checks.integer("k", -1, 0), "k: expected an integer >= 0, found -1"),
        (lambda: checks.integer("k", 9, 0, 3), "k: expected an integer from 0 to 3, found 9"),
        (lambda: checks.size("k", 2**21), f"k: expected an integer from 1 to {2**20}, found {2**21}"),
        (lambda: checks.number("r", 0, above=0), "r: expected a positive number, found 0"),
        (lambda: checks.number("r", -1, 0), "r: expected a number >= 0, found -1"),
        (lambda: checks.number("r", 1, above=0, below=1), "r: expected a number between 0 and 1, found 1"),
        (lambda: checks.number("r", math.nan), "r: expected a finite number, found nan"),
        (lambda: checks.number("r", 5, most=3), "r: expected a number <= 3, found 5"),
        (lambda: checks.number("r", 5, 0, 3), "r: expected a number from 0 to 3, found 5"),
        (lambda: checks.flag("f", 1), "f: expected True or False, found 1"),
        (lambda: checks.one_of("o", "c", ["a", "b"]), 'o: expected "a" or "b", found \'c\''),
        (lambda: checks.one_of("o", 1, ["a"], optional=True), 'o: expected "a" or None, found 1'),
        (lambda: checks.some_of("o", ["a", "c"], ["a", "b"]), "o: expected some of a, b, found 'c'"),
        (lambda: checks.instance("x", 3, str, "text"), "x: expected text, found 3"),
        (lambda: checks.function("x", 3, optional=True), "x: expected a callable or None, found 3"),
    ],
)
def test_the_words(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


def test_numbers():
    assert checks.number("r", Fraction(1, 2), above=0) == Fraction(1, 2)
    assert checks.number("r", np.float32(0.5)) == 0.5
    assert checks.number("r", None, optional=True) is None
    for bad in (math.inf, math.nan, 10**400, True, "1", 1j, None, torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"^r: expected a finite number, found"):
            checks.number("r", bad)


def test_what_was_found_is_short():
    class Loud:
        def __repr__(self):
            raise RuntimeError("no words")

    assert checks.shown(Loud()) == "a Loud"
    assert checks.shown(torch.zeros(100, 100)) == "a Tensor"
    assert len(checks.shown("x" * 10_000)) <= 90
    assert len(checks.shown(10**3000)) < 60
    assert checks.shown(10**5000) == "a int"
    assert checks.shown(object()) == "a object"


def test_nothing_heavy_is_imported():
    """In a fresh interpreter, past the package itself, which is what loads torch."""
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('c', sys.argv[1]); "
        "m = u.module_from_spec(s); s.loader.exec_module(m); "
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, checks.__file__], capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["False", "False"]


def test_an_extra_is_named_and_a_fault_is_not_hidden():
    named = r"pictures: expected nothing_here, found none; .*fa_pyg\[train\]"
    with pytest.raises(ImportError, match=named), checks.from_extra("pictures", "train"):
        import nothing_here  # noqa: F401
    fault = pytest.raises(ModuleNotFoundError, match="No module named")
    with fault, checks.from_extra("pictures", "train"):
        import fa_pyg.nothing  # noqa: F401
    with checks.from_extra("pictures", "train"):
        import json  # noqa: F401
