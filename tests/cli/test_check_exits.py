"""A model that ends the process is not a model that passed."""

import pytest

from fa_pyg.cli.check import main


@pytest.mark.parametrize(
    "body", ["import sys; sys.exit(0)", "def make():\n    import sys\n    sys.exit(0)\n"]
)
def test_an_exit_of_the_model_is_an_error(body, tmp_path, capsys):
    (tmp_path / "leaves.py").write_text(body)
    assert main([f"{tmp_path / 'leaves.py'}:make", "--quick"]) == 2
    assert "error: model: expected to return, found an exit" in capsys.readouterr().err


CHOOSY = """
import torch
from torch_geometric.data import Data

def energy(z, pos):
    if len(z) > 3:
        raise RuntimeError("too many atoms")
    return (pos - pos.mean(0)).square().sum().view(1)

def make_data():
    torch.manual_seed(0)
    return [Data(z=torch.full((n,), 6), pos=torch.randn(n, 3)) for n in (2, 3, 3, 4)]
"""


def test_a_model_that_raises_on_some_structures_has_not_passed(tmp_path, capsys):
    path = tmp_path / "choosy.py"
    path.write_text(CHOOSY)
    command = [f"{path}:energy", "--data", f"{path}:make_data", "--quick", "--only", "finite,permutation"]
    assert main(command) == 1
    text = capsys.readouterr().out
    assert "FAULT finite" in text
    assert "Faults in finite; the model raises on 1 of 4 structures." in text
    assert "RuntimeError: too many atoms" in text
    assert "next: --out FOLDER keeps the inputs" in text
    assert main([*command[:-1], "permutation"]) == 1
    assert "No fault was found on 3 of 4 structures; on 1 the model raises. Not passed." in (
        capsys.readouterr().out
    )
    assert main([*command, "--allow-errors", "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "on 1 the model raises, which is accepted." in text
    assert f"written: {tmp_path / 'out' / 'report.txt'}" in text
    assert text.splitlines()[-1].startswith("next: as a line of a workflow")
    assert "FAULT" not in text


def test_an_interruption_is_no_verdict(tmp_path, capsys):
    (tmp_path / "stops.py").write_text("def energy(z, pos):\n    raise KeyboardInterrupt\n")
    assert main([f"{tmp_path / 'stops.py'}:energy"]) == 2
    assert "error: interrupted at" in (text := capsys.readouterr().err)
    assert "stops.py:2; there is no result" in text


def test_types_of_outputs_are_named(tmp_path, capsys):
    (tmp_path / "odd.py").write_text(
        "def phase(z, pos):\n    return pos.sum().view(1) * 1j\n\n"
        "def both(z, pos):\n    return {'phase': phase(z, pos), 'count': z.sum().view(1), "
        "'energy': pos.std(0).norm().view(1)}\n"
    )
    assert main([f"{tmp_path / 'odd.py'}:phase"]) == 2
    assert "found a tensor of complex64" in capsys.readouterr().err
    main([f"{tmp_path / 'odd.py'}:both", "--quick", "--num", "2", "--only", "finite"])
    text = capsys.readouterr().out
    assert "outputs phase (complex128), count (int64), which are not real numbers" in text


def test_groups_that_have_no_default_data(tmp_path, capsys):
    (tmp_path / "plane.py").write_text("def energy(pos):\n    return pos.std(0).norm().view(1)\n")
    assert main([f"{tmp_path / 'plane.py'}:energy", "--group", "E(2)"]) == 2
    message = (
        "data: expected structures (--data) for E(2), found none; the default, small molecules, is three"
    )
    assert message in capsys.readouterr().err


ODD = """
import torch
from torch_geometric.nn import global_add_pool

class Odd(BaseException):
    pass

def odd(z, pos):
    raise Odd("not an Exception")

def sparse(z, pos, batch):
    return global_add_pool(pos.square(), batch).to_sparse()
"""


def test_what_nobody_expects_is_no_verdict(tmp_path, capsys):
    (path := tmp_path / "odd.py").write_text(ODD)
    assert main([f"{path}:odd", "--quick", "--only", "finite"]) == 2
    text = capsys.readouterr().err
    assert "Odd: not an Exception" in text  # with its traceback
    assert text.splitlines()[-1].endswith("there is no result")


def test_sparse_outputs_are_refused(tmp_path, capsys):
    (path := tmp_path / "odd.py").write_text(ODD)
    assert main([f"{path}:sparse", "--quick", "--only", "finite"]) == 2
    assert "found a tensor of sparse float32; wrap the model" in capsys.readouterr().err


def test_a_name_is_given_once(capsys):
    assert main(["os:getcwd", "--output", "energy=scalar", "energy=vector"]) == 2
    assert "--output: expected each name once, found 'energy' twice" in capsys.readouterr().err
