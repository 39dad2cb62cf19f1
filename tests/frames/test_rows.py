"""The level of a tensor is a value: nothing depends on which of several equal index tensors made it."""

import pytest
import torch

from fa_pyg.frames import Level, Rows

BATCH = torch.tensor([0, 0, 1])


@pytest.mark.parametrize(
    ("one", "other", "aligned"),
    [
        (Rows.of(BATCH, Level.NODE), Rows.of(BATCH.clone(), Level.NODE), True),
        (Rows.of(BATCH), Rows.of(BATCH.clone()), True),
        (Rows.of(BATCH, Level.NODE), Rows.of(BATCH.clone()), True),
        (Rows.of(BATCH), Rows.of(torch.tensor([0, 1, 1])), False),
        (Rows.of(BATCH, Level.NODE), Rows.of(BATCH[:2], Level.GRAPH), False),
        (Rows(Level.NODE, None, 3), Rows(Level.INDEX, None, 3), True),
        (Rows(Level.NODE, None, 3), Rows(Level.INDEX, None, 4), False),
        (Rows(Level.NODE, None, 3), Rows.of(BATCH, Level.NODE), False),
    ],
)
def test_rows_that_belong_together(one, other, aligned):
    assert one.align_with(other) is aligned
    assert other.align_with(one) is aligned
    assert one.align_with(one)


def test_the_body_of_each_row():
    assert Rows.of(BATCH).bodies(torch.device("cpu")).tolist() == [0, 0, 1]
    assert Rows(Level.NODE, None, 3).bodies(torch.device("cpu")).tolist() == [0, 0, 0]


@pytest.mark.parametrize("level", list(Level))
def test_levels_go_by_the_names_that_users_write(level):
    assert Level(level.value) is level
