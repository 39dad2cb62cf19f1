"""Runs: done once, resumed exactly, measured, side by side."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from subprocess import CalledProcessError

import pytest
import torch

from fa_pyg.files.lock import locked
from fa_pyg.train import NBodyModule, compare, load_best
from fa_pyg.train.benchmark import side_by_side
from fa_pyg.train.logs import read_metrics
from fa_pyg.train.nbody import benchmark as module
from fa_pyg.train.nbody.evaluate import system_errors
from fa_pyg.train.nbody.rows import find_rows
from fa_pyg.train.nbody.runs import stem


@pytest.fixture
def rows(configs):
    return find_rows(["tiny", "still"], configs)


def done(benchmark, rows, seeds=(0,), jobs=1):
    return list(benchmark.run(benchmark.tasks(rows, seeds), jobs))


def test_a_run_and_its_line(benchmark, rows, in_process):
    made = benchmark()
    ((_, run),) = done(made, rows[:1], [3])
    assert made.record.runs() == [run]
    assert (run.name, run.seed, run.epochs, run.data) == ("tiny", 3, 6, (20, 20, 5))
    assert run.cpu_seconds == 1.5
    (folder,) = made.out.glob("runs/*/tiny/version_0")
    results = json.loads((folder / "results.json").read_text())
    assert {key: results[key] for key in ("test_mse", "val_mse", "best_epoch", "parameters")} == {
        key: getattr(run, key) for key in ("test_mse", "val_mse", "best_epoch", "parameters")
    }
    details = made.record.details(run)
    torch.testing.assert_close(details.errors, system_errors(load_best(folder), made.splits().split("test")))
    assert run.test_mse == pytest.approx(float(details.errors.mean()), rel=1e-5)
    assert run.equivariance > 1e-3  # it has no frames
    # Validations: at least twenty a run, or every epoch.
    curve = {int(row["epoch"]) + 1: float(row["val/mse"]) for row in read_metrics(folder) if "val/mse" in row}
    assert dict(zip(details.epochs.tolist(), details.val.tolist(), strict=True)) == curve
    assert list(curve) == [1, 2, 3, 4, 5, 6]
    trained = made.trained(rows[0], run)
    torch.testing.assert_close(trained.state_dict(), load_best(folder).state_dict())
    assert made.trained(rows[0], replace(run, seed=9)) is None


NEAR = """
name: near
model:
  model:
    class_path: fa_pyg.models.KinematicGNN
    init_args: {hidden_channels: 4, num_layers: 1, velocity: true}
  target: [y, y_vel]
