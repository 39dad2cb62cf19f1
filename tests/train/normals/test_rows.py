"""Rows of the tables, and their size."""

from pathlib import Path

import pytest

from fa_pyg.config.plain import read
from fa_pyg.train.normals.benchmark import build
from fa_pyg.train.normals.rows import ROWS, find_rows, resized

CONFIGS = Path(__file__).parents[3] / "configs" / "normals"
SIZED = [row.name for row in ROWS]


def test_every_row_has_a_configuration_and_every_configuration_a_row():
    assert [row.name for row in find_rows(None, CONFIGS)] == SIZED
    assert sorted(SIZED) == sorted(path.stem for path in CONFIGS.glob("*.yaml"))
    assert {row.backbone for row in ROWS} - {None} <= set(SIZED)


@pytest.mark.parametrize("name", SIZED)
def test_every_row_can_be_built_at_any_size_for_both_tasks(name):
    path = CONFIGS / f"{name}.yaml"
    small, smaller = (build(resized(path, width, 5), "normals", path) for width in (0.1, 0.05))
    counts = [sum(p.numel() for p in module.parameters()) for module in (small, smaller)]
    assert counts[0] > 1.5 * counts[1]
    classes = build(resized(path, 0.05, 5, 7), "classes", path)
    assert list(classes.parameters())[-1].shape == (7,)


def test_the_size_goes_to_networks_alone():
    path = CONFIGS / "fa_dgcnn_haar.yaml"
    found = resized(path, 0.25, 16)["model"]["model"]["init_args"]
    assert (found["width"], found["k"]) == (0.25, 16)
    assert found["frame"] == read(path)["model"]["model"]["init_args"]["frame"]  # its k is that of frames
    assert resized(path) == read(path)
    assert "k" not in resized(CONFIGS / "pointnet.yaml", 0.25, 16)["model"]["model"]["init_args"]


def test_a_configuration_without_such_a_network(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("model: {model: {class_path: torch.nn.Linear, init_args: {in_features: 3}}}")
    assert resized(path)["model"]
    with pytest.raises(
        ValueError, match=r"mine.yaml: model.model: expected a network with an argument width"
    ):
        resized(path, width=0.5)
