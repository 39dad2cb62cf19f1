"""Records, tables and pictures of the benchmark on point clouds."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.models import FramedPoints
from fa_pyg.train import NormalsModule
from fa_pyg.train.normals import report as module
from fa_pyg.train.normals.benchmark import build
from fa_pyg.train.normals.lines import lines_of
from fa_pyg.train.normals.report import Report
from fa_pyg.train.normals.rows import Row
from fa_pyg.train.normals.runs import LINES, Record, stem
from fa_pyg.train.normals.symmetric import symmetric_errors
from fa_pyg.train.normals.table import tables
from fa_pyg.train.normals.view import write_view

ROW = Row("plain", "Plain", published=(0.1, 0.3, 0.2))


def table(runs, row=ROW, **changes):
    lines = lines_of([row], runs, runs[0].data, lambda row: (250, "0123abcd"))
    return tables([replace(line, **changes) for line in lines], runs[0].data)


def test_a_record_is_read_as_it_was_written(tmp_path, run, runs):
    record = Record(tmp_path)
    record.add(runs())
    assert str(record.runs()) == str(runs())
    record.add([run(loss=0.5)])
    assert [one.loss for one in record.runs()][-1] == 0.5
    assert len(record.runs()) == len(runs())
    for wrong in ({"regime": "SO(2)"}, {"condition": "SO(2)"}, {"best_epoch": 21}, {"task": "other"}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
            LINES.text([run(**wrong)])


def test_records_of_other_machines_are_merged_with_their_curves(tmp_path, runs):
    here, there = Record(tmp_path / "here"), Record(tmp_path / "there")
    there.add(runs(seed=1))
    there.keep_curve(runs(seed=1)[0].training, [[1, 0.5]])
    here.add(runs())
    assert here.merge(there.path) == len(runs())
    assert {one.seed for one in here.runs()} == {0, 1}
    assert here.curve(runs(seed=1)[0].training) == [[1, 0.5]]
    assert here.curve(runs()[0].training) is None
    with pytest.raises(ValueError, match="--merge: expected a CSV file of runs"):
        here.merge(tmp_path / "none.csv")


def test_other_settings_have_other_names(run):
    others = [{"regime": "SO(3)"}, {"regime": "O(3)"}, {"seed": 1}, {"width": 0.25}, {"k": 3}, {"epochs": 21}]
    others += [{"task": "classes"}, {"splitting": "random"}, {"parts": 9}, {"settings": "00000000"}, {}]
    assert len({stem(run(**other).training) for other in others}) == len(others)


def test_means_and_deviations_over_seeds_beside_the_published(runs):
    text = table([*runs(loss=0.2), *runs(loss=0.3, seed=1)])
    assert "| Plain | 0.2500 ± 0.0707 (0.100) | 0.2600 ± 0.0707 |" in text
    assert "other data" in text
    assert "other data" not in table(runs(), replace(ROW, published=None))
    assert "20 of 250" in text
    assert "cone" not in text  # there is none
    assert "| plane, I/I | cylinder, I/I | sphere, I/I |" in text


def test_shorter_runs_and_others_are_left_out(runs):
    few = [*runs(), *runs(seed=1, epochs=10, loss=0.9), *runs(seed=2, settings="ffffffff", loss=0.9)]
    assert "| Plain | 0.2000 (0.100) |" in table(few)


def test_the_time_of_a_cloud(runs):
    text = table(runs(), forward=4.0, ratio=8.25)
    assert "| 250 | 8.25 | 3.0e+01 | 2.0e+01 |" in text


def test_classes(runs):
    text = table(runs(task="classes", score=0.255))
    assert "Accuracy" in text
    assert "| Plain | 25.5% |" in text
    assert "Loss" not in text


def test_what_is_written(finished, monkeypatch, tmp_path):
    made, rows, _ = finished
    report = Report(made, rows)
    report.measure(1)
    assert "framed" in report.write(pictures=False)
    page = tmp_path / "page.md"
    page.write_text("text\n")
    with pytest.raises(ValueError, match="expected <!-- normals table --> once"):
        report.write_docs(page, tmp_path / "images")
    monkeypatch.setattr(module, "DRAWN", 1)
    text = report.write()
    assert (made.out / "table.md").read_text() == text
    (costs,) = (line for line in text.splitlines() if line.startswith("| framed | 1 |"))
    assert float(costs.split("|")[7]) > 1  # frames take longer
    assert {"table.md", "curves.png", "clouds.png"} <= {one.name for one in made.out.iterdir()}
    assert "| washer |" in text
    page.write_text("before\n<!-- normals table -->\nold\n<!-- end -->\nafter\n")
    report.write_docs(page, tmp_path / "images")
    assert text.strip().splitlines()[-1] in page.read_text()
    assert "![normals_clouds.png](images/normals_clouds.png)\n<!-- end -->\nafter" in page.read_text()
    assert {one.name for one in (tmp_path / "images").iterdir()} == {
        "normals_clouds.png",
        "normals_curves.png",
    }


class Bent(nn.Module):
    """Vectors of points, by no rule that rotations respect."""

    def forward(self, pos, batch):
        return torch.sin(pos @ torch.tensor([[1.0, 2.0, 0.5], [-1.0, 0.7, 2.0], [0.4, -2.0, 1.0]]) + 1)


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)", smoothness="fast")])
def test_axes_of_equal_inertia(frame):
    """They are arbitrary: PCA frames fail on a washer, weighted frames do not."""
    module = NormalsModule(FramedPoints(Bent(), frame, "tensor")).eval()
    found = symmetric_errors(module, 32, ["washer"])
    assert found["washer"] > 5 if isinstance(frame, PCAFrame) else found["washer"] < 0.1


def test_nothing_is_written_without_runs(benchmark, rows):
    assert Report(benchmark(), rows).write() == ""
    assert not (benchmark().out / "table.md").exists()


def test_a_page_to_turn_clouds_by_hand(tmp_path, benchmark, rows):
    pytest.importorskip("plotly")
    made = benchmark()
    modules = {name: build(made.settings(rows[0]), "normals", rows[0].path) for name in ("one", "two")}
    write_view(modules, made.clouds().fixed("test"), tmp_path / "clouds.html")
    page = (tmp_path / "clouds.html").read_text()
    assert '"label":"two"' in page
    assert page.count('"type":"scatter3d"') >= 6
