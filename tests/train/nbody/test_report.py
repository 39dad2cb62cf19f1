"""The report: tables, times, plots and pages of all recorded runs."""

import json

import pytest
import torch

from fa_pyg.train.nbody import report as module
from fa_pyg.train.nbody.lines import lines_of, with_details
from fa_pyg.train.nbody.pictures import plot_curves, plot_systems
from fa_pyg.train.nbody.record import Details
from fa_pyg.train.nbody.report import Report
from fa_pyg.train.nbody.rows import Recipe, find_rows
from fa_pyg.train.nbody.table import BENCHMARK

PAGE = "A\n<!-- nbody table -->\n<!-- end -->\nB\n"


@pytest.fixture
def rows(configs):
    (configs / "egnn.yaml").write_text((configs / "still.yaml").read_text())  # stands for it
    return find_rows(["egnn", "tiny", "still"], configs)


@pytest.fixture
def filled(benchmark, rows, run):
    """A benchmark with runs of three rows on the data of the benchmark, and of one on few data."""
    made, (egnn, tiny, still) = benchmark(), [(row.name, Recipe.read(row).digest) for row in rows]
    runs = [
        run(name=tiny[0], settings=tiny[1], seed=s, epochs=6, test_mse=e) for s, e in ((0, 0.02), (1, 0.04))
    ]
    runs += [run(name=name, settings=digest, epochs=0) for name, digest in (egnn, still)]
    runs += [run(name=tiny[0], settings=tiny[1], train_samples=256, epochs=6, test_mse=0.05)]
    runs += [run(name=tiny[0], settings=tiny[1], train_samples=256, eval_samples=20, epochs=6, test_mse=0.07)]
    made.record.add(runs)
    for number, one in enumerate(runs[:-1]):
        epochs = torch.arange(1, 7) if one.epochs else torch.arange(0)
        made.record.keep(one, Details(torch.rand(20) + number, epochs, 1 / (1 + epochs.double())))
    return made


def test_tables_of_all_data_the_benchmark_first(filled, rows):
    text = Report(filled, rows).write()
    assert (filled.out / "table.md").read_text() == text
    parts = text.split("| model |")[1:]
    assert [part.split("\n\n")[1].split(",")[0] for part in parts] == [
        "3000 training systems",
        "256 training systems",
        "256 training systems",
    ]
    assert "| tiny | 0.03000 ± 0.01414 |" in parts[0]
    assert "| tiny | 0.07000 |" in parts[1]
    assert "forward" not in text
    assert max(map(len, (line for line in text.splitlines() if line[:1] != "|"))) <= 125
    assert {"nbody_curves.png", "nbody_systems.png"} < {path.name for path in filled.out.iterdir()}


def test_an_empty_record_has_no_table(benchmark, rows):
    Report(benchmark(), rows).time_forward(1)
    assert Report(benchmark(), rows).write() == ""
    assert not benchmark().out.exists()


def test_runs_of_earlier_settings_are_left_out_aloud(filled, rows):
    path = rows[1].path
    path.write_text(path.read_text().replace("cosine", "null"))
    with pytest.warns(UserWarning, match="earlier settings of their configuration are left out: 4 of tiny"):
        assert "tiny" not in Report(filled, rows).write()


def test_forward_times_are_measured_together_and_kept(filled, rows, monkeypatch):
    seen = []

    def times(modules, batches, rounds):
        seen.append(([batch.num_graphs for batch in batches], rounds, len(modules)))
        return {key: [0.001, 0.001 * (2 + i)] for i, key in enumerate(modules)}

    monkeypatch.setattr(module, "forward_times", times)
    report = Report(filled, rows)
    monkeypatch.setattr(type(filled), "splits", splits_of_20(filled))
    report.time_forward(7)
    assert seen == [([100], 7, 3)]  # 20 systems, again and again
    text = report.write()
    cells = {line.split(" | ")[0][2:]: line.split(" | ") for line in text.splitlines() if line[:2] == "| "}
    head = text.splitlines()[0].split(" | ")
    forward, ratio = head.index("forward, ms"), head.index("forward / EGNN's")
    assert (cells["EGNN"][forward], cells["EGNN"][ratio]) == ("1.5 (6.2)", "1.00")
    assert (cells["still"][forward], cells["still"][ratio]) == ("2.5", "1.50")
    assert "median of 7 rounds" in text
    kept = json.loads((filled.out / "forward.json").read_text())
    assert set(kept["particles"]) == {"5"}
    rows[2].path.write_text(rows[2].path.read_text() + "data: {batch_size: 9}\n")  # another model now
    with pytest.warns(UserWarning, match="left out: 1 of still"):
        assert "still" not in Report(filled, rows).write()


PAIR = {"tiny_00000000": [1.5, None]}


