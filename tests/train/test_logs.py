"""The table of a run that was interrupted reads as if it had not been."""

import pytest

from fa_pyg.train.logs import ResumableCSVLogger, read_metrics


def write(folder, start, steps):
    logger = ResumableCSVLogger(folder, start)
    _ = logger.experiment  # a trainer asks for it before anything is logged
    for step in steps:
        logger.log_metrics(
            {"train/mse": 1 / (step + 1)} if step % 2 else {"val/mse": 2.0, "epoch": step}, step
        )
        logger.save()


def test_resumed_table_is_that_of_one_run(tmp_path):
    write(tmp_path / "whole", 0, range(10))
    write(tmp_path / "parts", 0, range(7))  # got as far as step 6, but the checkpoint is of step 4
    write(tmp_path / "parts", 4, range(4, 10))
    texts = [(tmp_path / name / "metrics.csv").read_text() for name in ("whole", "parts")]
    assert texts[0] == texts[1]
    assert texts[0].count("\n") == 11


def test_an_interruption_right_after_resuming_loses_nothing(tmp_path):
    write(tmp_path, 0, range(3))
    write(tmp_path, 3, [])
    assert [row["step"] for row in read_metrics(tmp_path)] == ["0", "1", "2"]


def test_no_table(tmp_path):
    assert read_metrics(tmp_path) == []


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"step\nx\n", b"step,a\n\xff,1\n", b"a\n1,2\n"])
def test_what_is_no_table_of_a_run_is_named(content, tmp_path):
    (tmp_path / "metrics.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"metrics\.csv: expected the table of a run, found another"):
        write(tmp_path, 4, range(4, 10))
