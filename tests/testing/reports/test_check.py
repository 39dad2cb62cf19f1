"""The command ``fa-pyg check``: what it is given, exit status, files."""

import subprocess
import sys

import pytest

from fa_pyg.cli.check import main
from fa_pyg.options.check import SECTIONS
from fa_pyg.testing.reports import SECTIONS as CHECKS

MODULE = """
import torch
from torch_geometric.data import Data

def total(x, batch):
    return x.new_zeros(int(batch.max()) + 1).index_add(0, batch, x)

def make_model():
    return lambda z, pos, batch: total(pos[:, 0], batch)

def energy(z, pos, batch):
    x = pos.unsqueeze(0) - pos.unsqueeze(1)
    same = batch.unsqueeze(0) == batch.unsqueeze(1)
    return total((x.square().sum(2) * same).sum(1), batch)

def make_calculator():
    from ase.calculators.lj import LennardJones
    return LennardJones(epsilon=0.01, sigma=1.0, rc=6.0)

def make_data():
    return [Data(z=torch.tensor([1, 8, 1]), pos=torch.rand(3, 3)) for _ in range(3)]

def broken():
    raise RuntimeError("no weights")

number = 3
"""
WATER = "3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
QUICK = ["--quick", "--num", "4", "--only", "batch,translation"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "users_module.py").write_text(MODULE)
    (tmp_path / "water.xyz").write_text(WATER * 2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("users_module", None)


def test_exit_status_is_0_without_and_1_with_faults(folder, capsys):
    assert main(["users_module.py:energy", *QUICK]) == 0
    assert "No fault was found" in capsys.readouterr().out
    assert main(["users_module:make_model", *QUICK, "--data", "water.xyz"]) == 1
    out = capsys.readouterr().out
    assert "2 of 2 structures" in out
    assert "Faults in translation" in out


def test_data_of_a_function_and_a_calculator(folder, capsys):
    assert main(["users_module:energy", "--data", "users_module:make_data", *QUICK]) == 0
    assert main(["users_module:make_calculator", "--data", "water.xyz", *QUICK]) == 0
    assert "LennardJones" in capsys.readouterr().out


def test_files(folder, capsys):
    assert main(["users_module:make_model", *QUICK, "--html", "page.html", "--out", "checked"]) == 1
    assert "<svg" in (folder / "page.html").read_text()
    assert (folder / "checked" / "report.txt").exists()
    assert list((folder / "checked" / "worst").glob("translation*.xyz"))
    assert "written: page.html" in capsys.readouterr().out


def test_a_trained_potential(folder, capsys):
    import torch

    from fa_pyg import WeightedPCAFrame
    from fa_pyg.models import FAENet, Potential

    torch.manual_seed(0)
    model = Potential(FAENet(hidden_channels=8, num_layers=1), WeightedPCAFrame("E(3)"))
    model.settings = {"class_path": "fa_pyg.models.Potential", "init_args": {
        "model": {"class_path": "fa_pyg.models.FAENet", "init_args": {"hidden_channels": 8, "num_layers": 1}},
        "frame": {"class_path": "fa_pyg.WeightedPCAFrame", "init_args": {"group": "E(3)"}}}}  # fmt: skip
    model.save(folder / "potential.pt")
    assert main(["potential.pt", *QUICK, "--data", "water.xyz"]) == 0
    assert "output forces" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["users_module"], "expected module:name, file.py:name or a checkpoint"),
        (["users_module:nothing"], "expected a name in users_module, such as total"),
        (["users_module:number"], "expected a torch.nn.Module, a function or an ASE calculator, found 3"),
        (["users_module:broken"], r"RuntimeError: no weights (users_module.py:"),
        (["no_module:make"], "ModuleNotFoundError"),
        (["nothing.py:make"], "expected a file that exists, found nothing.py"),
        (["users_module.py"], "expected file.py:name, found users_module.py"),
        (["users_module:energy", "--data", "nothing.xyz"], "nothing.xyz"),
        (["users_module:energy", "--data", "data.pt"], "such files are not opened"),
        (["users_module:energy", "--inputs", "pos"], "--inputs: expected NAME=VALUE"),
        (["users_module:energy", "--edges", "five"], "--edges: expected radius=R"),
        (["users_module:energy", "--only", "speed"], "only: expected some of"),
        (["users_module:energy", "--group", "X(3)"], "group: unknown group"),
    ],
)
def test_usage_errors_are_a_line_and_2(folder, capsys, arguments, message):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def test_help_loads_no_torch(folder):
    code = (
        "import sys\nfrom fa_pyg.cli.check import main\n"
        "try:\n    main(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=False
    )
    assert run.stdout.splitlines()[-1] == "False"
    assert "examples:" in run.stdout


def test_the_checks_are_those_of_the_library():
    assert list(SECTIONS) == list(CHECKS)
