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
