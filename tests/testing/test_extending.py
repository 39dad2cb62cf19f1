"""The page on new frames runs as it stands, and its frame keeps the contract."""

import re
import sys
import types
from pathlib import Path
from unittest import SkipTest

import pytest
import torch

from fa_pyg import Frames, PCAFrame
from fa_pyg.testing import FrameContract, NamedCloud, assert_exact, catalogue

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "extending.md"


@pytest.fixture(scope="module")
def page():
    """The page's code as a module: what is pickled must be found by name."""
    module = types.ModuleType("extending")
    sys.modules["extending"] = module
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    exec(compile(code, PAGE, "exec"), vars(module))
    yield module
    del sys.modules["extending"]


NAMES = [name for name in dir(FrameContract) if name.startswith("test_")]
HARD = [
    "test_exact_on_the_catalogue",
    "test_exact_with_velocities",
    "test_continuous_across_degenerate_clouds",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_keeps_the_contract(page, name):
    if name in HARD:
        with pytest.raises(SkipTest, match="TestPairFrame does not promise"):
            getattr(page.TestPairFrame(), name)()
        getattr(page.TestPairFrameWhereItIsHard(), name)()
    else:
        getattr(page.TestPairFrame(), name)()


def test_the_page_says_what_there_is():
    text = PAGE.read_text()
    assert len(NAMES) == 14
    assert "inherits fourteen tests" in text
    attributes = re.findall(r"^\| `(\w+)", text, re.MULTILINE)
    assert all(hasattr(FrameContract, name) for name in attributes)
    own = {name for name in dir(FrameContract) if name[0] != "_" and not name.startswith("test_")}
    assert own - {"make", "points", "lines"} == set(attributes)


def test_the_example_says_how_exact_it_is(page):
    """Where it says so it is; where it does not, on the page's line, it is not."""
    assert page.frames.exact_for("vector").tolist() == [True, False]
    frame = page.PairFrame("E(3)")
    for cloud in catalogue(kinds=["molecules", "lines", "planes", "coincident"]):
        if len(cloud.pos) <= 8 and frame(cloud.pos).exact_for("tensor").item():
            assert_exact(frame, [cloud])
    with pytest.raises(AssertionError, match="not exact"):
        assert_exact(frame, [NamedCloud("line", None, page.line, None, None)])
    stated = Frames(torch.eye(3).unsqueeze(0))
    with pytest.raises(ValueError, match="expected exactness information"):
        stated.exact_for("vector")
    assert Frames.uniform(torch.eye(3).expand(1, 1, 3, 3), exact=page.ALL_RANKS).exact_for("tensor").all()


def test_what_the_page_says_of_pca(page):
    class Exact(page.TestPairFrameWhereItIsHard):
        def make(self, group):
            return PCAFrame(group)

    with pytest.raises(AssertionError, match="not exact on"):
        Exact().test_exact_on_the_catalogue()
