"""Positions are real floating point numbers in a dense tensor on one device, for every frame and layer."""

import pytest
import torch
from torch import nn
from torch_geometric.data import Data

from fa_pyg import (
    FrameAveraging,
    GeneralisedQRFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    PCAFrame,
    PerMode,
    Sample,
    WeightedPCAFrame,
)
from fa_pyg.nn import FAMLP
from fa_pyg.testing import catalogue
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion

POS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
FRAMES = {
    "pca": PCAFrame("E(3)"),
    "weighted": WeightedPCAFrame("E(3)"),
    "qr": GeneralisedQRFrame("E(3)"),
    "learned": LearnedFrame("E(3)"),
    "haar": HaarFrame("E(3)"),
    "group": GroupFrame("T(3):Oh"),
    "translations": PCAFrame("T(3)"),
    "sample": Sample(PCAFrame("SE(3)")),
    "per mode": PerMode(PCAFrame("O(3)"), WeightedPCAFrame("O(3)")),
}
BAD = {
    "complex64": POS.to(torch.complex64),
    "complex128": POS.to(torch.complex128),
    "int64": POS.long(),
    "int8": POS.to(torch.int8),
    "bool": POS > 0,
    "float8": POS.to(torch.float8_e4m3fn),
    "sparse": POS.to_sparse(),
    "csr": POS.to_sparse_csr(),
    "nested": torch.nested.nested_tensor([POS[:2], POS[2:]], layout=torch.jagged),
    "list": POS.tolist(),
    "array": POS.numpy(),
    "number": 3.0,
    "plane": POS[:, :2],
    "vector": POS[0],
    "channels": POS.reshape(-1),
}


class Norms(nn.Module):
    def forward(self, pos):
        return pos.norm(dim=-1).sum().view(1)


@pytest.mark.filterwarnings("ignore:.*nested tensors.*", "ignore:Sparse.*")
@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", FRAMES)
def test_what_is_not_a_real_number_is_refused(name, kind):
    frame, bad = FRAMES[name], BAD[kind]
    with pytest.raises(ValueError, match=r"^pos: expected .*, found"):
        frame(bad)
    with pytest.raises(ValueError, match=r"^vectors\[0\]: expected .*, found"):
        frame(POS, bad)
    with pytest.raises(ValueError, match=r"'pos'"):
        FrameAveraging(Norms(), frame)(bad)
    with pytest.raises(ValueError, match=r"^pos: expected .*, found"):
        LocalFrame(frame)(bad, EDGES)
    with pytest.raises(ValueError, match=r"^edge_vec: expected .*, found"):
        LocalFrame(frame)(POS, EDGES, edge_vec=bad)


@pytest.mark.filterwarnings("ignore:.*nested tensors.*", "ignore:Sparse.*")
@pytest.mark.parametrize("kind", [kind for kind in BAD if kind not in ("vector", "channels")])
@pytest.mark.parametrize(
    "transform", [AddFrames(PCAFrame("E(3)")), CanonicalPose(PCAFrame("E(3)")), RandomMotion("E(3)")]
)
def test_transforms_refuse_it_too(transform, kind):
    with pytest.raises(ValueError, match=r"pos.*expected"):
        transform(Data(pos=BAD[kind], num_nodes=5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("name", FRAMES)
def test_all_floating_point_numbers_are_taken(name, dtype):
    """Half precision too: frames are computed in float64 whatever it is."""
    frames = FRAMES[name](POS.to(dtype))
    assert frames.rotation.dtype == torch.float64
    assert torch.equal(
        frames.rotation.mT @ frames.rotation > 0.5, torch.eye(3, dtype=torch.bool).expand_as(frames.rotation)
    )
    assert FrameAveraging(Norms(), FRAMES[name])(POS.to(dtype)).dtype == dtype


@pytest.mark.parametrize("name", FRAMES)
def test_tensors_on_two_devices_are_refused(name):
    frame, away = FRAMES[name], {"device": "meta"}
    with pytest.raises(ValueError, match=r"batch: expected a tensor on cpu, as pos is, found one on meta"):
        frame(POS, batch=torch.zeros(5, dtype=torch.long, **away), num_graphs=1)
    with pytest.raises(
        ValueError, match=r"node_weight: expected a tensor on cpu, as pos is, found one on meta"
    ):
        frame(POS, node_weight=torch.ones(5, **away))
    with pytest.raises(
        ValueError, match=r"vectors\[0\]: expected a tensor on cpu, as pos is, found one on meta"
    ):
        frame(POS, torch.ones(5, 3, **away))
    with pytest.raises(
        ValueError, match=r"edge_index: expected a tensor on cpu, as pos is, found one on meta"
    ):
        LocalFrame(frame)(POS, EDGES.to("meta"))


@pytest.mark.parametrize("name", FRAMES)
def test_no_nodes_and_a_graph_without_nodes(name):
    """Emptiness is no fault: a graph without nodes has frames."""
    assert FRAMES[name](POS[:0]).num_bodies == 1
    batch = torch.tensor([0, 0, 2, 2, 2])
    frames = FRAMES[name](POS, batch=batch, num_graphs=4)
    assert frames.num_bodies == 4
    assert frames.rotation.isfinite().all()
    assert FRAMES[name](POS[:0], batch=batch[:0], num_graphs=0).num_frames == 0


def test_the_frames_of_layers():
    with pytest.raises(ValueError, match=r"v.*expected"):
        FAMLP(PCAFrame("O(3)"), 0, 1)(None, POS.unsqueeze(1).to(torch.complex64))
    assert next(catalogue()).pos.dtype == torch.float64
