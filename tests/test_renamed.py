"""Old names of arguments: in calls, in configurations of runs, and in rows of tables."""

from __future__ import annotations

import inspect
import warnings

import pytest
import torch
import yaml

from fa_pyg import models
from fa_pyg.config import plain
from fa_pyg.renamed import old_names, renamed
from fa_pyg.train import MoleculeCLI
from fa_pyg.train.resume import check_settings
from fa_pyg.train.separation.rows import Row, factory

GRAPHS = {"in_channels": 2, "num_layers": 2, "out_channels": 3}
OLD = {
    "AdjacencyMLP": {**GRAPHS, "hidden": 6, "max_nodes": 4},
    "ChebNet": {**GRAPHS, "hidden": 6},
    "ConvStack": {"convs": [], "in_channels": 2, "width": 2, "out_channels": 3},
    "FAENet": {"hidden": 6, "layers": 1, "num_radial": 4},
    "FAGNN": {"hidden": 6, "layers": 1},
    "GAT": {**GRAPHS, "hidden": 8},
    "GCN": {**GRAPHS, "hidden": [6, 5]},
    "GIN": {**GRAPHS, "hidden": 6},
    "GNN": {"hidden": 6, "layers": 1},
    "GNNML3": {**GRAPHS, "hidden": 6},
    "NequIP": {"channels": 4, "layers": 1},
    "PPGN": {**GRAPHS, "hidden": 6},
}


def made(name: str, **arguments: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return getattr(models, name)(**arguments).state_dict()


def test_all_models_with_old_names_are_listed():
    assert set(OLD) == {name for name in models.__all__ if old_names(getattr(models, name))}


@pytest.mark.parametrize("name", OLD)
def test_old_names_build_the_same_weights(name):
    if name == "NequIP":
        pytest.importorskip("e3nn")
    names = old_names(getattr(models, name))
    with pytest.warns(DeprecationWarning, match=r"\w+= is deprecated, use \w+="):
        old = made(name, **OLD[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        new = made(name, **{names.get(key, key): value for key, value in OLD[name].items()})
    assert old.keys() == new.keys()
    assert all(torch.equal(value, new[key]) for key, value in old.items())


@pytest.mark.parametrize("name", OLD)
def test_signatures_show_new_names_only(name):
    shown, names = inspect.signature(getattr(models, name)).parameters, old_names(getattr(models, name))
    assert set(names.values()) <= set(shown)
    assert not set(names) & set(shown)


@pytest.mark.parametrize(
    ("args", "given"),
    [((), {"hidden": 6, "hidden_channels": 6}), ((6,), {"hidden": 6}), ((6, 1), {"layers": 1})],
)
def test_both_names_are_refused(args, given):
    with pytest.raises(ValueError, match=r"(hidden|layers): expected \w+ alone, found both"):
        models.FAENet(*args, **given)


def test_warnings_point_at_the_call(recwarn):
    @renamed(old="new")
    def call(new: int) -> int:
        return new

    assert call(old=3) == 3
    assert [(one.category, one.filename) for one in recwarn] == [(DeprecationWarning, __file__)]


# --------------------------------------------------------------------------------- configurations

NETWORK = "{class_path: fa_pyg.models.FAENet, init_args: {hidden: 8, layers: 1}}"


def test_settings_are_read_with_new_names():
    with pytest.warns(DeprecationWarning, match=r"^a\.yaml: fa_pyg\.models\.FAENet: hidden= is deprecated"):
        found = plain.parse(f"model: {{model: {NETWORK}, more: [{NETWORK}]}}", "a.yaml")
    network = {"class_path": "fa_pyg.models.FAENet", "init_args": {"hidden_channels": 8, "num_layers": 1}}
    assert found == {"model": {"model": network, "more": [network]}}


@pytest.mark.parametrize("path", ["fa_pyg.models.faenet.FAENet", "fa_pyg.models.molecules.faenet.FAENet"])
def test_old_and_full_paths_of_classes_are_known(path):
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        found = plain.parse(f"model: {NETWORK.replace('fa_pyg.models.FAENet', path)}", "a.yaml")
    assert found["model"]["init_args"] == {"hidden_channels": 8, "num_layers": 1}


@pytest.mark.parametrize("path", ["my_net.FAENet", "fa_pyg.models.Potential", "fa_pyg.models.nothing", "7"])
def test_arguments_of_other_classes_stay(path):
    given = {"class_path": path, "init_args": {"hidden": 8, "layers": 1}}
    assert plain.parse(yaml.safe_dump({"model": given}), "a.yaml") == {"model": given}


def test_both_names_in_settings_are_refused():
    text = f"model: {NETWORK.replace('layers: 1', 'hidden_channels: 8')}"
    with pytest.raises(
        ValueError, match=r"^a\.yaml: fa_pyg\.models\.FAENet: hidden: expected hidden_channels"
    ):
        plain.parse(text, "a.yaml")


def old_text(text: str) -> str:
    return text.replace("hidden_channels", "hidden").replace("num_layers", "layers")


def test_a_run_with_old_names_is_that_with_new_ones(molecule_root, molecule_arguments, tmp_path):
    """The command line of a training, of which jsonargparse reads the file, and the saved configuration."""
    text = (molecule_root / "tiny.yaml").read_text()
    (tmp_path / "old.yaml").write_text(old_text(text))
    args = molecule_arguments()
    new = MoleculeCLI(args)
    with pytest.warns(DeprecationWarning, match="layers= is deprecated"):
        old = MoleculeCLI([args[0], str(tmp_path / "old.yaml"), *args[2:]])
    saved = new.parser.dump(new.config)
    assert "hidden_channels: 8" in saved
    assert saved == old.parser.dump(old.config)
    with pytest.warns(DeprecationWarning, match="--config: fa_pyg"):  # text in place of a file
        text_given = MoleculeCLI([args[0], old_text(text), *args[2:]])
    assert saved == text_given.parser.dump(text_given.config)
    (tmp_path / "config.yaml").write_text(old_text(saved))  # a run begun with old names
    with pytest.warns(DeprecationWarning, match="hidden= is deprecated"):
        check_settings(tmp_path, saved)


def test_a_row_of_a_table_with_old_names(tmp_path):
    model = {"class_path": "fa_pyg.models.GIN", "init_args": OLD["GIN"]}
    (tmp_path / "gin.yaml").write_text(yaml.safe_dump({"title": "GIN", "graph8c": {"model": model}}))
    with pytest.warns(DeprecationWarning, match="hidden= is deprecated"):
        row = Row.read(tmp_path / "gin.yaml")
    assert isinstance(factory(row.parts["graph8c"])().model, models.GIN)
