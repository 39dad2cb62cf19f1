"""Every node that a model reads has a weight: types counted from 0, dummy atoms, wrong weights."""

import math

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, GeneralizedQRFrame, LearnedFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.builders.node_weights import MOST_TYPES, type_weights
from fa_pyg.testing import equivariance_error, point_symmetries
from fa_pyg.transforms import AddFrames, CanonicalPose, data_frames

WATER = torch.tensor([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]], dtype=torch.float64)
METHANE = torch.tensor([[0, 0, 0], [1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1]], dtype=torch.float64)
RAGGED = torch.tensor(
    [[0.1, 0.2, 0.9], [1.3, -0.4, 0.2], [-0.9, 0.8, 0.1], [0.3, -1.2, -0.6]], dtype=torch.float64
)
MOLECULES = {
    "water": (WATER, [1, 0, 0]),
    "methane": (METHANE, [1, 0, 0, 0, 0]),
    "ragged": (RAGGED, [1, 0, 0, 2]),
}
FRAMES = [WeightedPCAFrame, GeneralizedQRFrame, LearnedFrame]


class Waves(nn.Module):
    """One number a graph from types and positions, of no symmetry at all."""

    def forward(self, z, pos, batch=None, num_graphs=1):
        wave = (pos.sin() @ torch.tensor([1.0, 2.0, 3.0], dtype=pos.dtype)) * (z.long() + 2) + pos[
            :, 0
        ] * pos[:, 1]
        batch = torch.zeros(len(z), dtype=torch.long) if batch is None else batch
        return wave.new_zeros(num_graphs).index_add(0, batch, wave)


def error(frame, pos, z, **options):
    model = FrameAveraging(Waves(), frame, **options)
    assert frame(pos + 1, node_weight=torch.ones(len(pos))).num_bodies == 1
    return max(equivariance_error(model, {"z": z, "pos": pos + 1}, frame.group, trials=5).values())


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(3)", "SO(3)"])
@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("shift", [0, -1, -7, 1, 200])
def test_types_of_any_numbers_are_exact(name, group, shift):
    """Water of types [1, 0, 0] had an error of 3e-2: its frame saw the oxygen alone."""
    pos, z = MOLECULES[name]
    for frame in FRAMES[:2]:
        assert error(frame(group), pos, torch.tensor(z) + shift) < 1e-9


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64, torch.bool])
def test_types_of_any_integers(dtype):
    assert error(WeightedPCAFrame("E(3)"), WATER, torch.tensor([1, 0, 0]).to(dtype)) < 1e-9


@pytest.mark.parametrize("z", [[1.0, 0.0, 0.0], [[1, 0], [0, 1], [0, 1]], None, [[8.0], [math.nan], [1.0]]])
def test_values_that_are_not_types_give_equal_weights(z):
    """Types as floats, one-hot codes and missing ones are not weights: all nodes weigh the same."""

    data = Data(pos=WATER) if z is None else Data(pos=WATER, z=torch.tensor(z))
    origin = data_frames(AddFrames(PCAFrame("T(3)"))(data)).origin
    torch.testing.assert_close(origin, WATER.mean(0, keepdim=True))


def test_weights_of_types_are_positive_injective_and_their_own_for_atoms():
    near = torch.arange(-400, 400)
    z = torch.cat(
        [near, *(sign * (2**i) + near for i in range(8, 43) for sign in (1, -1)), MOST_TYPES - near.abs()]
    )
    z = z.unique()
    weight = type_weights(z, torch.float64)
    assert (weight > 0).all()
    assert len(weight.unique()) == len(z)
    atoms = torch.arange(1, 119)
    assert torch.equal(type_weights(atoms, torch.float64), atoms.double())
    assert type_weights(torch.tensor([MOST_TYPES + 1, -(2**63)]), torch.float64).isnan().all()
    low, high = type_weights(torch.tensor([-MOST_TYPES, MOST_TYPES]), torch.float64)
    assert low / high > 1e-12  # no node is lost beside another


@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("SE(3)"), GeneralizedQRFrame("E(3)")])
def test_atomic_numbers_keep_their_weights(frame):
    """To the last bit: the weights of real atoms are their numbers."""
    z = torch.tensor([8, 1, 6, 9])
    add = AddFrames(frame)
    found, given = data_frames(add(Data(pos=RAGGED, z=z))), frame(RAGGED, node_weight=z)
    assert torch.equal(found.rotation, given.rotation)
    assert torch.equal(found.origin, given.origin)


@pytest.mark.parametrize("transform", [AddFrames, CanonicalPose])
def test_the_frame_of_a_graph_does_not_depend_on_its_batch(transform):
    first = Data(pos=RAGGED, z=torch.tensor([1, 2, 1, 3]))  # without a type 0: as beside one
    others = [Data(pos=WATER, z=torch.tensor(z)) for z in ([8, 1, 1], [1, 0, 0], [-3, 500, 2])]
    name = "frame" if transform is AddFrames else "pose"
    alone = data_frames(transform(PCAFrame("E(3)"))(Batch.from_data_list([first])), name)
    for other in others:
        both = data_frames(transform(PCAFrame("E(3)"))(Batch.from_data_list([first, other])), name)
        torch.testing.assert_close(both.rotation[both.body == 0], alone.rotation, rtol=0, atol=1e-12)


