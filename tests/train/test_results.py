"""Results that were kept: read again, or named and made again."""

import json
import warnings

import pytest
import torch

from fa_pyg.files.tensors import save
from fa_pyg.train.results import read_result
from fa_pyg.train.separation.benchmark import _read_outputs


def test_what_was_kept(tmp_path):
    path = tmp_path / "results.json"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_result(path) is None
        for value in ({"a": [1.5, None]}, 3, 2.5):
            path.write_text(json.dumps(value))
            assert read_result(path, type(value)) == value


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b"[" * 10**5, b"null"])
def test_what_is_damaged_is_named(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"results\.json: expected a dict in JSON, found .*computed again"):
        assert read_result(path) is None


def test_a_folder_is_no_result(tmp_path):
    with pytest.warns(UserWarning, match="expected a dict"):
        assert read_result(tmp_path) is None


def test_outputs_of_an_interrupted_count(tmp_path):
    path = tmp_path / "row.pt"
    assert _read_outputs(path) == []
    outputs = torch.rand(3, 4)
    save(path, {"outputs": outputs})
    assert torch.equal(torch.stack(_read_outputs(path)), outputs)
    whole = path.read_bytes()
    torch.save(outputs, path)  # what earlier versions wrote
    for content in (
        path.read_bytes(),
        whole[:100],
        b"",
        whole.replace(outputs[1:2].numpy().tobytes(), b"0" * 16),
    ):
        path.write_bytes(content)
        with pytest.warns(UserWarning, match=r"row\.pt: expected the outputs of a count"):
            assert _read_outputs(path) == []
