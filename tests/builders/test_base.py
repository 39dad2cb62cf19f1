"""The input of every frame: clouds of declared quantities, effective weights, and errors."""

import pytest
import torch

from fa_pyg import CanonicalFrame, Frame, Frames, MotionFrame, PCAFrame, PermutationFrame, Rep
from fa_pyg.builders import Cloud, Quantity
from fa_pyg.frames import Level, Rows

BATCH = torch.tensor([0, 1, 0, 1, 1])
POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def test_rows_of_channels_have_their_body_and_weight():
    x = torch.randn(5, 2, 3)
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    quantity = Quantity(x, Rep(1), Rows.of(BATCH, Level.NODE))
    rows, index, weights = Cloud((quantity,), (quantity,), BATCH, 2, weight).rows(quantity)
    assert rows.dtype == torch.float64
    assert torch.equal(rows, x.reshape(10, 3).double())
    assert index.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 1, 1]
    assert weights.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_weights_are_of_nodes_only():
    cell, pos = (
        Quantity(torch.randn(2, 3, 3), Rep(1), Rows.of(torch.arange(2), Level.GRAPH)),
        Quantity(torch.randn(5, 3), Rep(1), Rows.of(BATCH, Level.NODE)),
    )
    cloud = Cloud((pos, cell), (pos, cell), BATCH, 2, torch.ones(5))
    assert cloud.rows(cell)[2] is None
    assert cloud.rows(cell)[1].tolist() == [0, 0, 0, 1, 1, 1]
    assert cloud.rows(pos)[2] is not None


def test_an_index_that_is_equal_but_another_tensor_keeps_node_weights():
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    found = []
    for index in (BATCH, BATCH.clone()):
        quantity = Quantity(POS, Rep(1, affine=True), Rows.of(index, Level.NODE))
        cloud = Cloud((quantity,), (quantity,), BATCH, 2, weight)
        found.append(PCAFrame("E(3)").evaluate(cloud))
    assert torch.equal(found[0].rotation, found[1].rotation)
    assert torch.equal(found[0].origin, found[1].origin)
    equal = PCAFrame("E(3)")(POS, batch=BATCH)
    assert not torch.equal(found[0].origin, equal.origin)  # the weights count


def test_no_rows_and_no_channels():
    for shape in [(0, 3), (0, 2, 3), (5, 0, 3)]:
        rows = Rows.of(BATCH[: shape[0]], Level.NODE)
        quantity = Quantity(torch.zeros(shape), Rep(1), rows)
        rows, index, _ = Cloud((quantity,), (quantity,), rows.body, 2).rows(quantity)
        assert rows.shape == (0, 3)
        assert index.shape == (0,)


def test_negative_weights_count_as_0_and_zeros_as_equal_weights():
    pos = torch.randn(5, 3, dtype=torch.float64)
    frame = PCAFrame("E(3)")
    some = frame(pos, batch=BATCH, node_weight=torch.tensor([1.0, 2.0, -5.0, -1.0, 3.0]))
    clamped = frame(pos, batch=BATCH, node_weight=torch.tensor([1.0, 2.0, 0.0, 0.0, 3.0]))
    assert torch.equal(some.origin, clamped.origin)
    assert torch.allclose(some.origin[0], pos[0])
    none = frame(pos, batch=BATCH, node_weight=torch.tensor([0, 1, -1, 1, 1]))
    assert torch.allclose(none.origin, frame(pos, batch=BATCH).origin)
    assert torch.allclose(none.rotation.abs(), frame(pos, batch=BATCH).rotation.abs())
    one = frame(pos, node_weight=torch.zeros(5))
    assert torch.allclose(one.origin, pos.mean(0))


