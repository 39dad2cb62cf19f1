"""Saved potentials: the same numbers after loading, without the packages of the training."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.models import FAENet, Potential
from fa_pyg.potential import build, load

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
class_path: fa_pyg.models.Potential
init_args:
  model:
    class_path: fa_pyg.models.FAENet
    init_args: {hidden_channels: 8, num_layers: 1, heads: {energy: scalar, mu: vector}}
  frame: {class_path: fa_pyg.WeightedPCAFrame, init_args: {group: SE(3), smoothness: forces}}
"""


@pytest.fixture
def settings():
    return yaml.safe_load(SETTINGS)


@pytest.fixture
def potential():
    net = FAENet(hidden_channels=8, num_layers=1, heads={"energy": "scalar", "mu": "vector"})
    model = Potential(net, WeightedPCAFrame("SE(3)", smoothness="forces")).eval()
    model.scales.mul_(3)
    return model


@pytest.fixture
def methane():
    pos = torch.tensor([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1.0]]) * 0.63
    return torch.tensor([6, 1, 1, 1, 1]), pos + 0.01 * torch.randn(5, 3)


def assert_same(model, other, molecule):
    found, expected = other(*molecule), model(*molecule)
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_saved_potential_gives_the_same_numbers(potential, settings, methane, tmp_path):
    potential.save(tmp_path / "a.pt", settings)
    loaded = load(tmp_path / "a.pt")
    assert not loaded.training
    assert_same(potential, loaded, methane)
    loaded.save(tmp_path / "b.pt")  # with the settings that it was loaded with
    assert_same(potential, load(tmp_path / "b.pt"), methane)


def test_a_run_can_be_saved_in_one_file(molecule_run, methane, tmp_path):
    model = load(molecule_run["folder"])
    model.save(tmp_path / "tiny.pt")
    assert_same(model, load(str(tmp_path / "tiny.pt")), methane)


def test_a_replaced_frame_is_saved_where_settings_can_describe_it(potential, settings, methane, tmp_path):
    potential.save(tmp_path / "a.pt", settings)
    smooth = load(tmp_path / "a.pt").set_frame("dynamics")
    smooth.save(tmp_path / "b.pt")
    assert_same(smooth, load(tmp_path / "b.pt"), methane)
    assert not torch.equal(smooth(*methane)["mu"], potential(*methane)["mu"])
    with pytest.raises(ValueError, match="settings: expected what the potential is built from, found None"):
        smooth.set_frame(PCAFrame("SE(3)")).save(tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()


def test_settings_of_another_network_are_refused(potential, settings, tmp_path):
    settings["init_args"]["model"]["init_args"]["hidden_channels"] = 16
    potential.save(tmp_path / "a.pt", settings)
    with pytest.raises(ValueError, match=r"a\.pt: expected a checkpoint"):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "text",
    [
        "model: {model: {class_path: os.system, init_args: {command: 'touch {canary}'}}}",
        "model: {model: !!python/object/apply:os.system ['touch {canary}']}",
        "model: {model: {class_path: torch.nn.ReLU}}",
        "data: {}",
        "[]",
    ],
)
def test_hostile_settings_in_a_saved_file_are_refused(text, tmp_path):
    content = {"potential": text.replace("{canary}", str(tmp_path / "canary")), "state_dict": {}}
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt: .*expected"):
        load(tmp_path / "a.pt")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("content", [None, [1], {"state_dict": 3}, {"potential": 3}])
def test_other_files_are_refused(content, tmp_path):
    torch.save(content, tmp_path / "a.pt")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": {"model": yaml.safe_load(SETTINGS)}}))
    with pytest.raises(ValueError, match=r"a\.pt: expected a checkpoint of"):
        load(tmp_path / "a.pt")


def test_no_error_proposes_to_read_a_file_unsafely(tmp_path):
    torch.save({"state_dict": torch.nn.Linear(1, 1)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_text("hello")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(ValueError, match=r"\.pt: expected a checkpoint of .*tensors and plain data\)$"):
            load(tmp_path / name)


def test_a_configuration_is_built_untrained(settings, methane, tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"model": {"model": settings, "lr": 0.1}}))
    assert set(build(tmp_path / "a.yaml").eval()(*methane)) == {"energy", "mu", "forces"}
    (tmp_path / "a.yaml").write_text("model: 3")
    with pytest.raises(ValueError, match=r"a\.yaml: expected .*found no model"):
        build(tmp_path / "a.yaml")


def test_old_names_of_arguments_are_read(potential, settings, methane, tmp_path):
    network = settings["init_args"]["model"]["init_args"]
    network["hidden"], network["layers"] = network.pop("hidden_channels"), network.pop("num_layers")
    potential.save(tmp_path / "a.pt", settings)
    with pytest.warns(DeprecationWarning, match="hidden= is deprecated, use hidden_channels="):
        loaded = load(tmp_path / "a.pt")
    assert_same(potential, loaded, methane)


def test_predictions_and_the_calculator_do_not_need_the_packages_of_the_training(molecule_run, tmp_path):
    """Negative control: the same process cannot import the training."""
    code = """
import sys
for name in ("lightning", "pytorch_lightning", "jsonargparse", "torchmetrics", "tensorboard"):
    sys.modules[name] = None
from ase.build import molecule
from fa_pyg.ase import FACalculator
from fa_pyg.potential.predict import main
folder, out = sys.argv[1:]
atoms = molecule("CH4")
atoms.calc = FACalculator(folder)
atoms.get_forces()
assert main([folder, "data/molecules/methane.xyz", "-o", out, "--device", "cpu"]) == 0
print("done")
import fa_pyg.train
"""
    arguments = [sys.executable, "-c", code, molecule_run["folder"], str(tmp_path / "out.xyz")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.splitlines()[-1] == "done", done.stderr
    assert "halted; None in sys.modules" in done.stderr  # the last import
