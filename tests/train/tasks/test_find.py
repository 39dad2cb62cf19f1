"""Runs are loaded without naming their task."""

from inspect import signature

import pytest
import yaml

from fa_pyg.train import NormalsCLI, NormalsModule, load_best, main
from fa_pyg.train.tasks.find import TASKS, find_task

SMALL = """
model: {model: {class_path: fa_pyg.models.PointNet, init_args: {width: 0.03, transforms: false}}}
data: {shipped: true, num_points: 16, num_parts: 2, num_eval: 1, batch_size: 2}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text(SMALL)
    options = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    options += [f"--trainer.default_root_dir={tmp_path}"]
    main(["--config", str(tmp_path / "config.yaml"), *options], NormalsCLI)
    return tmp_path / "normals" / "version_0"


def changed(folder, change):
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    change(settings)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))


def test_a_run_on_normals_is_loaded(folder, capfd):
    assert isinstance(load_best(folder), NormalsModule)
    changed(folder, lambda settings: settings["data"].pop("source"))  # as of an earlier version
    assert isinstance(load_best(folder), NormalsModule)
    assert "usage" not in capfd.readouterr().err


def test_unknown_settings_are_named(folder, capfd):
    changed(folder, lambda settings: settings["data"].update(unknown=1))
    with pytest.raises(ValueError, match=r"config\.yaml: expected the settings of one of .*unknown"):
        load_best(folder)
    with pytest.raises(ValueError, match=r"config\.yaml: expected the settings of NormalsCLI.*unknown"):
        load_best(folder, NormalsCLI)
    changed(folder, lambda settings: settings.update(data={"num_points": "many"}))
    with pytest.raises(ValueError, match=r"config\.yaml: .*num_points"):
        load_best(folder)
    assert "usage" not in capfd.readouterr().err


@pytest.mark.parametrize("task", TASKS)
def test_all_tasks_are_found(task, tmp_path):

    settings = {name: dict.fromkeys(signature(getattr(task, key)).parameters) for name, key in SECTIONS}
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert find_task(config) is task
    for linked in ("seed", "targets"):  # never in a file
        settings["data"].pop(linked, None)
    config.write_text(yaml.safe_dump(settings))
    assert find_task(config) is task


SECTIONS = (("model", "module"), ("data", "data"))


def test_a_file_without_settings(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("name: x\n")
    with pytest.raises(ValueError, match="model: nothing; data: nothing"):
        find_task(config)
