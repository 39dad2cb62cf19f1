"""For tests of the benchmark on point clouds: small networks, trained in this process on shipped parts."""

from dataclasses import replace

import pytest

from fa_pyg.train import compare, main
from fa_pyg.train.normals.benchmark import CLIS, TRAININGS, Benchmark
from fa_pyg.train.normals.rows import find_rows
from fa_pyg.train.normals.runs import CONDITIONS, Run

PLAIN = """
name: plain
model: {model: {class_path: fa_pyg.models.PointNet, init_args: {transforms: false}}}
trainer: {max_epochs: 3}
"""
FRAMED = """
# In frames.
name: framed
model: {model: {class_path: fa_pyg.models.FAPointNet}}
trainer: {max_epochs: 3}
"""


def write_configs(folder):
    """Writes a plain network and one in frames."""
    folder.mkdir()
    for name, text in (("plain", PLAIN), ("framed", FRAMED)):
        (folder / f"{name}.yaml").write_text(text)
    return folder


def small_benchmark(folder, **settings):
    """Returns a benchmark on few points of few parts."""
    small = {"parts": 8, "evaluated": 3, "points": 32, "width": 0.03, "batch_size": 4, **settings}
    small = {"shipped": True, "splitting": "random", **small}
    return Benchmark(folder, folder / "none", **small)


def watched(seen):
    """Returns what trains in this process, and adds its command line to a list."""
    clis = {training: CLIS[task] for task, training in TRAININGS.items()}

    def timed(command, keep):
        seen.append(list(map(str, command[command.index("--config") :])))
        main(seen[-1], clis[command[command.index("train") + 1]])
        return 1.5

    return timed


@pytest.fixture
def configs(tmp_path):
    return write_configs(tmp_path / "configs")


@pytest.fixture
def rows(configs):
    return find_rows(["plain", "framed"], configs)


@pytest.fixture
def benchmark(tmp_path):
    return lambda out="out", **settings: small_benchmark(tmp_path / out, **settings)


@pytest.fixture
def in_process(monkeypatch):
    """Trainings in this process, where they can be watched; returns the list of their command lines."""
    seen = []
    monkeypatch.setattr(compare, "_timed", watched(seen))
    return seen


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A benchmark of which both rows are trained upright, the rows, and the lines of each."""
    folder = tmp_path_factory.mktemp("finished")
    made = small_benchmark(folder / "out", epochs=2)
    found = find_rows(["plain", "framed"], write_configs(folder / "configs"))
    found = [found[0], replace(found[1], backbone="plain")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "_timed", watched([]))
        lines = [lines for _, lines in made.run(made.tasks(found, ["I"], [0]))]
    return made, found, lines


@pytest.fixture
def run():
    """A run with any figures."""
    size = {"task": "normals", "splitting": "family", "parts": 8, "evaluated": 3, "points": 32, "width": 0.5}
    one = Run(
        "plain", 0, "I", **size, k=0, epochs=20, settings="0123abcd", condition="I", loss=0.2, score=25.0,
        plane=20.0, cylinder=30.0, cone=float("nan"), sphere=1.0, torus=2.0, spline=3.0, other=4.0,
        best_epoch=9, val_loss=0.3, equivariance=30.0, equivariance_median=20.0, parameters=7,
        cpu_seconds=90.0,
    )  # fmt: skip
    return lambda **changes: replace(one, **changes)


@pytest.fixture
def runs(run):
    """Runs in all conditions, of a loss that tells which."""

    def make(**changes):
        first = changes.pop("loss", 0.2)
        return [run(condition=name, loss=first + i / 100, **changes) for i, name in enumerate(CONDITIONS)]

    return make
