"""Errors of command lines: one line in the grammar of this package, with similar options, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from fa_pyg.options import Parser
from fa_pyg.options.parser import close_option, unknown_option

ROOT = Path(__file__).resolve().parents[2]


def error(args, capsys):
    parser = Parser("fa-pyg try", "What it does.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("-o", "--out", required=True)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--length", type=float)
    parser.add_argument("--kind", choices=("alpha", "beta"))
    parser.add_argument("--flag", action="store_true")
    with pytest.raises(SystemExit) as ended:
        parser.parsed(args)
    assert ended.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert second == "fa-pyg try --help shows all options"
    return first.removeprefix("error: ")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "FILE, --out: expected a value, found none"),
        (["a"], "--out: expected a value, found none"),
        (["a", "-o"], "--out: expected a value, found none"),
        (["", "-o", "b"], "arguments: expected a value, found an empty one"),
        (["a", "-o", ""], "-o: expected a value, found an empty one"),
        (["a", "--out="], "--out: expected a value, found an empty one"),
        (["a", "-o", "b", "c"], "arguments: expected no more, found c"),
        (["a", "-o", "b", "--samples", "x"], "--samples: expected a whole number, found 'x'"),
        (["a", "-o", "b", "--length", "x"], "--length: expected a number, found 'x'"),
        (["a", "-o", "b", "--kind", "alphb"], "--kind: expected one of alpha, beta, found 'alphb' "
         "(did you mean alpha?)"),
        (["a", "-o", "b", "--flag=1"], "--flag: expected no value, found '1'"),
        (["a", "--ouput", "b"], "option: expected one of this command, found '--ouput' "
         "(did you mean --out?)"),
        (["a", "-o", "b", "--sample=3"], "option: expected one of this command, found '--sample' "
         "(did you mean --samples?)"),
        (["a", "-o", "b", "--qqq"], "option: expected one of this command, found '--qqq'"),
    ],
)  # fmt: skip
def test_errors_are_a_line(args, text, capsys):
    assert error(args, capsys) == text


def test_what_follows_two_dashes_is_no_option():
    assert unknown_option(["--out", "a", "--", "--nothing"], ["--out"]) is None
    assert unknown_option(["--nothing", "--"], ["--out"])


def test_options_in_groups():
    known = ["--trainer.max_epochs", "--model.lr", "--model.model.lr_factor", "--data.batch_size", "--name"]
    assert close_option("--epochs", known) == " (did you mean --trainer.max_epochs?)"
    assert close_option("--lr", known) == " (did you mean --model.lr?)"
    assert close_option("--batch_size", known) == " (did you mean --data.batch_size?)"
    assert close_option("--nam", known) == " (did you mean --name?)"
    assert close_option("--zzz", known) == ""


# Command lines that are wrong, and what is said of each.
WRONG = {
    "train molecules --config aspirin_weighted --trainr.max_epochs 3": "did you mean --trainer.max_epochs",
    "train nbody --config gnn --epochs 3": "did you mean --trainer.max_epochs",
    "train molecules --config /none/at/all.yaml": "--config: expected a file that exists",
    "train molecules --config xyz_folder --ckpt_path none.ckpt": "--ckpt_path: expected last or a file",
    "train molecules --config xyz_folder --data.dataset.root_or_files none": "file or folder that exists",
    "predict molecules none.ckpt none.xyz -o out.xyz": "none.ckpt: found no such file",
    "predict molecules {run} none.xyz -o out.xyz": "FILE: expected a file or folder that exists",
    "predict molecules {run} {run} -o none/out.xyz": "found no folder",
    "predict molecules {run} {run} -o out.xyz --frame force": "did you mean forces",
    "predict normals {runs} {run} -o out": "is a folder above runs: {run}",
    "predict normals {run} {run} --overlapp 3": "did you mean --overlap",
    "dynamics {run} -o {run}/best.ckpt": "expected a folder that can be written to, found the file",
    "dynamics {run} -o out --xyz none.xyz": "--xyz: expected a file that exists",
    "dynamics {run} -o out --picosecond 1": "did you mean --picoseconds",
    "rollout none": "none: found no such file",
    "rollout {run} --step 3": "did you mean --steps",
    "reproduce nbody --rows fa_gn": "--rows: expected a file, or the name of a configuration, found 'fa_gn'",
    "reproduce normals --merge none.csv": "--merge: expected a CSV file of runs, found none.csv",
    "reproduce molecules --minute 3": "did you mean --minutes",
    "reproduce frames --configs gn": "did you mean gnn",
    "reproduce separation --config gim": "did you mean gin",
    "check none.py:make": "model: expected a file that exists",
    "check a:b --data none.xyz": "--data: expected a file that exists",
    "check a:b --only equivarance": "did you mean equivariance",
    "check a:b --out {run}/best.ckpt": "expected a folder that can be written to, found the file",
    "check a:b --html none/a.html": "found no folder",
    "check a:b --dta x": "did you mean --data",
    "configs list molecule": "did you mean molecules",
    "configs copy gnn --froce": "did you mean --force",
    "build parts --job 2": "did you mean --jobs",
    "build molecules --step 2": "did you mean --steps",
}
CODE = """
import json, sys, contextlib, io
from fa_pyg.cli import main
sys.modules.update(dict.fromkeys(["torch", "torch_geometric", "lightning"]))
found = {}
for line in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            code = main(line.split())
        except SystemExit as ended:
            code = ended.code
    found[line] = (code, said.getvalue())
print(json.dumps(found))
"""


def test_wrong_command_lines_are_refused_without_torch(tmp_path):
    import json

    run = tmp_path / "tiny" / "version_0"
    run.mkdir(parents=True)
    for name in ("best.ckpt", "config.yaml"):
        (run / name).write_text("")
    places = {"run": run, "runs": tmp_path / "tiny"}
    expected = {line.format(**places): text.format(**places) for line, text in WRONG.items()}
    command = [sys.executable, "-c", CODE, json.dumps(list(expected))]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    for line, (code, said) in json.loads(done.stdout).items():
        assert code == 2, line
        assert expected[line] in said, f"{line}: {said}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


def test_what_a_terminal_obeys_is_escaped(tmp_path, monkeypatch, capsys):
    from fa_pyg.cli import main

    monkeypatch.chdir(tmp_path)
    name = "a\x1b[31m.ckpt"
    for words in (["predict", "molecules", name, "b.xyz", "-o", "c.xyz"], ["dynamics", name, "-o", "out"]):
        assert main(words) == 2
        assert "\x1b" not in (said := capsys.readouterr().err)
        assert "a\\x1b[31m.ckpt: found no such file" in said