def test_dummy_atoms_beside_real_ones():
    """A dummy of number 0 moves the frame: it is seen. The control is the same molecule without it."""
    pos = torch.cat([WATER, torch.tensor([[0.4, 0.2, 0.3]], dtype=torch.float64)])
    z = torch.tensor([8, 1, 1, 0])
    assert error(WeightedPCAFrame("E(3)"), pos, z) < 1e-9
    origin = [
        data_frames(AddFrames(PCAFrame("E(3)"))(Data(pos=p, z=z[: len(p)]))).origin for p in (pos, WATER)
    ]
    assert not torch.allclose(*origin)


BAD = {
    "zeros": torch.zeros(3),
    "a zero": torch.tensor([1.0, 0.0, 1.0]),
    "negative": torch.tensor([1.0, 2.0, -1.0]),
    "nan": torch.tensor([1.0, torch.nan, 1.0]),
    "inf": torch.tensor([1.0, 1.0, torch.inf]),
    "integers": torch.tensor([1, 0, 0]),
    "complex": torch.ones(3, dtype=torch.complex64),
    "sparse": torch.ones(3).to_sparse(),
}


@pytest.mark.parametrize("name", BAD)
def test_weights_that_hide_a_node_are_refused(name):
    model = FrameAveraging(Waves(), WeightedPCAFrame("E(3)"), node_weight=lambda values: BAD[name])
    with pytest.raises(ValueError, match=r"node_weight=.*: expected (numbers > 0|real numbers).*, found"):
        model(torch.tensor([8, 1, 1]), WATER)
    add = AddFrames(WeightedPCAFrame("E(3)"), node_weight=lambda values: BAD[name])
    with pytest.raises(ValueError, match=r"node_weight=.*: expected"):
        add(Data(pos=WATER))
    named = FrameAveraging(Waves(), WeightedPCAFrame("E(3)"), node_weight="z")
    with pytest.raises(ValueError, match=r"node_weight='z': expected numbers > 0 .* found 0 at node 1"):
        named(torch.tensor([1, 0, 0]), WATER)


@pytest.mark.parametrize("z", [[8, 1, MOST_TYPES + 1], [2**53, 2**53 + 1, 1], [-(2**63), 1, 1]])
def test_numbers_that_cannot_be_types_are_refused(z):
    model = FrameAveraging(Waves(), PCAFrame("E(3)"))
    with pytest.raises(ValueError, match=r"z: expected types from .* found -?\d+ at node"):
        model(torch.tensor(z), WATER)


@pytest.mark.parametrize("small", [0.0, -1.0, 1e-13, 1e-20, 1e-200])
@pytest.mark.parametrize("frame", [PCAFrame("E(3)"), WeightedPCAFrame("E(3)"), WeightedPCAFrame("SO(3)")])
def test_unseen_nodes_are_reported(frame, small):
    """Handed to the frame itself such weights are allowed; then it does not say exact where it is not."""
    line = torch.tensor([[0.0, 0, 1], [0, 0, 2], [0, 0, -1], [0.5, 0.3, 0.2]], dtype=torch.float64)
    weight = torch.tensor([1.0, 2.0, 3.0, small], dtype=torch.float64)
    if small < 1e-30 or isinstance(frame, PCAFrame):
        assert not frame(line, node_weight=weight).exact_for("scalar").any()
    # The control: nodes that do have weight lie on the line, or span space by themselves.
    assert frame(line[:3], node_weight=weight[:3]).exact_for("scalar").all()
    assert frame(RAGGED, node_weight=torch.tensor([1.0, 2.0, 3.0, 4.0])).exact_for("scalar").all()


@pytest.mark.parametrize("ratio", [1e-3, 1e-8, 1e-20, 1e-200])
@pytest.mark.parametrize("molecule", [WATER, RAGGED])
def test_exactness_is_reported_for_very_different_weights(molecule, ratio):
    """Wherever a frame says that it is exact, it is, to the rounding of its moments."""

    def weights(values):
        return torch.where(values["z"] == 8, 1.0, torch.tensor(ratio, dtype=torch.float64))

    z = torch.tensor([8, 1, 2, 3][: len(molecule)])
    for frame in (WeightedPCAFrame("E(3)"), GeneralizedQRFrame("E(3)")):
        exact = frame(molecule + 1, node_weight=weights({"z": z})).exact_for("scalar")
        found = error(frame, molecule, z, node_weight=weights)
        assert found < 1e-6 or not exact.all(), (frame, found)


def test_the_symmetries_of_these_molecules():
    """What makes the inputs above hard: water has 4 symmetries, methane 24."""
    assert len(point_symmetries(WATER, torch.tensor([8, 1, 1]))) == 4
    assert len(point_symmetries(METHANE, torch.tensor([6, 1, 1, 1, 1]))) == 24
