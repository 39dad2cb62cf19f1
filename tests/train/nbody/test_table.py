"""Lines and tables of known runs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fa_pyg.train.nbody.lines import lines_of, with_details
from fa_pyg.train.nbody.record import Details, Record
from fa_pyg.train.nbody.rows import Recipe, find_rows
from fa_pyg.train.nbody.table import SHORT, notes, table

CONFIGS = Path(__file__).parents[3] / "configs" / "nbody"
DATA = (3000, 2000, 5)


@pytest.fixture
def rows():
    return find_rows(["linear", "fa_gnn", "fa_gnn_haar"], CONFIGS)


@pytest.fixture
def of(rows, run):
    """A run of a row, by its name."""
    digests = {row.name: Recipe.read(row).digest for row in rows}
    return lambda name, **changes: run(name=name, settings=digests[name], **changes)


def cells(text, title):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {title} |")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_which_runs_a_line_has(rows, of):
    runs = [of("linear", seed=seed, epochs=30) for seed in (1, 0)]
    runs += [of("fa_gnn", seed=0, epochs=e, test_mse=e / 1e6) for e in (9000, 10000, 5000)]
    runs += [of("fa_gnn", seed=1, epochs=9000), of("fa_gnn", seed=2, epochs=8999)]
    runs += [replace(of("fa_gnn", seed=3, epochs=10000), settings="00000000")]
    runs += [of("fa_gnn", seed=4, epochs=10000, train_samples=256)]
    linear, fa_gnn = lines_of(rows, runs, DATA)
    assert [run.seed for run in linear.runs] == [0, 1]
    assert [(run.seed, run.epochs) for run in fa_gnn.runs] == [(0, 10000), (1, 9000)]
    assert (linear.is_cut, fa_gnn.is_cut) == (False, True)
    (few,) = lines_of(rows, runs, (256, 2000, 5))
    assert [run.seed for run in few.runs] == [4]
    assert lines_of(rows, runs, (1, 2, 3)) == []


def test_the_text_of_a_table(rows, of):
    runs = [of("linear", epochs=30, test_mse=0.08, cpu_seconds=30.0)]
    runs += [of("fa_gnn", seed=s, epochs=2500, test_mse=e) for s, e in enumerate((0.006, 0.007, 0.008))]
    runs += [of("fa_gnn_haar", seed=s, epochs=250, test_mse=e) for s, e in enumerate((0.003, float("nan")))]
    lines = lines_of(rows, runs, DATA)
    lines[1] = replace(lines[1], forward=12.345, ratio=0.5)
    text = table(lines)
    assert text.splitlines()[0] == (
        "| model | test MSE | published | seeds | forward, ms | forward / EGNN's | parameters | epochs "
        "| CPU min | equivariance error | median system | share of the worst 1 % | of the worst 5 % |"
    )
    assert text.splitlines()[2].startswith("| *published baselines* | |")
    assert text.splitlines()[5].startswith("| *architecture only")
    figures = ["2e-07", "1.0e-03", "25 %", "50 %"]
    assert cells(text, "Linear") == ["Linear", "0.08000", "0.0819", "1", "", "", "7", "30", "0.5", *figures]
    expected = ["FA-GNN", r"0.00700 ± 0.00100 \*", "0.0057", "3", "12.3 (4.1)", "0.50", "7", "2500 of 10000"]
    assert cells(text, "FA-GNN") == [*expected, "1.5", *figures]
    assert "| 0.00300 (1 of 2 diverged) |" in text
    columns = {line.count("|") for line in text.splitlines()}
    assert columns == {14}
    short = table(lines[:1], SHORT)
    assert short.splitlines()[0] == "| model | test MSE | published | seeds | equivariance error |"
    assert r"\* Fewer epochs" in notes(lines)
    assert "Published: Puny et al. 2022. Lowest elsewhere: MVN 0.0035 (arXiv" in notes(lines)
    assert r"\*" not in notes(lines[:1])


def test_published_figures_belong_to_their_data(rows, of):
    for changes in ({"train_samples": 256}, {"particles": 20}, {"eval_samples": 20}):
        lines = lines_of(rows, [of("linear", epochs=30, **changes)], of("linear", **changes).data)
        assert "0.0819" not in table(lines)
        assert "0.0035" not in notes(lines)
    few = lines_of(rows, [of("linear", epochs=30, train_samples=256)], (256, 2000, 5))
    assert "FEFE-CGENN 0.0088" in notes(few)


def test_a_model_without_learning_in_a_table(configs, run):
    (row,) = find_rows([str(configs / "still.yaml")], CONFIGS)
    one = run(name="still", settings=Recipe.read(row).digest, epochs=0, best_epoch=0, parameters=0)
    text = table(lines_of([row], [one], DATA))
    assert cells(text, "still")[:3] == ["still", "0.01000", "none"]
    assert cells(text, "still")[4] == "without learning"


EPOCHS = torch.arange(5, 2501, 5)


def kept(record, run, exponent):
    val = EPOCHS.double() ** -exponent
    record.keep(run, Details(torch.tensor([0.1]), EPOCHS, val))


def test_an_extrapolation_is_printed_if_it_means_something_for_every_seed(rows, of, tmp_path):
    record = Record(tmp_path)
    runs = [of("fa_gnn", seed=s, epochs=2500, test_mse=e) for s, e in enumerate((0.006, 0.008))]
    (line,) = lines_of(rows, runs, DATA)
    assert with_details(line, record).extrapolated is None
    kept(record, runs[0], 0.5)
    assert with_details(line, record).extrapolated is None
    kept(record, runs[1], 0.25)
    found = with_details(line, record)
    assert found.extrapolated == pytest.approx((0.006 / 2 + 0.008 / 2**0.5) / 2)
    assert r"0.00700 ± 0.00141 \* → 0.0043 at 10000 epochs (extrapolated)" in table([found])
    assert "Extrapolated: by a power law" in notes([found])


def test_a_run_with_a_schedule_ends_where_it_ends(rows, of, tmp_path):
    one = of("fa_gnn_haar", epochs=125)
    Record(tmp_path).keep(one, Details(torch.tensor([0.1]), EPOCHS[:25], EPOCHS[:25].double() ** -0.5))
    (line,) = lines_of(rows, [one], DATA)
    assert line.is_cut
    assert with_details(line, Record(tmp_path)).laws == (None,)
