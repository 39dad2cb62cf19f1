"""Steered linear maps: the numbers of e3nn's tensor product."""

import pytest
import torch

from fa_pyg.models.particles.segnn import SteerableLinear


@pytest.mark.parametrize("outputs", [(5, 3), (0, 1)])
def test_a_steered_map_is_the_fully_connected_tensor_product_of_e3nn(outputs):
    o3 = pytest.importorskip("e3nn.o3")
    torch.manual_seed(0)
    layer = SteerableLinear((4, 2), outputs).double()
    s, v, a, b = (torch.randn(7, *size).double() for size in ((4,), (3, 2), (1,), (3,)))
    found = layer(s, v, (a, b))

    product = o3.FullyConnectedTensorProduct(
        "4x0e + 2x1o", "0e + 1o", f"{outputs[0]}x0e + {outputs[1]}x1o", path_normalization="none"
    ).double()
    straight, steered = layer.to_vectors.weight.split([2, 4], dim=1)
    parts, bias = [steered, straight], torch.zeros(0)
    if layer.to_scalars is not None:
        of_scalars, of_vectors = layer.to_scalars.weight.split([4, 2], dim=1)
        parts, bias = [of_scalars, steered, straight, of_vectors], layer.to_scalars.bias
    weight = torch.cat([part.T.flatten() for part in parts])
    x = torch.cat([s, v.mT.flatten(1)], dim=1)
    scalars, vectors = product(x, torch.cat([a, b], dim=1), weight).split([outputs[0], 3 * outputs[1]], dim=1)
    torch.testing.assert_close(found[0], scalars + bias)
    torch.testing.assert_close(found[1].mT.flatten(1), vectors)