@pytest.mark.parametrize(
    "found",
    [
        [],
        {"particles": {"5": PAIR}},
        {"rounds": "7", "particles": {}},
        {"rounds": 7, "particles": [1]},
        {"rounds": 7, "particles": {"5": 3}},
        *({"rounds": 7, "particles": {"5": PAIR | {"a": one}}} for one in (2, [1], [None, 1], ["1", 1])),
        {"rounds": 7, "particles": {"5": PAIR | {"a": [1, float("nan")]}}},
    ],
)
def test_damaged_times_are_ignored_and_measured_again(found, filled, rows, monkeypatch, recwarn):
    filled.out.mkdir(exist_ok=True)
    (filled.out / "forward.json").write_text(json.dumps(found))
    monkeypatch.setattr(Report, "_times", lambda self, rows, *_: {key: [1.5, None] for key in rows})
    report = Report(filled, rows)
    assert "forward" not in report.write(plots=False)
    (warning,) = (str(one.message) for one in recwarn if "forward.json" in str(one.message))
    assert "again" in warning
    report.time_forward(7)
    assert "median of 7 rounds" in report.write(plots=False)


def test_a_model_that_cannot_be_built_here_is_not_timed(rows, capsys):
    rows[0].path.write_text("model: {model: {class_path: fa_pyg.models.Nothing}}\ntrainer: {max_epochs: 0}")
    with pytest.warns(UserWarning, match="egnn is not timed: .*egnn.yaml"):
        assert list(module._built({"a": rows[0], "b": rows[2]})) == ["b"]


def splits_of_20(benchmark):
    splits = module.replace(benchmark, train_samples=20, eval_samples=20).splits()
    return lambda self: splits


def test_pages(filled, rows, tmp_path):
    (tmp_path / "docs").mkdir()
    readme, page = tmp_path / "README.md", tmp_path / "docs" / "nbody.md"
    readme.write_text(PAGE)
    page.write_text(PAGE)
    Report(filled, rows).write_docs(readme, page, tmp_path / "docs" / "images")
    short, full = readme.read_text(), page.read_text()
    for text in (short, full):
        assert text.startswith("A\n<!-- nbody table -->\n| model | test MSE |")
        assert text.endswith("<!-- end -->\nB\n")
        assert "| EGNN |" in text
    assert "| tiny | 0.03000 ± 0.01414 |" in full
    assert "| tiny |" not in short
    assert "[docs/nbody.md](docs/nbody.md)" in short.replace("\n", " ")
    assert "CPU min" not in short
    assert "| tiny | 0.05000 |" in full
    assert "0.07000" not in full  # not the test set of the benchmark
    assert "![nbody_curves](images/nbody_curves.png)" in full
    assert (tmp_path / "docs" / "images" / "nbody_systems.png").stat().st_size > 1000
    Report(filled, rows).write_docs(readme, page, tmp_path / "docs" / "images")
    assert (readme.read_text(), page.read_text()) == (short, full)


@pytest.mark.parametrize("damaged", ["README.md", "nbody.md"])
def test_no_page_is_written_before_both_were_checked(damaged, filled, rows, tmp_path):
    pages = [tmp_path / "README.md", tmp_path / "nbody.md"]
    for page in pages:
        page.write_text("no marker" if page.name == damaged else PAGE)
    with pytest.raises(ValueError, match=rf"{damaged}: expected <!-- nbody table -->"):
        Report(filled, rows).write_docs(*pages, tmp_path / "images")
    assert [page.read_text() for page in pages].count(PAGE) == 1
    assert not (tmp_path / "images").exists()


def test_pages_need_runs_of_the_benchmark(benchmark, rows, run, tmp_path):
    made = benchmark()
    made.record.add([run(name="tiny", settings=Recipe.read(rows[1]).digest, epochs=6, train_samples=256)])
    (tmp_path / "a.md").write_text(PAGE)
    with pytest.raises(ValueError, match="--write-docs: expected runs on the data"):
        Report(made, rows).write_docs(tmp_path / "a.md", tmp_path / "a.md", tmp_path)


def test_what_the_plots_show(filled, rows):
    lines = [with_details(one, filled.record) for one in lines_of(rows, filled.record.runs(), BENCHMARK)]
    time, epochs = plot_curves(lines, None).axes
    for axes in (time, epochs):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert len(axes.lines) == 4  # two seeds, two levels
    curve = next(line for line in epochs.lines if len(line.get_xdata()) == 6)
    assert list(curve.get_xdata()) == [1, 2, 3, 4, 5, 6]
    assert list(curve.get_ydata()) == pytest.approx([1 / (1 + t) for t in range(1, 7)])
    timed = next(line for line in time.lines if len(line.get_xdata()) == 6)
    assert list(timed.get_xdata()) == pytest.approx([0.25 * t for t in range(1, 7)])  # 90 s
    errors, shares = plot_systems(lines, None).axes
    assert len(errors.lines) == 3
    for line in shares.lines:
        assert line.get_ydata()[-1] == pytest.approx(100)
        assert (line.get_ydata()[0]) > 5  # of twenty systems the worst


def test_a_picture_may_have_nothing_to_show(filled, rows, monkeypatch):
    seen = []

    def rollout(lines, models):
        seen.append([models(line) for line in lines])

    monkeypatch.setattr(module, "PICTURES", {"rollout": rollout})
    Report(filled, rows).write()
    ((egnn, tiny, still),) = seen
    assert tiny is None  # it was trained elsewhere
    assert egnn is not None
    assert still is not None
    assert not (filled.out / "rollout.png").exists()
