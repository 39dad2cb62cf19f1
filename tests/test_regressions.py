"""Ratios of releases are compared row by row."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import regressions

NAMED = {"benchmark": "frames", "size": "32 molecules"}
OLD = [{**NAMED, "row": "fa_pyg", "ratio": 2.0}, {**NAMED, "row": "peer", "ratio": 3.0}]


def compared(monkeypatch, tmp_path, new) -> int:
    for name, rows in (("old.json", OLD), ("new.json", new)):
        (tmp_path / name).write_text(json.dumps(rows))
    monkeypatch.setattr(sys, "argv", ["regressions", str(tmp_path / "old.json"), str(tmp_path / "new.json")])
    return regressions.main()


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (2.2, 0), (2.4, 1)])
def test_what_became_slower_is_listed(monkeypatch, tmp_path, capsys, ratio, code):
    new = [{**OLD[0], "ratio": ratio}, OLD[1]]
    assert compared(monkeypatch, tmp_path, new) == code
    assert ("| fa_pyg |" in capsys.readouterr().out) is bool(code)


def test_what_was_not_measured_is_told(monkeypatch, tmp_path, capsys):
    assert compared(monkeypatch, tmp_path, OLD[:1]) == 1
    assert "not measured now: frames / 32 molecules / peer" in capsys.readouterr().out
