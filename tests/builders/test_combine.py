"""Frames made of other frames."""

import copy

import pytest
import torch

from fa_pyg import HaarFrame, PCAFrame, PerMode, Sample

POS, BATCH = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(4).repeat(5)


def test_samples_in_training_and_all_in_evaluation():
    frame = Sample(PCAFrame("E(3)"), k=3)
    assert frame(POS, batch=BATCH).slots == 3
    assert frame.train()(POS, batch=BATCH).slots == 3
    assert frame.eval()(POS, batch=BATCH).slots == 8
    assert Sample(PCAFrame("E(3)"), eval_k=2).eval()(POS, batch=BATCH).slots == 2
    assert frame.group == PCAFrame("E(3)").group


def test_samples_are_frames_of_the_inner_frame_one_draw_a_graph():
    full = PCAFrame("SE(3)")(POS, batch=BATCH)
    frame = Sample(PCAFrame("SE(3)"), generator=torch.Generator().manual_seed(0))
    drawn = []
    for _ in range(60):
        one = frame(POS, batch=BATCH)
        same = (one.rotation.repeat(4, 1, 1) == full.rotation).all(2).all(1).view(4, 4)
        assert same.sum(0).eq(1).all()
        drawn.append(same.int().argmax(0))
        assert torch.equal(one.origin, full.origin)
    drawn = torch.stack(drawn)
    assert all(set(column.tolist()) == {0, 1, 2, 3} for column in drawn.T)
    assert (drawn != drawn[:, :1]).any()  # not one for the whole batch


def test_per_mode():
    frame = PerMode(train=HaarFrame("E(3)", k=1), eval=PCAFrame("E(3)"))
    assert frame(POS, batch=BATCH).slots == 1
    assert not torch.equal(frame(POS).rotation, frame(POS).rotation)
    frame.eval()
    assert frame(POS, batch=BATCH).slots == 8
    assert torch.equal(frame(POS).rotation, frame(POS).rotation)
    nested = PerMode(train=Sample(PCAFrame("E(3)"), k=2), eval=PCAFrame("E(3)"))
    assert nested(POS).slots == 2
    assert nested.eval()(POS).slots == 8


def test_of_one_group():
    with pytest.raises(ValueError, match=r"expected one group, found O\(3\) and E\(3\)"):
        PerMode(train=HaarFrame("O(3)"), eval=PCAFrame("E(3)"))


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "1", None])
def test_wrong_numbers(k):
    with pytest.raises(ValueError, match="k: expected a positive integer"):
        Sample(PCAFrame("E(3)"), k=k)
    if k is not None:
        with pytest.raises(ValueError, match="eval_k: expected a positive integer"):
            Sample(PCAFrame("E(3)"), eval_k=k)


def test_repr_and_copies():
    frame = PerMode(train=Sample(PCAFrame("E(3)"), k=1), eval=PCAFrame("E(3)"))
    assert "k=1, eval_k=all" in repr(frame)
    assert copy.deepcopy(frame).eval()(POS).slots == 8
    assert frame.state_dict() == {}
