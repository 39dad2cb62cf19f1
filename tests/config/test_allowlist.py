"""What a configuration may name: public classes, and what a user trusts."""

import sys

import pytest
import torch
import yaml

from fa_pyg.ase import FACalculator
from fa_pyg.config.allowlist import Allowlist
from fa_pyg.models import FAENet, Potential
from fa_pyg.potential import load


def spec(class_path, /, **arguments):
    return {"class_path": class_path, "init_args": arguments}


def inside(model):
    return spec("fa_pyg.models.Potential", model=model, gradient=False)


OWN = """
import os
from subprocess import Popen
import torch
from fa_pyg.models import FAENet

class Net(FAENet):
    pass

def make() -> torch.nn.Module:
    return Net()

def act(x):
    return x
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of a run with a model of the user's own."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_of_trust.py").write_text(OWN)
    inner = spec("own_of_trust.Net", hidden_channels=8, num_layers=1)
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({"model": {"model": inside(inner), "weights": {"energy": 1}}})
    )
    state = Potential(FAENet(hidden_channels=8, num_layers=1), gradient=False).state_dict()
    torch.save({"state_dict": {f"model.{k}": v for k, v in state.items()}}, tmp_path / "best.ckpt")
    yield tmp_path
    sys.modules.pop("own_of_trust", None)


def test_a_model_of_ones_own_is_trusted_by_name(own):
    with pytest.raises(ValueError, match=r"found 'own_of_trust\.Net'"):
        load(own)
    assert "own_of_trust" not in sys.modules
    for trust in ("own_of_trust", ["own_of_trust.Net"], ("own_of_trust",)):
        assert "Net" in [type(one).__name__ for one in load(own, trust).modules()]
    assert FACalculator(own, trust="own_of_trust").model.gradient is False


@pytest.mark.parametrize(
    "name", ["os.system", "os", "Popen", "make", "act", "FAENet", "__builtins__", "Missing"]
)
def test_a_trusted_module_is_trusted_for_its_own_classes(name, own):
    (own / "config.yaml").write_text(
        yaml.safe_dump({"model": {"model": inside(spec(f"own_of_trust.{name}"))}})
    )
    with pytest.raises(ValueError, match=f"found 'own_of_trust.{name}'"):
        load(own, "own_of_trust")


def test_a_function_is_trusted_by_its_full_name(own):
    assert Allowlist("own_of_trust.act").find("own_of_trust.act")(3) == 3
    assert Allowlist("own_of_trust").find("own_of_trust.act") is None


@pytest.mark.parametrize(
    "trust", ["", "*", "a b", "os;system", ".", "os.", 3, "no_such_module", "os.no_such", None]
)
def test_what_is_no_name_cannot_be_trusted(trust):
    with pytest.raises(ValueError, match="trust: expected"):
        Allowlist([trust])


def test_nothing_on_the_list_makes_code_of_its_arguments():
    """Of a new version of PyTorch Geometric, too: constructors that run, import or download by name."""
    import inspect
    import re

    odd = re.compile(
        r"\b(exec|eval|open|compile|__import__)\(|import_module|jinja|torch\.load|from_pretrained|hub\."
    )
    found = set()
    for one in set(Allowlist(training=True).known.values()):
        if inspect.isclass(one) and "__init__" in vars(one) and not one.__module__.startswith("fa_pyg"):
            code = re.sub(r'r?"""(?s:.*?)"""', "", inspect.getsource(one.__init__))
            found |= {(one.__name__, match[0]) for match in odd.finditer(code)}
    # PyG 2.5 compiles the methods of the class itself, and no arguments.
    assert found <= {("MessagePassing", "jinja")}


def test_old_paths_of_modules_are_listed():
    allowed = Allowlist()
    assert allowed.find("fa_pyg.models.potential.Potential") is Potential
    assert allowed.find("fa_pyg.models.molecules.potential.Potential") is Potential
    assert allowed.find("fa_pyg.models.potential.Units") is None


def test_only_configurations_of_trainings_may_name_lightning():
    names = ("fa_pyg.train.EMA", "lightning.pytorch.callbacks.Timer")
    assert not any(map(Allowlist().find, names))
    assert all(map(Allowlist(training=True).find, names))
