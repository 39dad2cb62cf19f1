"""Ratios of releases are compared row by row."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import regressions

NAMED = {"benchmark": "frames", "size": "32 molecules"}
OLD = [{**NAMED, "row": "fa_pyg", "ratio": 2.0}, {**NAMED, "row": "peer", "ratio": 3.0}]


def compared(monkeypatch, tmp_path, new, *options) -> int:
    for name, rows in (("old.json", OLD), ("new.json", new)):
        (tmp_path / name).write_text(json.dumps(rows))
    files = [str(tmp_path / "old.json"), str(tmp_path / "new.json")]
    monkeypatch.setattr(sys, "argv", ["regressions", *files, *options])
    return regressions.main()


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (2.2, 0), (2.4, 1)])
def test_what_became_slower_is_listed(monkeypatch, tmp_path, capsys, ratio, code):
    new = [{**OLD[0], "ratio": ratio}, OLD[1]]
    assert compared(monkeypatch, tmp_path, new) == code
    assert ("| fa_pyg |" in capsys.readouterr().out) is bool(code)


def test_what_was_not_measured_is_told(monkeypatch, tmp_path, capsys):
    assert compared(monkeypatch, tmp_path, OLD[:1]) == 1
    assert "not measured now: frames / 32 molecules / peer" in capsys.readouterr().out


def test_a_part_is_compared(monkeypatch, tmp_path, capsys):
    faster = {**OLD[0], "ratio": 1.0}
    assert compared(monkeypatch, tmp_path, [faster, {**OLD[1], "row": "new"}], "--partial") == 0
    assert capsys.readouterr().out == "1 rows compared: 0 slower, 1 faster; 1 new\n"
    assert compared(monkeypatch, tmp_path, [{**OLD[0], "ratio": 4.0}], "--partial") == 1
    assert compared(monkeypatch, tmp_path, [{**OLD[1], "row": "new"}], "--partial") == 1  # nothing


def test_what_is_null_was_not_measured(monkeypatch, tmp_path, capsys):
    assert compared(monkeypatch, tmp_path, [OLD[0], {**OLD[1], "ratio": None}]) == 1
    assert "not measured now: frames / 32 molecules / peer" in capsys.readouterr().out


def row(**changed):
    return {**OLD[0], **changed}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{}", "a list of rows, found a dict"),
        ("[]", "rows with ratios, found none"),
        ("null", "a list of rows, found a NoneType"),
        ("", "JSON, found something else"),
        ("[" * 100_000, "JSON, found something else"),
        (b"\xff", "JSON, found something else"),
        ([3], "an object with benchmark, size, row and ratio, found 3 in row 1"),
        ([{**NAMED, "ratio": 2.0}], "a text as row, found none in row 1 (frames / 32 molecules)"),
        ([OLD[0], row(row="peer", size=32)], "a text as size, found 32 in row 2 (frames / peer)"),
        ([{**NAMED, "row": "fa_pyg"}], "a ratio, found none in row 1 (frames / 32 molecules / fa_pyg)"),
        ([row(ratio="2.0")], "a positive number or null as ratio, found '2.0' in row 1"),
        ([row(ratio=True)], "a positive number or null as ratio, found True in row 1"),
        ([row(ratio=float("nan"))], "a positive number or null as ratio, found nan in row 1"),
        ([row(ratio=float("inf"))], "a positive number or null as ratio, found inf in row 1"),
        ([row(ratio=-2.0)], "a positive number or null as ratio, found -2.0 in row 1"),
        ([row(ratio=0)], "a positive number or null as ratio, found 0 in row 1"),
        ([row(ratio=10**400)], "a positive number or null as ratio, found 1000"),
        ([OLD[0], OLD[1], OLD[0]], "every name once, found a second one in row 3 (frames / 32 molecules"),
    ],
)
@pytest.mark.parametrize("place", ["old", "new"])
def test_files_that_are_not_of_ratios(monkeypatch, tmp_path, capsys, content, found, place):
    paths = {name: tmp_path / f"{name}.json" for name in ("old", "new")}
    for path in paths.values():
        path.write_text(json.dumps(OLD))
    content = json.dumps(content) if isinstance(content, list) else content
    paths[place].write_bytes(content if isinstance(content, bytes) else content.encode())
    assert f"error: {paths[place]}: expected {found}" in refused(monkeypatch, capsys, *paths.values())


def refused(monkeypatch, capsys, *args) -> str:
    """The one line of an error."""
    monkeypatch.setattr(sys, "argv", ["regressions", *map(str, args)])
    with pytest.raises(SystemExit) as end:
        regressions.main()
    shown = capsys.readouterr()
    assert (end.value.code, shown.out, shown.err.count("\n")) == (2, "", 1)
    return shown.err


def test_files_that_are_not_there(monkeypatch, tmp_path, capsys):
    (tmp_path / "old.json").write_text(json.dumps(OLD))
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "old.json" / "none"):
        error = refused(monkeypatch, capsys, tmp_path / "old.json", path)
        assert f"error: {path}: expected a file of ratios, found none (" in error


def test_an_old_file_without_a_ratio_compares_nothing(monkeypatch, tmp_path, capsys):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps([row(ratio=None)]))
    new.write_text(json.dumps(OLD))
    assert f"{old}: expected a ratio that was measured" in refused(monkeypatch, capsys, old, new)


@pytest.mark.parametrize("allowed", ["nan", "inf", "-0.1", "much"])
def test_growth_that_means_nothing(monkeypatch, capsys, allowed):
    monkeypatch.setattr(sys, "argv", ["regressions", "old", "new", f"--allowed={allowed}"])
    with pytest.raises(SystemExit, match="2"):
        regressions.main()
    assert f"--allowed: expected a number >= 0, found '{allowed}'" in capsys.readouterr().err


def test_the_stored_ratios_are_read(monkeypatch):
    for path in (Path(regressions.__file__).parent / "ratios").glob("*.json"):
        monkeypatch.setattr(sys, "argv", ["regressions", str(path), str(path)])
        assert regressions.main() == 0
