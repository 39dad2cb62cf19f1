"""Representations: names, layouts and error messages."""

import subprocess
import sys

import pytest

from fa_pyg import Rep
from fa_pyg.reps import NAMED


def test_names():
    assert {name: (r.rank, r.pseudo, r.affine, r.flat) for name, r in NAMED.items()} == {
        "scalar": (0, False, False, False),
        "pseudoscalar": (0, True, False, False),
        "vector": (1, False, False, False),
        "pseudovector": (1, True, False, False),
        "point": (1, False, True, False),
        "tensor": (2, False, False, False),
        "pseudotensor": (2, True, False, False),
    }
    for name, rep in NAMED.items():
        assert Rep.of(name) is rep
        assert str(rep) == f"a {name}"
    assert Rep.of(Rep(3)) == Rep(rank=3)
    assert str(Rep(3)) == repr(Rep(3))


@pytest.mark.parametrize("spec", ["vektor", "", None, 1, ("vector",), ["vector"], Rep])
def test_an_unknown_name_lists_the_known_ones(spec):
    with pytest.raises(
        ValueError, match=r"unknown representation .*scalar, pseudoscalar, vector.*pseudotensor"
    ):
        Rep.of(spec)


@pytest.mark.parametrize(
    "wrong",
    [{"rank": -1}, {"rank": 1.0}, {"rank": True}, {"rank": "1"}]
    + [{"rank": r, "affine": True} for r in (0, 2)]
    + [{"rank": 1, "affine": True, "pseudo": True}],
)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=r"^rank: expected|affine"):
        Rep(**wrong)


def test_reps_are_values():
    assert Rep(1) == Rep.of("vector") != Rep.of("point")
    assert len({Rep(1), Rep.of("vector"), Rep(1, flat=True)}) == 2
    with pytest.raises(AttributeError):
        Rep(1).rank = 2


@pytest.mark.parametrize(
    ("rep", "shape", "dim", "layout"),
    [
        (Rep(0), (5,), 3, (5,)),
        (Rep(0), (), 3, ()),
        (Rep(1), (5, 3), 3, (5, 3)),
        (Rep(1), (5, 7, 3), 3, (5, 7, 3)),
        (Rep(2), (5, 3, 3), 3, (5, 3, 3)),
        (Rep(3), (5, 2, 2, 2, 2), 2, (5, 2, 2, 2, 2)),
        (Rep(1, flat=True), (5, 12), 3, (5, 4, 3)),
        (Rep(2, flat=True), (5, 8), 2, (5, 2, 2, 2)),
        (Rep(0, flat=True), (5, 8), 2, (5, 8)),
        (Rep(1, flat=True), (5, 0), 2, (5, 0, 2)),
        (Rep(1), (0, 3), 3, (0, 3)),
    ],
)
def test_layout(rep, shape, dim, layout):
    assert rep.layout(shape, dim) == layout


@pytest.mark.parametrize(
    ("rep", "shape", "wanted"),
    [
        (Rep(1), (5, 2), r"\[\.\.\., 3\]"),
        (Rep(1), (), r"\[\.\.\., 3\]"),
        (Rep(2), (5, 3, 2), r"\[\.\.\., 3, 3\]"),
        (Rep(2), (3,), r"\[\.\.\., 3, 3\]"),
        (Rep(2, flat=True), (5, 12), r"\[\.\.\., C \* 9\]"),
        (Rep(1, flat=True), (), r"\[\.\.\., C \* 3\]"),
    ],
)
def test_a_wrong_shape_says_what_fits(rep, shape, wanted):
    with pytest.raises(ValueError, match=f"vel of shape .* in 3 dimensions: expected {wanted}"):
        rep.layout(shape, 3, "vel")


def test_no_torch_is_needed():
    package = "p = types.ModuleType('fa_pyg'); p.__path__ = ['fa_pyg']; sys.modules['fa_pyg'] = p"
    code = (
        f"import sys, types; sys.modules['torch'] = None; {package}; "
        "exec(open('fa_pyg/reps.py').read()); print(Rep(1))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "a vector\n", done.stderr


@pytest.mark.parametrize(
    "wrong",
    [{"rank": 1, "scale": value} for value in (None, "1", True, float("nan"), float("inf"))]
    + [{"rank": 1, "boost": value} for value in (None, True, float("nan"))]
    + [{"rank": rank, "boost": 1} for rank in (0, 2)]
    + [{"rank": 1, "boost": 1, "pseudo": True}],
)
def test_wrong_weights(wrong):
    with pytest.raises(ValueError, match=r"^(scale|boost): expected"):
        Rep(**wrong)


def test_what_only_scales_is_not_invariant_and_does_not_move():
    names = {"scalar": (True, False), "pseudoscalar": (False, True), "point": (False, True)}
    assert {name: (NAMED[name].is_invariant, NAMED[name].moves) for name in names} == names
    charge = Rep(scale=1.5)
    assert (charge.is_invariant, charge.moves) == (False, False)
    assert charge == Rep(0, scale=1.5) != Rep(0)
    assert Rep(1, scale=0, boost=0.0) == Rep.of("vector")
