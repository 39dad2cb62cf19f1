"""Options of the benchmarks are refused before anything is measured; pages are never left without a table."""

import importlib
import os
import re
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def refused(monkeypatch, capsys):
    """Start a benchmark that must refuse its options; returns the error."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def run(name: str, *options: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *options])
        module = importlib.import_module(name)
        for measures in ("interleaved", "compiled", "in_a_process", "nci", "measure"):
            if hasattr(module, measures):
                monkeypatch.setattr(module, measures, lambda *_, **__: pytest.fail("it measures"))
        with pytest.raises(SystemExit) as end:
            module.main()
        shown = capsys.readouterr()
        assert (end.value.code, shown.out) == (2, "")
        return shown.err.splitlines()[-1]

    return run


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("frames", "--sizes 0", "--sizes: expected a positive integer, found '0'"),
        ("frames", "--sizes 32 -3", "--sizes: expected a positive integer, found '-3'"),
        ("frames", "--points -1", "--points: expected an integer >= 0, found '-1'"),
        ("frames", "--threads 0", "--threads: expected a positive integer"),
        ("frames", "--seconds nan", "--seconds: expected a positive number, found 'nan'"),
        (
            "frames",
            "--points 0 --sizes",
            "--sizes: expected numbers of molecules, or --points, found neither",
        ),
        ("weighted", "--sizes 0", "--sizes: expected a positive integer"),
        ("weighted", "--batches 0", "--batches: expected a positive integer"),
        ("weighted", "--points -5", "--points: expected a positive integer"),
        ("weighted", "--threads -1", "--threads: expected a positive integer"),
        ("overhead", "--graphs 0", "--graphs: expected a positive integer"),
        ("overhead", "--seconds 0", "--seconds: expected a positive number"),
        ("overhead", "--threads 0", "--threads: expected a positive integer"),
        ("training", "--threads 0", "--threads: expected a positive integer"),
        ("training", "--seconds -1", "--seconds: expected a positive number"),
        ("scale", "--seconds inf", "--seconds: expected a positive number"),
        (
            "scale",
            "--plot no/such/folder/scale.png",
            "--plot: .*no/such/folder/scale.png: expected a file in a",
        ),
        ("first_call", "--graphs 0", "--graphs: expected a positive integer"),
        ("first_call", "--seconds 0", "--seconds: expected a positive number"),
        ("first_call", "--rows PCAFrma", r"--rows: expected a part of .*GroupFrame.*; found 'PCAFrma'"),
        ("compiled", "--frames HaarFrame TYPO", "--frames: expected a part of .*PolarFrame.*; found 'TYPO'"),
        ("compiled", "--frames", "--frames: expected at least one argument"),
        ("steepness", "--frames TYPO", "--frames: expected a part of .*; found 'TYPO'"),
        ("degenerate", "--out no/such/folder/x.md", "--out: .*expected a file in a folder that exists"),
        ("by_hand", "--seconds 0", "--seconds: expected a positive number"),
        ("particles", "--particles 0", "--particles: expected a positive integer"),
        ("big_clouds", "--points 0", "--points: expected a positive integer"),
        ("compiled", "--backend nosuch", "backend: expected one that works here, .*eager.*; found 'nosuch'"),
    ],
)
def test_options_without_a_meaning(refused, name, options, message):
    assert re.search(message, refused(name, *options.split()))


@pytest.mark.parametrize("name", ["frames", "weighted", "overhead", "training", "scale"])
def test_a_file_of_ratios_that_cannot_be_written(refused, name, tmp_path):
    missing, broken, other = (
        tmp_path / "no" / "ratios.json",
        tmp_path / "broken.json",
        tmp_path / "other.json",
    )
    broken.write_text("[{")
    other.write_text('{"ratios": []}')
    for path in (missing, tmp_path, broken, other):
        assert f"--json: {path}: expected" in refused(name, "--json", str(path))
    assert broken.read_text() == "[{"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(refused, tmp_path):
    tmp_path.chmod(0o500)
    assert "folder that can be written to" in refused("scale", "--json", str(tmp_path / "ratios.json"))


def test_a_file_of_ratios_is_added_to(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    timing, command_line = (importlib.import_module(name) for name in ("timing", "command_line"))
    path = tmp_path / "ratios.json"
    for size in ("one", "two", "one"):
        timing.record(command_line.ratio_target(str(path)), "a", size, {"x": [1e-9], "y": [1.0]}, "y")
    rows = importlib.import_module("ratio_file").read(path)
    assert [(row["size"], row["ratio"]) for row in rows if row["row"] == "x"] == [
        ("two", 1e-9),
        ("one", 1e-9),
    ]


@pytest.mark.parametrize("name", ["compiled", "first_call"])
def test_pages_are_checked_at_the_start(refused, tmp_path, name):
    page = tmp_path / "page.md"
    mark = f"<!-- benchmarks/{name}.py -->"
    for text in ("", mark, mark * 3):
        page.write_text(text)
        assert f"expected {mark} before and after a table" in refused(name, "--write", str(page))
        assert page.read_text() == text
    assert "No such file" in refused(name, "--write", str(tmp_path / "none.md"))
    assert "found a folder" in refused(name, "--write", str(tmp_path))


def test_a_table_without_rows_replaces_none(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    tables = importlib.import_module("markdown_table")
    page = tmp_path / "page.md"
    page.write_text("å <m>old<m> b")
    with pytest.raises(ValueError, match=r"page.md: expected a table with rows between <m>, found none"):
        tables.show(tables.table(["a"], []), "<m>", page)
    assert page.read_text() == "å <m>old<m> b"
    tables.show(tables.table(["a"], [[1]]), "<m>", page)
    assert page.read_text() == "å <m>\n| a |\n| --- |\n| 1 |\n<m> b"


def test_the_table_of_some_frames_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    compiled = importlib.import_module("compiled")
    page = tmp_path / "page.md"
    page.write_text(f"{compiled.MARK}old{compiled.MARK}")
    monkeypatch.setattr(compiled, "rows", lambda names, _: [[name] for name in names])
    monkeypatch.setattr(sys, "argv", ["compiled", "--frames", "HaarFrame", "--write", str(page)])
    compiled.main()
    torch._dynamo.reset()
    assert page.read_text().count("\n| HaarFrame |\n") == 1
    assert "old" not in page.read_text()
