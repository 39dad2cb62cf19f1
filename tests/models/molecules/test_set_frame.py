"""Potentials evaluated in another frame than that of their training."""

import copy

import pytest
import torch

from fa_pyg import LearnedFrame, PCAFrame, PerMode, Sample, WeightedPCAFrame
from fa_pyg.models import FAENet, Potential


def potential(frame, heads=None):
    torch.manual_seed(0)
    net = FAENet(hidden_channels=8, num_layers=1, num_radial=4, cutoff=3.0, heads=heads).double()
    return Potential(net, frame).eval()


def crystal():
    cell = torch.tensor([[[4.0, 0.3, 0], [0, 4.4, 0.2], [0.1, 0, 5.0]]]).double()
    pos = torch.tensor([[0.1, 0.2, 0.3], [1.9, 2.0, 2.5]]).double()
    given = {"z": torch.tensor([11, 17]), "pos": pos, "batch": torch.zeros(2, dtype=torch.long)}
    return given | {"cell": cell, "pbc": torch.ones(1, 3, dtype=torch.bool), "num_graphs": 1}


@pytest.mark.parametrize("system", ["molecules", "crystal"])
def test_the_outputs_are_those_of_a_model_built_in_that_frame(system, molecules):
    given = crystal() if system == "crystal" else molecules
    expected = potential(PCAFrame("E(3)"))(**given)
    other = potential(WeightedPCAFrame("E(3)", smoothness="fast"))
    before = other(**given)["energy"]
    found = other.set_frame(PCAFrame("E(3)"))
    assert found is other
    for name, value in found(**given).items():
        assert torch.equal(value, expected[name])
    if system == "molecules":  # cells alone decide the frames of a crystal, and here those are the same
        assert (before - expected["energy"]).abs().max() > 1e-6


def test_a_frame_of_training_gives_way_in_both_modes(molecules):
    model = potential(PerMode(Sample(PCAFrame("E(3)")), PCAFrame("E(3)"))).set_frame(WeightedPCAFrame("E(3)"))
    expected = potential(WeightedPCAFrame("E(3)"))(**molecules)["energy"]
    assert torch.equal(model(**molecules)["energy"], expected)
    assert torch.equal(model.train()(**molecules)["energy"].detach(), expected)


def test_copies_and_the_frame_given_stay_as_they_are(molecules):
    model, frame = potential(PCAFrame("E(3)")), LearnedFrame("E(3)").train()
    twin = copy.deepcopy(model)
    before = model(**molecules)["energy"]
    twin.set_frame(frame).double()
    assert torch.equal(model(**molecules)["energy"], before)
    assert frame.training
    assert {p.dtype for p in frame.parameters()} == {torch.float32}
    assert twin.network.frame is twin._periodic[0].frame


@pytest.mark.parametrize(
    ("own", "frame", "message"),
    [
        (
            PCAFrame("E(3)"),
            WeightedPCAFrame("SE(3)"),
            r"frame: expected one of E\(3\), the group of the model",
        ),
        (PCAFrame("SE(3)"), PCAFrame("SE(2)"), r"frame: expected one of SE\(3\)"),
        (None, PCAFrame("E(3)"), "frame: expected None for a model without a frame"),
        (None, "forces", "frame: expected None for a model without a frame, found 'forces'"),
        (PCAFrame("E(3)"), 3, "frame: expected a frame such as"),
    ],
)
def test_frames_that_do_not_fit_are_refused(own, frame, message):
    with pytest.raises(ValueError, match=message):
        potential(own).set_frame(frame)
