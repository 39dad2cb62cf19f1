"""The record of finished runs: what is kept, merged, and refused."""

import math

import pytest
import torch

from fa_pyg.train.nbody.record import Details, Record
from fa_pyg.train.nbody.runs import COLUMNS, csv_text, read_runs

HEAD = ",".join(COLUMNS)


@pytest.fixture
def record(tmp_path):
    return Record(tmp_path / "out")


def details(*errors):
    return Details(torch.tensor(errors), torch.tensor([5, 10]), torch.tensor([0.2, 0.1]).double())


def test_runs_are_read_as_they_were_written(record, run):
    assert record.runs() == []
    runs = [run(), run(seed=1, val_mse=float("inf"), test_mse=1e-9), run(name="a.b-c+1", epochs=0)]
    record.add(runs[:2])
    record.add(runs[2:])
    assert record.runs() == runs
    lines = record.path.read_text().splitlines()
    assert lines[0] == HEAD
    assert len(lines) == 4


def test_the_newest_of_two_runs_of_the_same_settings_counts(record, run):
    record.add([run(), run(seed=1)])
    record.add([run(test_mse=0.5, cpu_seconds=1.0)])
    assert record.runs() == [run(seed=1), run(test_mse=0.5, cpu_seconds=1.0)]
    text = csv_text([run(test_mse=0.3), run(seed=1), run(test_mse=0.4)])  # by hand, or by another machine
    record.path.write_text(text)
    assert record.runs() == [run(seed=1), run(test_mse=0.4)]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "egnn"},
        {"seed": 1},
        {"train_samples": 256},
        {"eval_samples": 20},
        {"particles": 20},
        {"epochs": 200},
        {"settings": "00000000"},
    ],
)
def test_runs_of_other_settings_are_others(change, record, run):
    record.add([run(), run(**change)])
    assert len(record.runs()) == 2


def test_runs_of_other_machines_with_their_details(record, run, tmp_path):
    other = Record(tmp_path / "elsewhere")
    record.add([run(), run(seed=1)])
    other.add([run(seed=1, test_mse=0.5), run(seed=2)])
    other.keep(run(seed=2), details(0.1, 0.3))
    assert record.merge(other.path) == 2
    assert record.merge(other.path) == 2
    assert record.runs() == [run(), run(seed=1, test_mse=0.5), run(seed=2)]
    torch.testing.assert_close(vars(record.details(run(seed=2))), vars(details(0.1, 0.3)))
    assert record.details(run(seed=1)) is None


GOOD = "gnn,0,3000,2000,5,100,90,0.011,0.01,0.001,0.25,0.5,2e-07,7,90.0,0123abcd"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD[:-3], "settings: expected a plain name, found '0123a'"),  # half a line
        (GOOD[:30], "columns: expected 16, found"),
        (GOOD + ",1", "columns: expected 16, found 17"),
        (GOOD.replace("3000", "-3"), "train_samples: expected a whole number, found '-3'"),
        (GOOD.replace("3000", "3e3"), "train_samples"),
        (GOOD.replace("0.011", "-0.1"), "val_mse: expected a number >= 0, found '-0.1'"),
        (GOOD.replace("0.011", "0,011"), "columns: expected 16, found 17"),
        (GOOD.replace("90.0", "\u0661"), "cpu_seconds"),
        (GOOD.replace("gnn", "../gnn"), "name: expected a plain name, found '../gnn'"),
        (GOOD.replace(",5,", ",1,"), "particles: expected an integer >= 2, found 1"),
        (GOOD.replace("3000", "10001"), "train_samples: expected an integer from 1 to 10000, found 10001"),
        (GOOD.replace("3000", "0"), "train_samples: expected a positive integer, found 0"),
        (GOOD.replace("2000", "2001"), "eval_samples: expected an integer from 1 to 2000, found 2001"),
        (GOOD.replace(",90,", ",101,"), "best_epoch: expected an integer from 0 to 100, found 101"),
        (GOOD.replace("90.0", "nan"), "cpu_seconds: expected a finite number, found nan"),
        (GOOD.replace("90.0", "inf"), "cpu_seconds: expected a finite number, found inf"),
        (GOOD.replace("90.0", "1e999"), "cpu_seconds: expected a finite number, found inf"),
        (GOOD.replace("0.25", "inf"), "worst_1: expected a number from 0 to 1, found inf"),
        (GOOD.replace(",0.5,", ",1.5,"), "worst_5: expected a number from 0 to 1, found 1.5"),
        (GOOD.replace("gnn", '"gnn'), "unexpected end of data"),
        (HEAD, "seed: expected a whole number, found 'seed'"),
        ("\0", "columns: expected 16, found 1|NUL"),
    ],
)
def test_a_damaged_line_is_named_and_nothing_is_lost(line, message, record, run, tmp_path):
    text = f"{HEAD}\n{GOOD}\n{line}\n"
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(text)
    with pytest.raises(
        ValueError, match=rf"wrong\.csv, line 3: expected a run, found another line \(.*{message}"
    ):
        read_runs(wrong)
    with pytest.raises(ValueError, match=r"wrong\.csv, line 3"):
        record.merge(wrong)
    assert record.runs() == []
    record.folder.mkdir(exist_ok=True)
    record.path.write_text(text)
    with pytest.raises(ValueError, match=r"results\.csv, line 3"):
        record.add([run(seed=9)])
    assert record.path.read_text() == text


@pytest.mark.parametrize(
    "change",
    [{"name": "my row"}, {"name": "a\nb"}, {"particles": 1}, {"test_mse": -1.0}, {"best_epoch": 101}],
)
def test_a_line_that_could_not_be_read_is_not_written(change, record, run):
    record.add([run()])
    with pytest.raises(ValueError, match=rf"^{next(iter(change))}: expected"):
        record.add([run(seed=1), run(**change)])
    assert record.runs() == [run()]


def test_figures_of_a_diverged_run(record, run):
    nan = dict.fromkeys(("val_mse", "test_mse", "median_mse", "worst_1", "worst_5", "equivariance"), math.nan)
    record.add([run(**nan)])
    assert all(math.isnan(getattr(record.runs()[0], name)) for name in nan)


def test_a_damaged_record_gets_no_details(record, run, tmp_path):
    other = Record(tmp_path / "elsewhere")
    other.add([run()])
    other.keep(run(), details(0.1))
    record.folder.mkdir()
    record.path.write_text("damaged")
    with pytest.raises(ValueError, match=r"results\.csv, line 1"):
        record.merge(other.path)
    assert not (record.folder / "details").exists()


@pytest.mark.parametrize("text", ["", "\n", "name,seed\n", GOOD])
def test_a_file_without_its_head(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=r"a\.csv, line 1: .*columns: expected name,seed,"):
        read_runs(tmp_path / "a.csv")


def test_files_of_another_kind(record, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="binary: expected a table of runs, found another file"):
        record.merge(tmp_path / "binary")
    with pytest.raises(ValueError, match=r"--merge: expected a CSV file of runs, found .*none"):
        record.merge(tmp_path / "none.csv")


def test_damaged_details_are_left_out(record, run):
    record.keep(run(), details(0.1))
    (path,) = (record.folder / "details").iterdir()
    content = path.read_bytes()
    for damaged in (content[:100], content[:-200] + b"0" * 200, b""):
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="expected a file as it was written.*left out of the plots"):
            assert record.details(run()) is None
