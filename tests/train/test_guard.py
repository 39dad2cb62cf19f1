"""Limits of jsonargparse while it reads a configuration: set, and taken back."""

import os

import pytest
import torch
from jsonargparse import ArgumentParser, _common

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import only_weights
from fa_pyg.train.guard import guarded


@pytest.mark.parametrize("enter", [lambda: guarded(Allowlist()), only_weights])
def test_settings_of_the_process_are_as_before(enter, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    before, environment = dict(_common.parsing_settings), dict(os.environ)
    with enter():
        assert os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] == "1"
        assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
    with pytest.raises(KeyError), enter():
        raise KeyError
    assert _common.parsing_settings == before
    assert dict(os.environ) == environment


def test_only_listed_names_are_imported():
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--layer", type=torch.nn.Module)
    given = {"layer": "torch.nn.parallel.DistributedDataParallel"}
    with guarded(Allowlist()), pytest.raises(Exception, match="not allowed"):
        parser.parse_object(given)
    with guarded(Allowlist()):
        parser.parse_object({"layer": "torch.nn.ReLU"})
