"""Trainings on point clouds: done once, resumed, tested in all regimes."""

import pickle
from dataclasses import replace

import pytest
import torch

from fa_pyg.train import NormalsModule, load_best
from fa_pyg.train.normals.benchmark import CLIS
from fa_pyg.train.normals.evaluate import predictions, scores
from fa_pyg.train.normals.runs import CONDITIONS, KINDS


def done(benchmark, rows, regimes=("I",), seeds=(0,)):
    return list(benchmark.run(benchmark.tasks(rows, regimes, seeds)))


def test_trainings_and_their_lines(finished):
    made, rows, lines = finished
    assert str(made.record.runs()) == str(lines[0] + lines[1])  # nan is not equal to itself
    for row, of_row in zip(rows, lines, strict=True):
        assert [one.condition for one in of_row] == list(CONDITIONS)
        (folder,) = made.out.glob(f"runs/*/{row.name}/version_0")
        module, clouds = load_best(folder, CLIS["normals"]), made.clouds().fixed("test", rotation="O(3)")
        expected = scores(predictions(module, clouds), clouds, "normals")
        found = {one.condition: one for one in of_row}["O(3)"]
        assert (found.loss, found.score) == pytest.approx((expected["loss"], expected["score"]), rel=1e-5)
        curve = made.record.curve(found.training)
        assert (min(loss for _, loss in curve), [epoch for epoch, _ in curve]) == (found.val_loss, [1, 2])
        again = made.trained(row, found.training)
        torch.testing.assert_close(again.state_dict(), module.state_dict())


def test_frames_do_not_see_the_regime_of_the_test(finished):
    for equivariant, of_row in zip((False, True), finished[2], strict=True):
        rotated = [one.loss for one in of_row if one.condition in ("I", "z", "SO(3)", "O(3)")]
        assert (max(rotated) - min(rotated) < 1e-4) == equivariant
        assert (of_row[0].equivariance_median < 0.1) == equivariant


def test_finished_trainings_are_not_repeated(finished, in_process):
    made, rows, lines = finished
    assert done(made, rows) == in_process == []
    trained = {of_row[0].training for of_row in lines}
    for changes in ({"epochs": 1}, {"points": 16}, {"parts": 4}, {"width": 0.04}, {"k": 3}):
        other = replace(made, **changes)
        assert not {other._training(task) for task in other.tasks(rows, ["I"], [0])} & trained
    assert not {made._training(task) for task in made.tasks(rows, ["z"], [0])} & trained


def test_regimes_are_those_of_training_and_disturbed_tests(benchmark, rows, in_process):
    made = benchmark(epochs=1)
    ((_, lines),) = done(made, rows[:1], ["SO(3)"])
    assert "--data.train_rotation=SO(3)" in in_process[0]
    assert {one.regime for one in lines} == {"SO(3)"}
    (folder,) = made.out.glob("runs/*/plain/version_0")
    clouds = made.clouds("SO(3)").fixed("test", noise=0.03)
    expected = scores(predictions(load_best(folder, CLIS["normals"]), clouds), clouds, "normals")
    assert {one.condition: one.loss for one in lines}["noise 0.03"] == pytest.approx(expected["loss"])


def test_an_interrupted_training_is_resumed_exactly(benchmark, rows, in_process, monkeypatch):
    step = NormalsModule.training_step

    def stop(self, batch, batch_idx):
        if self.current_epoch == 2:
            raise InterruptedError("by a test")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(NormalsModule, "training_step", stop)
        ((_, text),) = done(benchmark(), rows[:1])
    assert text == "InterruptedError: by a test"
    (_, parts), (_, whole) = *done(benchmark(), rows[:1]), *done(benchmark("other"), rows[:1])
    assert in_process[1][-2:] == ["--ckpt_path", "last"]
    assert str(parts) == str(whole)  # nan is not equal to itself


def test_classes(benchmark, rows, in_process):
    made = benchmark(task="classes", epochs=1)
    ((_, lines),) = done(made, rows[1:])
    assert made.settings(rows[1])["model"]["model"]["init_args"]["num_classes"] == made.families == 23
    scores = {one.condition: one.score for one in lines}
    assert all(0 <= one <= 1 for one in scores.values())
    assert scores["I"] == scores["SO(3)"]
    assert lines[0].equivariance < 1e-3
    assert str(lines[0].plane) == "nan"


def test_time_decides_on_epochs(benchmark, rows, monkeypatch):
    from fa_pyg.train import compare

    monkeypatch.setattr(compare, "seconds_per_epoch", lambda make, arguments: 6.0)

    def epochs(**settings):
        return benchmark(**settings).tasks(rows[:1], ["I"], [0])[0].epochs

    assert epochs() == 3
    assert epochs(minutes=0.2) == 2
    assert epochs(minutes=1) == 3
    assert epochs(minutes=1, equal_time=True) == 10
    assert epochs(minutes=0.2, epochs=1) == 1


def test_other_processes_get_no_points(benchmark, rows):
    made = benchmark()
    tasks = made.tasks(rows, ["I"], [0])
    assert made.data.parts == 8
    sent = pickle.dumps((made, tasks))
    assert len(sent) < 10_000
    again, tasks = pickle.loads(sent)
    assert (again, again.data) == (made, made.data)
    assert again._training(tasks[0]) == made._training(tasks[0])


def test_a_configuration_that_has_changed(benchmark, rows):
    made = benchmark()
    (task,) = made.tasks(rows[:1], ["I"], [0])
    rows[0].path.write_text(rows[0].path.read_text().replace("{transforms", "{pool: mean, transforms"))
    ((_, text),) = made.run([task])
    assert "expected the settings of the start, found others" in text


def test_angles_by_kind_of_surface(benchmark):
    clouds = benchmark().clouds().fixed("test")
    normal = clouds.normal.flatten(0, 1)
    exact = scores(normal, clouds, "normals")
    assert exact["loss"] < 1e-6
    kinds = clouds.surface.flatten()
    wrong = torch.where((kinds == 0).unsqueeze(1), normal.roll(1, 1), normal)
    found = scores(wrong, clouds, "normals")
    for i, name in enumerate(KINDS):
        if not (kinds == i).any():
            assert str(found[name]) == "nan"
        else:
            assert (found[name] > 1) == (name == "plane")
    assert found["score"] > 1
