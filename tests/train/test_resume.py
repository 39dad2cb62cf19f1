"""Where runs live, and the checkpoint to resume from."""

import os

import pytest
import torch

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.train import MoleculeModule
from fa_pyg.train.resume import check_files, check_settings, resumed_step, run_folder


def test_folders_of_runs(tmp_path):
    assert run_folder(tmp_path, None) == (tmp_path / "version_0", None)
    with pytest.raises(ValueError, match="expected a checkpoint, found none"):
        run_folder(tmp_path, "last")
    for number in (0, 2, 10):
        (tmp_path / f"version_{number}").mkdir()
        if number < 10:  # the newest has got nowhere yet
            (tmp_path / f"version_{number}" / "last.ckpt").touch()
    assert run_folder(tmp_path, None) == (tmp_path / "version_11", None)
    found = tmp_path / "version_2" / "last.ckpt"
    assert run_folder(tmp_path, "last") == (found.parent, found)
    (tmp_path / "version_old").mkdir()  # somebody's own
    assert run_folder(tmp_path, "last") == (found.parent, found)
    first = tmp_path / "version_0" / "last.ckpt"
    assert run_folder(tmp_path, str(first.parent)) == (first.parent, first)
    assert run_folder(tmp_path, str(first)) == (first.parent, first)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_what_is_no_checkpoint_is_named(content, tmp_path):
    path = tmp_path / "some.ckpt"
    path.write_bytes(content) if content is not None else torch.save({"weights": 1}, path)
    with pytest.raises(ValueError, match=r"--ckpt_path: expected a checkpoint, found .*some\.ckpt"):
        resumed_step(path)


def test_settings_that_may_change_and_those_that_may_not(tmp_path):
    begun = "trainer: {devices: 1, callbacks: []}\nmodel: {lr: 0.1}\ndata: {root: a}\n"
    (tmp_path / "config.yaml").write_text(begun)
    check_settings(tmp_path, begun.replace("devices: 1", "devices: 2").replace("root: a", "root: b"))
    check_settings(tmp_path / "elsewhere", "model: {lr: 9}")
    check_settings(tmp_path, begun.replace("lr: 0.1", "lr: 0.1, later: null"))  # an option that came later
    with pytest.raises(
        ValueError, match=r"model.lr \(started with 0.1, now 0.2\), model.decay .*nothing, now 1"
    ):
        check_settings(tmp_path, begun.replace("lr: 0.1", "lr: 0.2, decay: 1"))


def test_a_class_that_moved_is_the_same(tmp_path):
    paths = ("fa_pyg.models.Potential", "fa_pyg.models.molecules.potential.Potential", "fa_pyg.models.FAENet")
    old, new, other = (f"model: {{model: {{class_path: {path}}}}}" for path in paths)
    (tmp_path / "config.yaml").write_text(old)
    check_settings(tmp_path, new, find=Allowlist().find)
    for text, find in ((other, Allowlist().find), (new, lambda name: None)):
        with pytest.raises(ValueError, match=r"started with fa_pyg\.models"):
            check_settings(tmp_path, text, find=find)


def test_options_that_are_newer_than_the_run_have_their_default(tmp_path):
    frame = "{class_path: fa_pyg.Sample, init_args: {k: 2%s}}"
    text = "model: {model: {class_path: fa_pyg.models.Potential, init_args: {frame: %s}}, lr: 0.1%s}"
    (tmp_path / "config.yaml").write_text(text % (frame % "", ""))
    given = {"sections": {"model": MoleculeModule}, "find": Allowlist().find}
    check_settings(tmp_path, text % (frame % ", eval_k: null", ", consistency: 0.0"), **given)
    for changed, key in (
        (text % (frame % "", ", consistency: 0.1"), "model.consistency"),
        (text % (frame % ", eval_k: 2", ""), "eval_k"),
        (text % (frame.replace("fa_pyg.Sample", "somebody.Sample") % ", eval_k: null", ""), "class_path"),
        (text % (frame % "", ", nothing: 0.0"), "model.nothing"),
    ):
        with pytest.raises(ValueError, match=rf"{key} \(started with"):
            check_settings(tmp_path, changed, **given)


@pytest.mark.parametrize(
    "name", ["best.ckpt", "last.ckpt", "metrics.csv", "loss.png", "results.json", "config.yaml"]
)
@pytest.mark.parametrize("kind", ["link", "link to nothing", "pipe"])
def test_a_run_goes_on_in_files_and_not_where_links_lead(name, kind, tmp_path):
    folder, victim = tmp_path / "run", tmp_path / "victim"
    folder.mkdir()
    (folder / "events.out.tfevents").symlink_to(victim)  # which nobody opens
    (folder / "plots.png").mkdir()
    check_files(folder)
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to(victim)
        victim.touch() if kind == "link" else None
    with pytest.raises(ValueError, match=rf"--ckpt_path: expected files of a run.*{name}"):
        check_files(folder)


WHOLE = {"epoch": 1, "global_step": 7, "pytorch-lightning_version": "2.6.6", "state_dict": {}, "loops": {}}
WHOLE |= {"callbacks": {}, "optimizer_states": [], "lr_schedulers": []}


@pytest.mark.parametrize("key", WHOLE)
@pytest.mark.parametrize("wrong", ["missing", "of another kind"])
def test_a_checkpoint_without_its_parts_is_named(key, wrong, tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save(WHOLE, path)
    assert resumed_step(path) == 7
    torch.save({name: value for name, value in WHOLE.items() if name != key} | {"x": 1}, path)
    if wrong != "missing":
        torch.save(WHOLE | {key: b"no"}, path)
    with pytest.raises(ValueError, match=r"--ckpt_path: expected a checkpoint.*last\.ckpt"):
        resumed_step(path)