def test_a_nan_weight_stays_in_its_graph():
    pos = torch.randn(5, 3, dtype=torch.float64)
    weight = torch.tensor([1.0, torch.nan, 1.0, 1.0, 1.0])
    frames = PCAFrame("E(3)")(pos, batch=BATCH, node_weight=weight)
    assert frames.origin[0].isfinite().all()
    assert frames.origin[1].isnan().all()
    assert frames.rotation[frames.body == 0].isfinite().all()
    assert frames.rotation[frames.body == 1].isnan().all()


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((torch.zeros(5, 2),), {}, r"pos: expected \[5, \.\.\., 3\] for E\(3\), found \[5, 2\]"),
        ((torch.zeros(3),), {}, "pos"),
        ((torch.tensor(1.0),), {}, "pos"),
        ((torch.zeros(5, 3), torch.zeros(4, 3)), {}, r"vectors\[0\]: expected \[5"),
        ((torch.zeros(5, 3), torch.zeros(5, 3), torch.zeros(5, 2)), {}, r"vectors\[1\]"),
        ((torch.zeros(5, 3),), {"batch": BATCH[:4]}, "batch: expected one for each of 5 nodes"),
        ((torch.zeros(5, 3),), {"node_weight": torch.ones(4)}, "node_weight: expected one for each of 5"),
    ],
)
def test_wrong_calls(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        PCAFrame("E(3)")(*args, **kwargs)


class Fixed(MotionFrame):
    """Return the given frames, whatever it sees."""

    def __init__(self, group, frames):
        super().__init__(group)
        self.frames = frames

    def build(self, cloud):
        return self.frames


def test_frames_of_other_bodies_or_dimensions_are_refused():
    eye = torch.eye(3).expand(2, 3, 3)
    assert Fixed("O(3)", Frames(eye))(torch.zeros(5, 3), batch=BATCH).num_bodies == 2
    with pytest.raises(ValueError, match=r"expected frames of 1 bodies in 3 dimensions, found Frames\(2"):
        Fixed("O(3)", Frames(eye))(torch.zeros(5, 3))
    with pytest.raises(ValueError, match="of 2 bodies in 2 dimensions"):
        Fixed("O(2)", Frames(eye))(torch.zeros(5, 2), batch=BATCH)


def test_a_frame_must_be_built():
    with pytest.raises(TypeError, match="abstract"):
        MotionFrame("O(3)")


def test_a_frame_of_fa_pyg_0_1_is_one_of_motions():
    with pytest.deprecated_call(match="subclass of MotionFrame"):

        class Fixed(Frame):
            def build(self, cloud):
                return Frames.uniform(torch.eye(3).expand(1, cloud.size, 3, 3), cloud.origin(self.group))

    assert Fixed("SE(3)")(POS, batch=BATCH).num_bodies == 2
    with pytest.raises(ValueError, match="pos: expected"):
        Fixed("SE(3)")(POS[:, :2])


def test_number_of_graphs():
    pos = torch.randn(5, 3)
    assert PCAFrame("O(3)")(pos, batch=BATCH).num_bodies == 2
    assert PCAFrame("O(3)")(pos, batch=BATCH, num_graphs=4).num_bodies == 4
    assert PCAFrame("O(3)")(pos).num_bodies == 1


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((POS, BATCH), {}, r"vectors\[0\]: .*found \[5\]. The graph of each node is given by name: batch="),
        ((POS.numpy(),), {}, "pos: expected a tensor, found a ndarray"),
        ((POS, POS.tolist()), {}, r"vectors\[0\]: expected a tensor, found a list"),
        ((POS,), {"node_weight": [1.0] * 5}, "node_weight: expected a tensor, found a list"),
    ],
)
def test_values_that_are_not_tensors(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        PCAFrame("E(3)")(*args, **kwargs)


def test_frames_of_fa_pyg_0_1_keep_their_own_check_and_mixins_their_kind():
    with pytest.deprecated_call():

        class Checked(Frame):
            def build(self, cloud):
                return PCAFrame("E(3)").build(cloud)

            def check(self, frames, size):
                assert super().check(frames, size) is frames
                raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        Checked("E(3)")(POS)

    class Mixin(Frame):
        pass

    class Canonical(Mixin, PermutationFrame):
        def build(self, graphs):
            return CanonicalFrame().build(graphs)

    assert Canonical()(torch.tensor([[0, 1], [1, 2]]), num_nodes=3).num_bodies == 1
