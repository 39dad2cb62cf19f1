"""Frames, framed outputs and forces on the degenerate catalogue, for every frame and group of motions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from fa_pyg import (
    CosetFrame,
    Frame,
    Frames,
    GeneralisedQRFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    LocalPCAFrame,
    PCAFrame,
    PerMode,
    PolarFrame,
    Sample,
    WeightedPCAFrame,
)
from fa_pyg.nn import radius_graph
from fa_pyg.testing import NamedCloud, catalogue, framed_probe, modified
from hashed import Cases

__all__ = ["cases", "exactness", "made"]

KINDS = ("g2", "molecules", "prisms", "solids", "coloured", "chiral", "coincident", "lines", "polygons")
KINDS += ("planes", "nearly")
GROUPS = ("O(3)", "SO(3)", "E(3)", "SE(3)", "O(2)", "SO(2)", "E(2)", "SE(2)")
SMALL = 12  # points: where a frame has many elements
CHANGES = ({"offset": 1e3}, {"scale": 1e-6}, {"scale": 1e6}, {"coloured": False})


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def whole(group: str) -> Frame:
    """All elements of a finite subgroup."""
    name = {"O(3)": "Oh", "SO(3)": "O", "O(2)": "D4", "SO(2)": "C4"}[group.replace("E(", "O(")]
    return GroupFrame(name, translations="E" in group)


def coset(frame: Callable[[str], Frame]) -> Callable[[str], Frame]:
    return lambda group: CosetFrame(frame(group), "O" if group[-2] == "3" else "C4")


FRAMES: dict[str, Callable[[str], Frame]] = {
    "pca": PCAFrame,
    "pca detached": lambda group: PCAFrame(group, detach=True),
    "fast": lambda group: WeightedPCAFrame(group, smoothness="fast"),
    "forces": lambda group: WeightedPCAFrame(group, smoothness="forces"),
    "dynamics": lambda group: WeightedPCAFrame(group, smoothness="dynamics"),
    "sparsemax": lambda group: WeightedPCAFrame(group, tau=0.02, projection="sparsemax"),
    "group": whole,
    "haar": lambda group: HaarFrame(group, k=3, generator=seeded()),
    "learned": LearnedFrame,
    "noisy": lambda group: LearnedFrame(group, noise=2, k=3, generator=seeded()),
    "qr": GeneralisedQRFrame,
    "coset of pca": coset(PCAFrame),
    "coset of fast": coset(lambda group: WeightedPCAFrame(group, smoothness="fast")),
    "sample": lambda group: Sample(PCAFrame(group), k=2, generator=seeded()),
    "sample of fast": lambda group: Sample(WeightedPCAFrame(group), k=2, generator=seeded()),
    "per mode, train": lambda group: PerMode(HaarFrame(group, generator=seeded()), PCAFrame(group)),
    "per mode, eval": lambda group: PerMode(HaarFrame(group), PCAFrame(group)).eval(),
}
LARGE = {
    "forces",
    "dynamics",
    "coset of fast",
    "group",
    "coset of pca",
    "sample of fast",
}  # only on small clouds
NODES: dict[str, Callable[[str], LocalFrame]] = {
    "local pca": LocalPCAFrame,
    "local fast": lambda group: LocalFrame(WeightedPCAFrame(group, smoothness="fast")),
    "local qr": lambda group: LocalFrame(GeneralisedQRFrame(group)),
    "local sample": lambda group: LocalFrame(Sample(PCAFrame(group), generator=seeded())),
}


def made(clouds: list[NamedCloud], dtype: torch.dtype = torch.float64) -> Iterator[dict[str, Tensor | None]]:
    """Yield a batch of the clouds with colors, and one of those without."""
    for colored in (True, False):
        some = [cloud for cloud in clouds if (cloud.z is not None) == colored]
        if some:
            sizes = torch.tensor([len(cloud.pos) for cloud in some])
            yield {
                "z": torch.cat([cloud.z for cloud in some]) if colored else None,
                "pos": torch.cat([cloud.pos for cloud in some]).to(dtype),
                "batch": torch.arange(len(some)).repeat_interleave(sizes),
            }


def exactness(frames: Frames) -> list[Tensor | str]:
    try:
        return [frames.exact_for(rep) for rep in ("scalar", "vector", "pseudovector", "tensor")]
    except ValueError:
        return ["not said"]


def framed(make: Callable[[str], Frame], group: str, args: dict, forces: bool) -> list:
    """The frames of a batch, how exact they are, what a network says in them, and the force."""
    torch.manual_seed(0)
    frame = make(group)
    size = int(args["batch"][-1]) + 1
    weight = None if args["z"] is None else args["z"].double()
    frames = frame(args["pos"], batch=args["batch"], num_graphs=size, node_weight=weight)
    model = framed_probe(make(group)).to(args["pos"].dtype)
    if not forces:
        with torch.no_grad():
            return [frames, exactness(frames), frames.determinant, model(**args)]
    pos = args["pos"].clone().requires_grad_()
    out = model(**{**args, "pos": pos})
    (force,) = torch.autograd.grad(out["graph scalar"].sum(), pos)
    return [frames, exactness(frames), frames.determinant, out, force]


def local(make: Callable[[str], LocalFrame], group: str, args: dict) -> list:
    torch.manual_seed(0)
    edge_index = radius_graph(args["pos"], 1.9, args["batch"], max_num_neighbors=None)
    frames = make(group)(args["pos"], edge_index)
    source, target = edge_index
    pos = args["pos"]
    turned = frames.to_frame(pos[source] - pos[target], "vector", target)
    return [frames, exactness(frames), turned, frames.average(turned.tanh(), "vector", target)]


def polar(group: str) -> list:
    """Cells, left-handed ones, and slabs without a height."""
    cells = torch.randn(8, 3, 3, generator=seeded(), dtype=torch.float64)
    slabs = cells * torch.tensor([1.0, 1.0, 0.0]).double().unsqueeze(1)
    found = []
    for rows in (cells, slabs, torch.eye(3).double().repeat(2, 1, 1)):
        frames = PolarFrame(group)(rows.flatten(0, 1), batch=torch.arange(len(rows)).repeat_interleave(3))
        found += [frames, exactness(frames), frames.to_frame(rows.flatten(0, 1), "vector")]
    return found


def few(kind: str, dim: int, name: str) -> list[NamedCloud]:
    clouds = [cloud for cloud in catalogue(dim, [kind]) if name not in LARGE or len(cloud.pos) <= SMALL]
    return clouds[::2] if kind in ("nearly", "g2") and name in LARGE else clouds


def changed(name: str, change: dict, dtype: torch.dtype) -> list:
    """Far away, tiny, huge or without colors."""
    clouds = catalogue(3, ["lines"] if name == "forces" else ["chiral", "lines"])
    batches = made([modified(cloud, **change) for cloud in clouds], dtype)
    return [framed(FRAMES[name], "E(3)", args, True) for args in batches]


def cases() -> Cases:
    """Yield the cases of this file."""
    for group in GROUPS:
        dim = int(group[-2])
        for kind in KINDS if dim == 3 else KINDS[-5:]:
            for name, make in FRAMES.items():
                yield (
                    f"frames/{name}/{group}/{kind}",
                    lambda *a, n=name, m=make, g=group, k=kind, d=dim: [
                        framed(m, g, args, n not in ("learned", "noisy")) for args in made(few(k, d, n))
                    ],
                )
            for name, make in NODES.items():
                yield (
                    f"frames/{name}/{group}/{kind}",
                    lambda m=make, g=group, k=kind, d=dim: [
                        local(m, g, args) for args in made([c for c in catalogue(d, [k]) if len(c.pos) <= 30])
                    ],
                )
        if dim == 3:
            yield f"frames/polar/{group}", lambda g=group: polar(g)
    for number, change in enumerate(CHANGES):
        for name in ("pca", "fast", "forces", "qr"):
            for dtype in (torch.float32, torch.float64):
                case = f"modified/{name}/{number}/{str(dtype)[6:]}"
                yield case, lambda n=name, c=change, t=dtype: changed(n, c, t)
