"""Rows by name or file, and what a configuration says of its training."""

from pathlib import Path

import pytest

from fa_pyg.train.nbody.rows import KINDS, ROWS, Recipe, Row, find_rows

CONFIGS = Path(__file__).parents[3] / "configs" / "nbody"


def test_the_rows_of_the_table():
    assert len({row.name for row in ROWS}) == len({row.title for row in ROWS}) == len(ROWS)
    assert all(row.kind in KINDS and (row.published is None or row.source) for row in ROWS)
    found = find_rows(None, CONFIGS)
    assert [row.name for row in found] == [r.name for r in ROWS if (CONFIGS / f"{r.name}.yaml").is_file()]
    assert {"linear", "gnn", "fa_gnn"} <= {row.name for row in found}


def test_some_rows_in_the_order_of_the_table_and_others_after_them(configs):
    mine = str(configs / "tiny.yaml")
    found = find_rows(["fa_gnn_full", mine, "fa_gnn", "linear", "linear"], CONFIGS)
    assert [row.name for row in found] == ["linear", "fa_gnn", "fa_gnn_full", "tiny"]
    assert [row.kind for row in found[2:]] == ["others", "others"]
    assert found[1].title == "FA-GNN"
    assert found[3].path == configs / "tiny.yaml"


@pytest.mark.parametrize("name", ["nothing", "", "../nbody/gnn", "nothing.yaml", "."])
def test_a_name_without_a_configuration(name):
    with pytest.raises(ValueError, match=r"^--rows: expected YAML files, or some of egnn, .*found"):
        find_rows([name], CONFIGS)


@pytest.mark.parametrize("name", ["my row", "-x", "_x", "größe", "a,b", "a\nb"])
def test_names_that_the_record_cannot_have_are_refused_before_a_training(name, configs):
    (configs / f"{name}.yaml").write_text("trainer: {max_epochs: 1}")
    for given in (name, str(configs / f"{name}.yaml")):
        with pytest.raises(ValueError, match=r"^--rows: expected names of ASCII letters.*, found"):
            find_rows([given], configs)


def test_two_files_of_one_name(configs):
    (configs / "gnn.yaml").write_text("trainer: {max_epochs: 1}")
    with pytest.raises(ValueError, match="--rows: expected one file of the name gnn, found"):
        find_rows(["gnn", str(configs / "gnn.yaml")], CONFIGS)


def recipe(path, text):
    path.write_text(text)
    return Recipe.read(Row(path.stem, "a", path=path))


def test_recipe(tmp_path):
    path = tmp_path / "a.yaml"
    text = "model: {lr: 0.1, schedule: cosine}\ntrainer: {max_epochs: 7, check_val_every_n_epoch: 5}"
    found = recipe(path, text)
    assert (found.epochs, found.every, found.schedule) == (7, 5, "cosine")
    same = ["# a comment\n" + text, text.replace("7", "9"), "name: b\n" + text]
    assert {recipe(path, other).digest for other in same} == {found.digest}
    others = [text.replace("0.1", "0.2"), text.replace("5}", "4}"), text + "\ndata: {batch_size: 9}"]
    assert len({found.digest, *(recipe(path, other).digest for other in others)}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer: {}", "a.yaml: trainer.max_epochs: expected an integer >= 0, found None"),
        ("trainer: {max_epochs: -1}", "a.yaml: trainer.max_epochs: expected"),
        ("trainer: 3", "a.yaml: trainer: expected settings by their names, found 3"),
        ("model: [1]\ntrainer: {max_epochs: 1}", "a.yaml: model: expected settings"),
        ("- 1", "a.yaml: expected settings by their names"),
    ],
)
def test_a_wrong_configuration_is_named(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        recipe(tmp_path / "a.yaml", text)
