"""The command line: its table, its help, and what it answers to wrong names."""

import importlib
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fa_pyg.cli import main
from fa_pyg.cli.commands import COMMANDS, groups, overview
from fa_pyg.cli.helps import HELPS
from fa_pyg.options import close

ROOT = Path(__file__).resolve().parents[2]
OTHERS = {"check"}  # whose module may come later


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - OTHERS))
def test_every_command_has_a_module_and_a_main(name):
    module = importlib.import_module(f"fa_pyg.cli.{COMMANDS[name].module}")
    assert list(inspect.signature(module.main).parameters) == ["args"]


def test_help_of_all_commands_loads_no_torch(capsys):
    """Which takes seconds: the help of each command is printed in one process, without it."""
    code = """
import sys
from fa_pyg.cli import main
from fa_pyg.cli.commands import COMMANDS, groups
sys.modules.update(dict.fromkeys(["torch", "torch_geometric", "lightning", "numpy", "yaml"]))
for words in ([], *([name] for name in groups()), *(name.split() for name in COMMANDS)):
    if words == ["check"]:
        continue
    try:
        code = main([*words, "--help"])
    except SystemExit as ended:  # of argparse
        code = ended.code
    assert code == 0, words
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: fa-pyg") == 1 + len(groups()) + len(COMMANDS) - 2


def test_the_overview_names_every_command():
    text = overview()
    for name, parts in groups().items():
        assert re.search(rf"^  {name}\b", text, re.M)
        assert all(part in text for part in parts)


def test_version_and_help_as_words(capsys):
    import fa_pyg

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fa-pyg {fa_pyg.__version__}\n"
    assert main(["help", "train", "nbody"]) == 0
    assert capsys.readouterr().out == HELPS["train nbody"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "fa-pyg: expected one of train, .*, found 'trian' \\(did you mean train\\?\\)"),
        (["train"], "fa-pyg train: expected one of nbody, .*, found nothing"),
        (["train", "molecule"], "found 'molecule' \\(did you mean molecules\\?\\)"),
        (["--verison"], "fa-pyg: expected one of .*, found '--verison'"),
    ],
)
def test_wrong_names(words, message, capsys):
    assert main(words) == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)


def test_close_names():
    assert close("nboddy", ["nbody", "graphs"]) == " (did you mean nbody?)"
    assert close("qqq", ["nbody"]) == ""


def test_an_interruption_says_how_to_go_on(monkeypatch, capsys):
    from fa_pyg.cli import predict

    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "main", interrupted)
    assert main(["predict", "molecules"]) == 1
    assert "Interrupted; nothing was written; the same command starts again" in capsys.readouterr().err


def test_an_extra_that_is_not_installed_is_named(monkeypatch, capsys):
    from fa_pyg.cli import predict

    def fails(args):
        raise ImportError(message)

    monkeypatch.setattr(predict, "main", fails)
    message = "fa_pyg.train: expected lightning, found none; install it with pip install 'fa_pyg[train]'"
    assert main(["predict", "normals"]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
    message = "cannot import name 'a' from 'b'"  # a fault is not hidden
    with pytest.raises(ImportError, match="cannot import"):
        main(["predict", "normals"])


@pytest.mark.parametrize("failed", [[], [{"error": "no kernel"}]])
def test_parts_that_all_failed_are_not_told_as_done(failed, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("fa_pyg.cad.build.build_parts", lambda root, **_: {"parts": [], "failed": failed})
    assert main(["build", "parts", "--root", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert "error: no part was built (" in said.err
    assert "next:" not in said.out


def test_a_closed_pipe_is_no_fault():
    """As of ``| head``, here closed before anything is written."""
    read, write = os.pipe()
    os.close(read)
    command, environment = (
        [sys.executable, "-m", "fa_pyg", "configs", "list"],
        {**os.environ, "PYTHONPATH": str(ROOT)},
    )
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def no_reader(monkeypatch):
    """Output and errors go into pipes that are closed."""
    files = []
    for name in ("stdout", "stderr"):
        read, write = os.pipe()
        os.close(read)
        files.append(os.fdopen(write, "w"))
        monkeypatch.setattr(sys, name, files[-1])
    yield files
    for file in files:
        file.close()


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_the_result_of_a_check_does_not_depend_on_who_reads_it(
    passed, code, monkeypatch, no_reader, tmp_path
):
    from types import SimpleNamespace

    from fa_pyg.cli import check

    text = "a line\n" * 100_000  # more than buffers hold
    html = tmp_path / "report.html"
    report = SimpleNamespace(passed=passed, is_empty=False, text=lambda: text, html=lambda: "all of it")
    monkeypatch.setattr(check, "_report", lambda given: report)
    assert main(["check", "my_net:make", "--html", str(html)]) == code
    assert html.read_text() == "all of it"


@pytest.mark.parametrize(("words", "code"), [(["configs", "list"], 0), (["nothing"], 2)])
def test_errors_into_a_closed_pipe(words, code, no_reader):
    assert main(words) == code


@pytest.mark.parametrize("words", [["--help"], ["configs", "list"], ["nothing"]])
def test_streams_that_do_not_exist(words, monkeypatch):
    """As of ``>&-``."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(words) == (2 if words == ["nothing"] else 0)


def test_a_full_disk_is_an_error(monkeypatch, capsys):
    class Full(io.StringIO):
        def flush(self):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["--help"]) == 2
    assert "error: output: expected to be written, found [Errno 28] No space" in capsys.readouterr().err


def test_trusted_modules_of_the_working_directory_hide_none(tmp_path, monkeypatch, capsys):
    from fa_pyg.cli import train

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", before := list(sys.path))
    monkeypatch.setattr(train, "main", lambda args: 0)
    assert main(["train", "nbody", "--trust", "my_net"]) == 0
    assert sys.path == before
    assert sys.path[-1] == str(tmp_path)
