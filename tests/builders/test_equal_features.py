"""Equal features make equal orders: numbers are compared, not their bits."""

import pytest
import torch
from torch import nn

from fa_pyg import CanonicalFrame, FrameAveraging, SpectralFrame
from fa_pyg.builders.graphs import colors_of

PATH = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128]


class Places(nn.Module):
    def forward(self, x, edge_index, edge_attr=None):
        place = torch.arange(1.0, len(x) + 1).double()
        out = (place[:, None] * x.to(torch.complex128)).sum()
        if edge_attr is not None:
            tail, head = edge_index
            out = (
                out + ((place[tail] + 2 * place[head]).sin()[:, None] * edge_attr.to(torch.complex128)).sum()
            )
        return out.abs().reshape(1)


@pytest.mark.parametrize(
    "frame", [CanonicalFrame(), CanonicalFrame(first=SpectralFrame()), SpectralFrame()], ids=str
)
@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_of_both_signs(dtype, frame):
    model, found = FrameAveraging(Places(), frame), []
    for a in (0.0, -0.0):
        for b in (0.0, -0.0):
            x = torch.tensor([[a, b], [1, a], [0, 0]]).to(dtype)
            attr = torch.tensor([[a], [1], [b], [0]]).to(dtype)
            x = torch.complex(x.real, torch.full_like(x.real, b)) if dtype.is_complex else x
            found.append(model(x, PATH, attr).item())
    assert found == pytest.approx([found[0]] * 4)
    other = model(torch.tensor([[0.0, 0], [1, 0], [0, 0.5]]).to(dtype), PATH, torch.zeros(4, 1).to(dtype))
    assert abs(other.item() - found[0]) > 1e-3  # the model tells features


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_nan_is_one(dtype):
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    bits = torch.full((4,), torch.nan, dtype=dtype).view(whole)
    bits = bits | torch.tensor([0, 1, 0, 1], dtype=whole)
    bits[2:] |= torch.iinfo(whole).min  # the sign
    nan = bits.view(dtype)
    assert nan.isnan().all()
    assert len(bits.unique()) == 4
    assert len(colors_of((nan[:, None],)).unique()) == 1


@pytest.mark.parametrize(
    "kind", [torch.int64, torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool]
)
def test_whole_numbers_of_all_types(kind):
    values = [0, 1, 1, 0] if kind == torch.bool else [0, 200, 200, 7]
    assert colors_of((torch.tensor(values).to(kind)[:, None],)).tolist() == (
        [0, 1, 1, 0] if kind == torch.bool else [0, 2, 2, 1]
    )


@pytest.mark.parametrize("kind", [torch.int64, torch.uint64])
def test_large_integers_are_distinguished(kind):
    values = torch.tensor([2**53, 2**53 + 1, 2**62, 2**62 + 1, 2**53]).to(kind)
    assert colors_of((values[:, None],)).tolist() == [0, 1, 2, 3, 0]
    if kind == torch.uint64:
        assert colors_of((torch.tensor([2**64 - 1, 0, 2**63], dtype=kind)[:, None],)).tolist() == [2, 0, 1]


def test_large_whole_numbers_first_in_spectral_orders():
    x = torch.tensor([[2**60], [0], [2**60 + 1]])
    for frame in (SpectralFrame(), CanonicalFrame(first=SpectralFrame())):
        frames = frame(PATH, x)
        assert frames.num_frames == 1
        assert x[frames.order].squeeze(1).tolist() == sorted(x.squeeze(1).tolist())
