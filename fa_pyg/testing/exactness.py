"""Equivariance of framed networks on the degenerate catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep
from fa_pyg.testing.catalogue import NamedCloud, catalogue
from fa_pyg.testing.motions import Motion, random_motion
from fa_pyg.testing.probe import framed_probe

__all__ = ["assert_exact", "exactness_error"]

NODES = 1000  # of a batch, to bound the memory of clouds with many frames


def exactness_error(
    frame: Frame,
    clouds: Iterable[NamedCloud] | None = None,
    *,
    length: float = 1.0,
    dtype: torch.dtype = torch.float64,
    velocities: bool = False,
    forces: bool = False,
    trials: int = 1,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    r"""Measure the equivariance errors of a framed :class:`~fa_pyg.testing.probe.Probe`, by cloud and output.

    .. math:: \frac{\|\langle\Phi\rangle(g x) - \rho(g) \langle\Phi\rangle(x)\|}
                   {\max(\|\langle\Phi\rangle(x)\|, \|\Phi(x)\|)}

    with random motions g, rotations and reflections, and nodes in random order.

    Args:
        frame: in the mode to be tested.
        clouds: default :func:`catalogue` in the dimension of the frame.
        length: unit of length of the network, that of the clouds (if the group scales, they have unit size in
            the frame).
        dtype: of the positions and the network.
        velocities: add a random velocity per node as a declared input that the frame does not read.
        forces: also measure the forces, minus the gradient of the scalar of the graph: ``"node force"``.
        trials: number of motions of each kind.
        seed: of the motions and the network.

    Returns:
        ``errors[name]["node vector"]``, ...; NaN for outputs that are not finite.

    Raises:
        ValueError: for other arguments.
    """
    checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
    checks.instance("clouds", clouds, Iterable, "NamedClouds", optional=True)
    checks.number("length", length, above=0)
    if dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        checks.refuse("dtype", "a floating point type such as torch.float64", dtype)
    checks.flag("velocities", velocities)
    checks.flag("forces", forces)
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    clouds = list(catalogue(frame.group.dim) if clouds is None else clouds)
    for cloud in clouds:
        checks.instance("clouds", cloud, NamedCloud, "NamedClouds")
    unit = 1.0 if frame.group.scales else length
    model = framed_probe(frame, length=unit, velocities=velocities, seed=seed).to(dtype)
    force = Rep(1, scale=-int(frame.group.scales))  # of an energy that does not scale
    reps = model.output | ({"node force": force} if forces else {})
    generator, errors = torch.Generator().manual_seed(seed), {}
    for part in _parts(clouds):
        worst = torch.zeros(len(part), len(reps), dtype=torch.float64)
        args = _args(part, dtype, velocities, generator)
        for g in _motions(frame, trials, 3 * length, generator):
            worst = torch.maximum(worst, _errors(model, reps, args, g, generator))  # keeps NaN
        found = [dict(zip(reps, row, strict=True)) for row in worst.tolist()]
        errors |= {cloud.name: error for cloud, error in zip(part, found, strict=True)}
    return errors


def assert_exact(
    frame: Frame, clouds: Iterable[NamedCloud] | None = None, *, tol: float | None = None, **options
) -> dict[str, dict[str, float]]:
    """Assert that every :func:`exactness_error` is at most ``tol``, by default 1e-10, or 1e-3 in float32.

    Raises:
        AssertionError: with the clouds and outputs of the largest errors.
        ValueError: as :func:`exactness_error`.
    """
    checks.number("tol", tol, 0, optional=True)
    double = options.get("dtype", torch.float64) == torch.float64
    tol = (1e-10 if double else 1e-3) if tol is None else tol
    errors = exactness_error(frame, clouds, **options)
    wrong = [(e, cloud, out) for cloud, found in errors.items() for out, e in found.items() if not e <= tol]
    if wrong:
        wrong.sort(key=lambda entry: -entry[0] if entry[0] == entry[0] else float("-inf"))  # NaN first
        table = "\n".join(f"  {error:8.2g}  {cloud}: {out}" for error, cloud, out in wrong[:10])
        number = len({cloud for _, cloud, _ in wrong})
        raise AssertionError(
            f"{frame}: not exact on {number} of {len(errors)} clouds (tol {tol:g}):\n{table}"
        )
    return errors


def _parts(clouds: list[NamedCloud]) -> Iterator[list[NamedCloud]]:
    """Split clouds into batches, either all with colors or all without."""
    for colored in (True, False):
        part, nodes = [], 0
        for cloud in (c for c in clouds if (c.z is not None) == colored):
            if part and nodes + len(cloud.pos) > NODES:
                yield part
                part, nodes = [], 0
            part.append(cloud)
            nodes += len(cloud.pos)
        if part:
            yield part


def _args(
    clouds: list[NamedCloud], dtype: torch.dtype, velocities: bool, generator: torch.Generator
) -> dict[str, Tensor | None]:
    sizes = torch.tensor([len(cloud.pos) for cloud in clouds])
    pos = torch.cat([cloud.pos for cloud in clouds]).to(dtype)
    args = {
        "z": None if clouds[0].z is None else torch.cat([cloud.z for cloud in clouds if cloud.z is not None]),
        "pos": pos,
        "batch": torch.arange(len(clouds)).repeat_interleave(sizes),
    }
    if velocities:
        args["vel"] = torch.randn(pos.shape, generator=generator, dtype=torch.float64).to(dtype)
    return args


def _motions(frame: Frame, trials: int, scale: float, generator: torch.Generator) -> Iterator[Motion]:
    group = frame.group
    kinds = (True, False) if group.reflects else (True,) if group.rotates else (None,)
    for kind in kinds * trials:
        yield random_motion(group, generator, proper=kind, scale=scale)


def _errors(
    model: FrameAveraging, reps: dict[str, Rep], args: dict, g: Motion, generator: torch.Generator
) -> Tensor:
    """Error of each graph and output, ``[B, outputs]``, with the nodes in another order."""
    order = torch.randperm(len(args["pos"]), generator=generator)
    moved = {k: v if k in ("z", "batch") else g(v, model.inputs[k]) for k, v in args.items()}
    moved = {k: v if v is None else v[order] for k, v in moved.items()}
    forces, columns = "node force" in reps, []
    plain, bare = (_outputs(network, args, forces) for network in (model, model.model))
    found = _outputs(model, moved, forces)
    for name, rep in reps.items():
        batch = args["batch"] if name.startswith("node") else None
        expected = g(plain[name], rep)
        expected = expected if batch is None else expected[order]
        error = _norm(
            found[name] - expected, None if batch is None else batch[order], len(plain["graph scalar"])
        )
        scale = [_norm(out[name], batch, len(error)) for out in (plain, bare)]
        columns.append(error / torch.maximum(*scale))
    return torch.stack(columns, dim=1)


def _outputs(model: nn.Module, args: dict, forces: bool) -> dict[str, Tensor]:
    if not forces:
        with torch.no_grad():
            return model(**args)
    pos = args["pos"].detach().requires_grad_()
    out = model(**{**args, "pos": pos})
    force = -torch.autograd.grad(out["graph scalar"].sum(), pos)[0]
    return {name: y.detach() for name, y in out.items()} | {"node force": force}


def _norm(x: Tensor, batch: Tensor | None, size: int) -> Tensor:
    """Norm over each graph, ``[B]``."""
    squares = x.double().pow(2).reshape(len(x), -1).sum(1)
    return (squares if batch is None else scatter_sum(squares, batch, size)).sqrt()