data: {num_neighbors: 2, velocities: true, batch_size: 7}
trainer: {max_epochs: 1}
"""


def test_a_row_is_evaluated_on_its_edges(benchmark, configs, in_process):
    (configs / "near.yaml").write_text(NEAR)
    made, (row,) = benchmark(), find_rows(["near"], configs)
    ((_, run),) = done(made, [row])
    (folder,) = made.out.glob("runs/*/near/version_0")
    assert run.test_mse == pytest.approx(float(made.record.details(run).errors.mean()), rel=1e-5)
    everything = system_errors(load_best(folder), made.splits().split("test"))
    assert run.test_mse != pytest.approx(float(everything.mean()), rel=1e-4)  # the control: all pairs
    assert run.equivariance > 1e-3


def test_finished_runs_are_not_repeated(benchmark, rows, in_process):
    done(benchmark(), rows, [0, 1])
    assert len(in_process) == 2
    assert [(r.name, r.seed) for r in benchmark().record.runs()] == [("tiny", 0), ("still", 0), ("tiny", 1)]
    assert done(benchmark(), rows, [0, 1, 1]) == []
    for changes in ({"epochs": 2}, {"train_samples": 10}, {"eval_samples": 10}):
        made = benchmark(**changes)
        assert not {made._key(task) for task in made.tasks(rows[:1], [0, 1])} & {
            r.key for r in made.record.runs()
        }


def test_a_run_killed_before_its_line_is_written_is_not_trained_again(benchmark, rows, in_process):
    ((_, run),) = done(benchmark(), rows[:1])
    benchmark().record.path.unlink()
    assert [found for _, found in done(benchmark(), rows[:1])] == [run]
    assert len(in_process) == 1


def test_an_interrupted_run_is_resumed_exactly(benchmark, rows, in_process, monkeypatch):
    step = NBodyModule.training_step

    def stop(self, batch, batch_idx):
        if self.current_epoch == 3:
            raise InterruptedError("by a test\nand more")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(NBodyModule, "training_step", stop)
        ((_, text),) = done(benchmark(), rows[:1])
    assert text == "InterruptedError: by a test"
    assert benchmark().record.runs() == []
    (_, parts), (_, whole) = *done(benchmark(), rows[:1]), *done(benchmark("other"), rows[:1])
    assert in_process[1][-2:] == ["--ckpt_path", "last"]
    assert parts == whole
    found = [benchmark(out).record.details(parts) for out in ("out", "other")]
    torch.testing.assert_close(vars(found[0]), vars(found[1]), rtol=0, atol=0)


def test_a_model_without_learning_is_evaluated_once(benchmark, rows, in_process):
    made = benchmark(epochs=5, minutes=1)
    ((task, run),) = done(made, rows[1:], [4, 5])
    assert in_process == []
    assert (task.epochs, run.epochs, run.best_epoch, run.seed, run.parameters) == (0, 0, 0, 0, 0)
    data = made.splits()
    for name, error in (("val", run.val_mse), ("test", run.test_mse)):
        x, v, y = (torch.cat([one[key] for one in data.split(name)]) for key in ("pos", "vel", "y"))
        assert error == pytest.approx(float((x + v - y).square().mean()), rel=1e-5)  # as Linear starts
    assert run.equivariance < 1e-5


def test_epochs_that_fit_are_measured_once(benchmark, rows, in_process, monkeypatch):
    seen = []

    def seconds(make, arguments, steps=20):
        seen.append(arguments)
        return 20.0

    monkeypatch.setattr(compare, "seconds_per_epoch", seconds)
    assert [task.epochs for task in benchmark(minutes=1).tasks(rows[:1], [0, 1])] == [3, 3]
    assert len(seen) == 1
    assert "--data.num_train=20" in seen[0]
    assert [task.epochs for task in benchmark(minutes=1).tasks(rows[:1], [2])] == [3]
    assert len(seen) == 1
    assert benchmark(minutes=9).tasks(rows[:1], [0])[0].epochs == 6  # no more than the configuration has
    assert benchmark(minutes=9, epochs=20).tasks(rows[:1], [0])[0].epochs == 20
    assert benchmark(minutes=9, epochs=99).tasks(rows[:1], [0])[0].epochs == 27
    assert benchmark(epochs=99).tasks(rows[:1], [0])[0].epochs == 99


def test_a_configuration_that_changes_meanwhile_is_refused(benchmark, rows, in_process):
    tasks = benchmark().tasks(rows[:1], [0])
    rows[0].path.write_text(rows[0].path.read_text().replace("cosine", "null"))
    ((_, text),) = benchmark().run(tasks)
    assert "tiny.yaml: expected the settings of the start, found others" in text
    ((_, run),) = done(benchmark(), rows[:1])
    assert run.settings != tasks[0].recipe.digest


def test_a_run_of_another_process_is_left_to_it(benchmark, rows, in_process):
    made = benchmark()
    (task,) = made.tasks(rows[:1], [0])
    folder = made.out / "runs" / stem(*made._key(task))
    folder.mkdir(parents=True)
    with locked(folder / ".lock"):
        ((_, text),) = made.run([task])
    assert text.startswith("TimeoutError: ")
    assert "held by process" in text
    assert in_process == []


def test_a_training_that_fails_does_not_end_the_others(benchmark, rows, monkeypatch):
    def fails(command, keep):
        raise CalledProcessError(3, command)

    monkeypatch.setattr(compare, "_timed", fails)
    (_, text), (_, run) = done(benchmark(), rows)
    assert text == "expected a training to end well, found exit status 3"
    assert run.name == "still"


def test_side_by_side(benchmark, rows, monkeypatch):
    """In threads, which start sooner than processes; those take what can be pickled."""
    made, tasks = benchmark(), benchmark().tasks(rows, [0, 1])

    def outcome(self, task):
        if task.seed:
            raise BrokenPipeError("killed\nby the system")
        return f"{task.row.name} done"

    assert pickle.loads(pickle.dumps((made, tasks))) == (made, tasks)
    monkeypatch.setattr(side_by_side, "ProcessPoolExecutor", lambda jobs, *others: ThreadPoolExecutor(jobs))
    monkeypatch.setattr(module.Benchmark, "outcome", outcome)
    found = {(task.row.name, task.seed): text for task, text in made.run(tasks, jobs=2)}
    assert found == {
        ("tiny", 0): "tiny done",
        ("still", 0): "still done",
        ("tiny", 1): "BrokenPipeError: killed",
    }
