"""One switch for all progress bars."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from fa_pyg import environment
from fa_pyg.progress import VARIABLE, bar, is_shown

PACKAGE = Path(__file__).resolve().parents[1] / "fa_pyg"
VALUES = {"0": False, "off": False, " False ": False, "1": True, "": True}


@pytest.mark.parametrize(("value", "shown"), VALUES.items())
def test_the_environment_switches_all_off(monkeypatch, capsys, value, shown):
    monkeypatch.setenv(VARIABLE, value)
    assert is_shown() is shown
    assert list(bar(range(3), desc="counted", mininterval=0)) == [0, 1, 2]
    assert ("counted" in capsys.readouterr().err) is shown
    assert not is_shown(False)


@pytest.mark.parametrize("word", ["disable", "garbage", "00", "\x1b[2J"])
def test_an_unknown_word_counts_as_on_with_a_warning_once(monkeypatch, word):
    monkeypatch.setenv(VARIABLE, word)
    environment._warn.cache_clear()
    with pytest.warns(UserWarning, match="FA_PYG_PROGRESS: expected 0, false, no, off, or 1") as told:
        assert [is_shown() for _ in range(2)] == [True, True]
    assert len(told) == 1
    assert "\x1b" not in str(told[0].message)


@pytest.mark.parametrize("word", [*environment.ON, *environment.OFF, " Yes ", "OFF"])
def test_known_words_are_no_reason_to_warn(monkeypatch, recwarn, word):
    monkeypatch.setenv(VARIABLE, word)
    is_shown()
    assert not recwarn.list


def test_the_caller_switches_one_off(capsys):
    list(bar(range(3), desc="counted", progress=False))
    assert capsys.readouterr().err == ""


def test_every_bar_is_made_in_one_place():
    sources = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    makers = {str(path.relative_to(PACKAGE)) for path, text in sources.items() if "tqdm(" in text}
    assert makers == {"progress.py"}


def test_the_library_logs_for_who_asks_and_leaves_the_root_alone():
    code = "import logging, fa_pyg.datasets; logging.getLogger('fa_pyg.datasets').error('told'); "
    code += "print(len(logging.getLogger().handlers))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), "told" in done.stderr) == ("0", False)
    assert any(isinstance(one, logging.NullHandler) for one in logging.getLogger("fa_pyg").handlers)
