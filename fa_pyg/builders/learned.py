"""Learned frames: axes from a small equivariant network, deterministic or probabilistic."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import functional_call

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.gram_schmidt import completed, gram_schmidt
from fa_pyg.builders.vector_net import VectorNet
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import GroupLike
from fa_pyg.groups.draw import draw
from fa_pyg.math.linalg import gather, mean
from fa_pyg.typed import computed

__all__ = ["LearnedFrame", "identity_prior"]


class LearnedFrame(MotionFrame):
    r"""Learned frames: "Equivariance with Learned Canonicalization Functions" (Kaba et al. 2023).

    .. math:: F(x) = \{(\mathrm{GramSchmidt}(v_1, v_2, \dots),\ \bar x)\}, \qquad v = \mathrm{net}(x)

    with d vectors for O(d) and E(d), and d - 1 for SO(d) and SE(d), where the last axis is the (generalized)
    cross product of the others: one frame per graph. With ``noise`` the frames are probabilistic (Kim et al.
    2023): standard normal vectors, whose distribution is invariant under rotations, are further inputs of the
    net, drawn independently for each of k frames per graph.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"`` or ``"SE(d)"`` (``"T(d)"`` needs no learning).
        net: an equivariant network, called as ``net(vectors, scalars, batch, num_graphs)``; default
            :class:`VectorNet`, which is small. :class:`fa_pyg.nn.FramedVectors` makes one of any network.
        noise: noise vectors per node, as the last channels of ``vectors``; 0 for a deterministic frame.
        k: frames per graph in training.
        eval_k: frames per graph in evaluation; default k.
        generator: for reproducible noise; default the global generator of torch.
        eps: a vector counts as dependent on earlier ones if at most ``eps`` of it is orthogonal to them (in
            the unit of the net, and relative to the longest vector of the graph).

    Shapes:
        ``net``: vectors ``[N, C, d]``, all declared points (relative to the origin) and vectors, in the order
        of declaration and in their units; those of graphs and edges are averaged over each graph and copied
        to its nodes; pseudovectors are left out under groups that reflect. scalars ``[N, 1]``, the node
        weights (default 1). batch ``[N]``. Returns ``[num_graphs, d, d]`` or ``[num_graphs, d - 1, d]``.

    Raises:
        ValueError: if the net returns another shape, vectors are not declared, or k > 1 without noise.

    The net runs in float64, as all frames do, with parameters that keep their dtype: these frames are as
    exact as others, also for a model in float32 or 16 bits, and gradients have the dtype of the parameters.

    Not guaranteed: equivariance where the vectors of the net are dependent, as for symmetric inputs: those of
    methane vanish, those of a planar cloud under O(3) lie in the plane. The missing axes are then completed
    from the coordinate axes, finite in value and gradient, the same in every call. A single missing axis
    still rotates with the input (reflections may flip it). With two or more the average is *not* equivariant,
    and it jumps near such inputs. With noise it is equivariant in expectation for every input, but not in a
    single call. Declared tensors are not read.
    """

    def __init__(
        self,
        group: GroupLike,
        net: nn.Module | None = None,
        noise: int = 0,
        k: int = 1,
        eval_k: int | None = None,
        generator: torch.Generator | None = None,
        eps: float = 1e-6,
    ) -> None:
        super().__init__(group)
        noise, k = checks.size("noise", noise, 0), checks.integer("k", k)
        eval_k = checks.integer("eval_k", eval_k, optional=True)
        if not noise and (k, eval_k or k) != (1, 1):
            raise ValueError(
                f"k: expected 1 without noise (noise=0), where all frames would be the same, found k={k}, "
                f"eval_k={eval_k}"
            )
        checks.instance("net", net, nn.Module, "a torch.nn.Module", optional=True)
        checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
        checks.number("eps", eps, above=0, below=1)
        self.num_vectors = self.group.dim if self.group.reflects else self.group.dim - 1
        if not self.group.rotates:
            self.num_vectors = 0
        if net is None and self.num_vectors:
            net = VectorNet(self.num_vectors)
        self.net, self.noise, self.k, self.eval_k = net, noise, k, eval_k
        self.generator, self.eps = generator, eps

    @computed
    def is_random(self) -> bool:
        return self.noise > 0

    def build(self, cloud: Cloud) -> Frames:
        origin = cloud.origin(self.group)
        k = self.k if self.training or self.eval_k is None else self.eval_k
        dim = self.group.dim
        if self.net is not None and self.num_vectors:
            vectors = self._vectors(self.net, cloud, origin, k)
        else:
            vectors = torch.eye(dim, dtype=cloud.dtype, device=cloud.device).expand(k * cloud.size, -1, -1)
        axes, missing = completed(gram_schmidt(vectors, self.eps))
        # Exact where the vectors of the net suffice, and without noise.
        enough = missing.sum(-1).view(k, cloud.size) <= dim - max(self.num_vectors, 1)
        exact = torch.where(enough.all(0) & (self.noise == 0), ALL_RANKS, -1)
        return Frames.uniform(axes.view(k, cloud.size, dim, dim), origin, cloud.batch, exact)

    def _vectors(self, net: nn.Module, cloud: Cloud, origin: Tensor | None, k: int) -> Tensor:
        """The vectors of the net for k copies of the batch, with independent noise, ``[k * B, ..., d]``."""
        x, scalars, batch = _nodes(cloud, origin, self.group.reflects)
        first = cloud.size * torch.arange(k, device=cloud.device).unsqueeze(1)
        batch, scalars, x = (batch + first).flatten(), scalars.repeat(k, 1), x.repeat(k, 1, 1)
        if self.noise:
            x = torch.cat([x, self._noise(x)], dim=1)
        vectors = _called(net, cloud.dtype, x, scalars, batch, k * cloud.size).to(cloud.dtype)
        wanted = (k * cloud.size, self.num_vectors, self.group.dim)
        if vectors.shape != wanted:
            raise ValueError(f"net: expected {list(wanted)} for {self.group}, found {list(vectors.shape)}")
        return vectors

    def _noise(self, x: Tensor) -> Tensor:
        size = (x.size(0), self.noise, x.size(-1))
        return draw(torch.randn, *size, generator=self.generator, device=x.device, dtype=x.dtype)

    def extra_repr(self) -> str:
        if not self.noise:
            return super().extra_repr()
        return f"{super().extra_repr()}, noise={self.noise}, k={self.k}, eval_k={self.eval_k or self.k}"


def identity_prior(frames: MotionFrames) -> Tensor:
    r"""Prior toward the identity: the distance of frames from it (Mondal et al. 2023).

    .. math:: \mathcal{L} = \frac1B \sum_b \sum_{g \in F(x_b)} w_g\, \|R_g - I\|_F^2

    Added to the loss of a task, on data in their usual poses, it trains a :class:`LearnedFrame` to keep these
    poses, which a pretrained model has seen, and to map all other poses to them:
    ``loss + 0.1 * identity_prior(model.frame(pos, batch=batch))``. Between 0 and 4 d; the mean over the Haar
    measure is 2 d. The prior is *not* invariant, on purpose.

    Vectors of the default net lie in the mirror plane of a mirror-symmetric cloud. Where the first axes of
    the usual pose are normal to that plane they cannot be learned: use :class:`fa_pyg.nn.FramedVectors`.

    Shapes:
        a scalar, differentiable; 0 for a batch without graphs.
    """
    checks.instance("frames", frames, Frames, "fa_pyg.Frames")
    eye = torch.eye(frames.dim, dtype=frames.rotation.dtype, device=frames.rotation.device)
    distance = (frames.rotation - eye).square().sum(dim=(-2, -1))
    return (frames.weight * distance).sum() / max(frames.num_bodies, 1)


def _called(net: nn.Module, dtype: torch.dtype, *args: Tensor | int) -> Tensor:
    """Call a net in another dtype, without converting it."""
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    wide = {name: x.to(dtype) for name, x in state.items() if x.is_floating_point() and x.dtype != dtype}
    out = functional_call(net, wide, args)
    with torch.no_grad():
        for name, buffer in net.named_buffers():  # running statistics
            if name in wide:
                buffer.copy_(wide[name])
    return out


def _nodes(cloud: Cloud, origin: Tensor | None, reflects: bool) -> tuple[Tensor, Tensor, Tensor]:
    """All vectors of each node ``[N, C, d]``, the weight ``[N, 1]`` and the graph ``[N]`` of each."""
    usable = [q for q in cloud.declared if q.rep.rank == 1 and not (reflects and q.rep.pseudo)]
    if not usable:
        found = ", ".join(str(q.rep) for q in cloud.declared)
        raise ValueError(f"LearnedFrame: expected a declared point or vector, found {found}")
    leader = next((q for q in cloud.declared if q.rep.affine), cloud.read[0])
    n, index = leader.value.size(0), leader.rows.body
    x = torch.cat([_channels(cloud, q, origin, leader) for q in usable], dim=1)
    weight = cloud.node_weight
    scalars = x.new_ones(n, 1) if weight is None or weight.size(0) != n else weight.unsqueeze(-1)
    batch = torch.zeros(n, dtype=torch.long, device=cloud.device) if index is None else index
    return x, scalars, batch


def _channels(cloud: Cloud, quantity: Quantity, origin: Tensor | None, leader: Quantity) -> Tensor:
    """A quantity at the rows of the leader, averaged over graphs if it has others, ``[N, C, d]``."""
    n, *channels, dim = quantity.value.shape
    value = cloud.centered(quantity, origin)[0].view(n, math.prod(channels), dim)
    if quantity.rows.align_with(leader.rows):
        return value
    average = mean(value.flatten(1), quantity.rows.body, cloud.size)
    # Where vectors cancel, as of edges in both directions, rounding is left, which the net would scale up.
    size = mean(value.detach().flatten(1).abs(), quantity.rows.body, cloud.size).amax(1, keepdim=True)
    average = torch.where(average.abs() <= 64 * torch.finfo(average.dtype).eps * size, 0, average)
    average = gather(average, leader.rows.body).expand(leader.value.size(0), -1)
    return torch.unflatten(average, 1, value.shape[1:])
