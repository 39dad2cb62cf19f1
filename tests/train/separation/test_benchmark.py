"""The benchmark of graph separation: every configuration, what is kept, and the table."""

import csv
import json
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch

from fa_pyg.datasets import EXPLike
from fa_pyg.separation.relabelled import relabelled
from fa_pyg.train.separation import benchmark as separation
from fa_pyg.train.separation.benchmark import Benchmark
from fa_pyg.train.separation.rows import PARTS, Row, check, factory
from fa_pyg.train.separation.table import write

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "separation").glob("*.yaml"))
INVARIANT = {"gcn", "gat", "gin", "chebnet", "ppgn", "gnnml3"}
INVARIANT |= {f"fa_{name}_canonical{first}" for name in ("mlp", "gin_id") for first in ("", "_spectral")}


def row(name):
    return Row.read(next(path for path in CONFIGS if path.stem == name))


@pytest.fixture
def benchmark(tmp_path):
    """All of it on few small graphs."""

    def make(**more):
        small = {"initializations": 3, "epochs": 1, "num_nodes": 4, "num_pairs": 6, "seeds": (0, 1)}
        return Benchmark(tmp_path / "out", tmp_path / "data", "exp-like", progress=False, **{**small, **more})

    return make


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_configuration_builds_other_weights_each_time_and_is_invariant_or_not(path):
    one = Row.read(path)
    check(one)
    assert set(one.parts) == set(PARTS)
    graphs = Batch.from_data_list(EXPLike(num_pairs=2)[:4])
    build = factory(one.parts["exp"])
    given, other = build(), build()
    weights = [torch.cat([p.flatten() for p in each.model.parameters()]) for each in (given, other)]
    assert (weights[0] != weights[1]).float().mean() > 0.5
    outputs, model = [], given.model.double().eval()
    for batch in (graphs, relabelled(graphs)):
        data = given.transforms(batch.clone())
        values = {
            k: v.double() if v.is_floating_point() else v for k, v in ((k, data[k]) for k in given.inputs)
        }
        with torch.no_grad():
            outputs.append(
                model(*list(values.values()), batch=data.batch)
                if len(values) == 2
                else model(**values, batch=data.batch)
            )
    assert outputs[0].shape == (4, 10)
    error = (outputs[0] - outputs[1]).abs().max()
    assert (error < 1e-9) == (one.name in INVARIANT), error


def test_parts_are_kept_and_not_run_again(benchmark, monkeypatch):
    rows = [row("gin"), row("fa_gin_id_canonical")]
    found = list(benchmark().run(rows))
    assert [(one["row"], one["part"], one["seed"]) for one in found] == [
        *((each.name, part, 0) for part in PARTS[:2] for each in rows),
        *((each.name, "exp_classify", seed) for seed in (0, 1) for each in rows),
    ]
    assert found[0] | {"seconds": 0} == {
        "row": "gin",
        "part": "graph8c",
        "seed": 0,
        "seconds": 0,
        "not_told_apart": 0,
        "soundness": 1.0,
        "graphs": 6,
        "initialisations": 3,
        "needed": 3,
    }
    assert (found[2]["not_told_apart"], found[3]["not_told_apart"]) == (6, 0)  # message passing sees none

    def never(*args, **kwargs):
        raise AssertionError("run again")

    with monkeypatch.context() as patch:
        patch.setattr(separation, "random_outputs", never)
        patch.setattr(separation, "main", never)
        assert list(benchmark().run(rows)) == found
        with pytest.raises(AssertionError, match="run again"):
            list(benchmark(initializations=4).run(rows))  # other settings are another part


def test_an_interrupted_count_goes_on(benchmark, monkeypatch):
    one, seen = row("gin"), []
    expected = benchmark().result(one, "exp")
    (benchmark().out / "parts").rename(benchmark().out / "kept")
    original = separation.random_outputs

    def interrupted(*args, first, **kwargs):
        seen.append(first)
        for number, outputs in enumerate(original(*args, first=first, **kwargs), first):
            if number == 2 and len(seen) == 1:
                raise KeyboardInterrupt
            yield outputs

    monkeypatch.setattr(separation, "random_outputs", interrupted)
    monkeypatch.setattr(separation, "SAVE_EVERY", -1.0)
    with pytest.raises(KeyboardInterrupt):
        benchmark().result(one, "exp")
    found = benchmark().result(one, "exp")
    assert seen == [0, 2]
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}
    assert [path.suffix for path in (benchmark().out / "parts").iterdir()] == [".json"]


def test_an_interrupted_training_goes_on(benchmark, monkeypatch):
    from fa_pyg.train import GraphModule

    step = GraphModule.training_step

    def stop(self, batch, batch_idx):
        if self.current_epoch == 5:
            raise InterruptedError
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(GraphModule, "training_step", stop)
        with pytest.raises(InterruptedError):
            benchmark(epochs=6).result(row("gin"), "exp_classify", 1)
    found = benchmark(epochs=6).result(row("gin"), "exp_classify", 1)
    assert found["epochs"] == 6
    assert found["seed"] == 1
    assert found["folder"].endswith("version_0")
    assert {path.name for path in Path(found["folder"]).glob("*.ckpt")} == {"best.ckpt"}


def test_table_csv_and_picture(tmp_path):
    rows = [row("gin"), row("fa_mlp_canonical")]
    counts = {"graphs": 9, "initialisations": 100, "seconds": 1.0, "seed": 0}
    found = [
        {"row": "gin", "part": "graph8c", "not_told_apart": 390, "soundness": 1.0, **counts},
        {"row": "gin", "part": "exp", "not_told_apart": 600, "soundness": 0.9951, **counts},
        *(
            {"row": "gin", "part": "exp_classify", "seed": s, "test_accuracy": a, "seconds": 2.0}
            for s, a in enumerate((0.5, 0.6))
        ),
    ]
    write(rows, found, tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert lines[2] == "| GIN | 390 (386) | 100.00 % | 600 (600) | 99.51 % | 55.0 ± 7.1 % (50 %) |"
    assert lines[3] == "| FA-MLP (CanonicalFrame) |  |  |  |  |  |"
    with (tmp_path / "results.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["graph8c"], first["exp_classify_seeds"], first["seconds"]) == ("390", "2", "6.0")
    assert second["graph8c"] == ""
    assert (tmp_path / "plot.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: A\nwidth: 3\n", "expected the keys title .*'width'"),
        ("- 3\n", "expected settings by their names"),
        (
            "title: A\nexp: {model: {class_path: fa_pyg.models.GIN, init_args: {width: 3}}}\n",
            "wrong, exp: .*width",
        ),
    ],
)
def test_a_wrong_configuration_is_named(text, message, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        check(Row.read(path))


def test_results_are_plain_json(benchmark):
    found = benchmark().result(row("gcn"), "graph8c")
    (path,) = (benchmark().out / "parts").glob("gcn_graph8c_*.json")
    assert json.loads(path.read_text()) == found
