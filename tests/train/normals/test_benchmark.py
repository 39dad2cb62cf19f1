"""Trainings on point clouds: done once, resumed, tested in all regimes."""

import pickle

import pytest
import torch

from fa_pyg.train import NormalsModule, load_best
from fa_pyg.train.normals.benchmark import CLIS
from fa_pyg.train.normals.evaluate import predictions, scores
from fa_pyg.train.normals.rows import find_rows
from fa_pyg.train.normals.runs import CONDITIONS, KINDS


@pytest.fixture
def rows(configs):
    return find_rows(["plain", "framed"], configs)


def done(benchmark, rows, regimes=("I",), seeds=(0,)):
    return list(benchmark.run(benchmark.tasks(rows, regimes, seeds)))


def test_a_training_and_its_lines(benchmark, rows, in_process):
    made = benchmark()
    found = dict(zip(("plain", "framed"), (lines for _, lines in done(made, rows)), strict=True))
    assert [one.condition for one in made.record.runs()] == 2 * list(CONDITIONS)
    for name, lines in found.items():
        (folder,) = made.out.glob(f"runs/*/{name}/version_0")
        module = load_best(folder, CLIS["normals"])
        clouds = made.clouds().fixed("test", rotation="O(3)")
        by_condition = {one.condition: one for one in lines}
        expected = scores(predictions(module, clouds), clouds, "normals")
        assert by_condition["O(3)"].loss == pytest.approx(expected["loss"], rel=1e-6)
        assert by_condition["O(3)"].score == pytest.approx(expected["score"], rel=1e-6)
        assert made.record.curve(lines[0].training)[0] == [1, pytest.approx(lines[0].val_loss, rel=1)]
        torch.testing.assert_close(
            made.trained(rows[name == "framed"], lines[0].training).state_dict(), module.state_dict()
        )
    losses = {name: {one.condition: one.loss for one in lines} for name, lines in found.items()}
    for name, spread, equivariant in (("framed", 1e-4, True), ("plain", 1e-3, False)):
        rotated = [losses[name][condition] for condition in ("I", "z", "SO(3)", "O(3)")]
        assert (max(rotated) - min(rotated) < spread) == equivariant
        assert (found[name][0].equivariance_median < 0.1) == equivariant


def test_regimes_are_those_of_training_and_disturbed_tests(benchmark, rows, in_process):
    made = benchmark()
    ((_, lines),) = done(made, rows[:1], ["SO(3)"])
    assert "--data.train_rotation=SO(3)" in in_process[0]
    assert {one.regime for one in lines} == {"SO(3)"}
    (folder,) = made.out.glob("runs/*/plain/version_0")
    clouds = made.clouds("SO(3)").fixed("test", noise=0.03)
    expected = scores(predictions(load_best(folder, CLIS["normals"]), clouds), clouds, "normals")
    assert {one.condition: one.loss for one in lines}["noise 0.03"] == pytest.approx(expected["loss"])


def test_finished_trainings_are_not_repeated(benchmark, rows, in_process):
    done(benchmark(), rows[:1], ["I"], [0, 1])
    assert len(in_process) == 2
    assert done(benchmark(), rows[:1], ["I"], [1, 0]) == []
    for changes in ({"epochs": 1}, {"points": 16}, {"parts": 4}, {"width": 0.04}):
        made = benchmark(**changes)
        keys = {made._training(task) for task in made.tasks(rows[:1], ["I"], [0])}
        assert not keys & {one.training for one in made.record.runs()}


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
    made = benchmark(task="classes")
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
