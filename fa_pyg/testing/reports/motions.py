"""Equivariance of every output under each kind of motion of a group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from fa_pyg.groups import FiniteGroup, Group
from fa_pyg.testing.motions import Motion, random_motion
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, OK, Section, Worst
from fa_pyg.testing.reports.trial import Tally, Trial

__all__ = ["check_motions", "check_translations", "kinds"]

SMALL = 0.01  # radians
Draw = Callable[[torch.Generator], Motion]

WORDS = {
    "quarter turns": "rotations that permute the coordinate axes, exactly",
    "mirrors": "reflections that permute the coordinate axes, exactly",
    "small rotations": "by about half a degree",
    "rotations": "uniformly distributed",
    "reflections": "uniformly distributed, of determinant -1",
    "elements": "of the finite group",
    "scalings": "by a random factor",
    "boosts": "by a random velocity",
}


def check_motions(trial: Trial) -> Section:
    """Compare outputs of moved structures with moved outputs, for rotations, reflections, ..."""
    title = f"outputs transform as declared under motions of {trial.group}"
    cases = kinds(trial.group)
    if not cases:
        reason = f"{trial.group} has translations only" if trial.group.dim else "S(n) moves no space"
        return Section("equivariance", title, reason=reason)
    if not trial.reps:
        return Section("equivariance", title, reason="no input transforms; declare one (--inputs pos=point)")
    tally = Tally(trial)
    for case, draw in cases.items():
        times = 1 if trial.quick or case == "small rotations" else 2
        for _ in range(times):
            _try(tally, case, [draw(trial.generator) for _ in trial.data])
    return Section(
        "equivariance",
        title,
        tuple(tally.rows()),
        remarks=tuple(_remarks(tally, cases)),
        good="no difference",
    )


def _remarks(tally: Tally, cases: dict[str, Draw]) -> Iterator[str]:
    """Remark on outputs that pass exact turns of the axes alone."""
    verdicts = {(row.case, row.output): row.verdict for row in tally.rows()}
    for output in tally.trial.outputs:
        turns = [verdicts.get((case, output.name)) for case in ("quarter turns", "mirrors") if case in cases]
        generic = [
            verdicts.get((case, output.name)) for case in ("rotations", "reflections") if case in cases
        ]
        if OK in turns and FAULT not in turns and FAULT in generic:
            yield f"{output.name} is equivariant to turns of the axes, not to other rotations"
        if (
            verdicts.get(("rotations", output.name)) == OK
            and verdicts.get(("reflections", output.name)) == FAULT
        ):
            yield f"{output.name} is equivariant to rotations, not to reflections (SE, SO)"


def check_translations(trial: Trial) -> Section:
    """Compare outputs of translated structures with those before, near and far from the origin."""
    title = "translations change nothing but positions, also far from the origin"
    if not trial.group.translates:
        return Section("translation", title, reason=f"{trial.group} has no translations")
    if not any(rep.affine for rep in trial.reps.values()):
        return Section("translation", title, reason="no input is a point; declare one (--inputs pos=point)")
    tally = Tally(trial)
    for words, length in (("small", 0.1), ("by 10 spacings", 10.0), ("by 1000 spacings", 1000.0)):
        _try(tally, words, [_translation(trial, length) for _ in trial.data])
    return Section("translation", title, tuple(tally.rows()), good="no difference")


def _try(tally: Tally, case: str, motions: list[Motion]) -> None:
    trial = tally.trial
    moved = [trial.moved(data, g) for data, g in zip(trial.data, motions, strict=True)]

    def expected(k: int, output: Output, value: Tensor) -> Tensor:
        return motions[k](value, output.rep)

    def worst(k: int) -> Worst:
        text = f"model(g x) differs from g model(x), g being one of the {case} (rotation, translation)"
        return Worst((trial.data[k], moved[k]), motions[k], text)

    tally.compare(case, moved, expected, worst)


def _translation(trial: Trial, length: float) -> Motion:
    direction = torch.randn(trial.group.dim, generator=trial.generator, dtype=torch.float64)
    unit = 10 * trial.sigma  # the distance of neighbors
    return Motion(
        torch.eye(trial.group.dim, dtype=torch.float64), length * unit * direction / direction.norm()
    )


def kinds(group: Group) -> dict[str, Draw]:
    """List kinds of motions of a group, apart from translations, each with a function that draws one."""
    if not group.dim:
        return {}
    found: dict[str, Draw] = {}
    if isinstance(group, FiniteGroup):
        found["elements"] = partial(_linear, group, None)
    elif group.rotates:
        if group.dim > 1:
            found["quarter turns"] = partial(_turn, group.dim, 1)
        if group.reflects:
            found["mirrors"] = partial(_turn, group.dim, -1)
        if group.dim > 1:
            found["small rotations"] = partial(_small, group.dim)
            found["rotations"] = partial(_linear, group, True)
        if group.reflects:
            found["reflections"] = partial(_linear, group, False)
    if group.scales:
        found["scalings"] = partial(_part, group, "scale")
    if group.boosts:
        found["boosts"] = partial(_part, group, "boost")
    return found


def _linear(group: Group, proper: bool | None, generator: torch.Generator) -> Motion:
    g = random_motion(group, generator, proper=proper)
    return Motion(g.rotation, torch.zeros_like(g.translation))


def _turn(dim: int, determinant: int, generator: torch.Generator) -> Motion:
    """Signed permutation of the axes, not the identity."""
    eye = torch.eye(dim, dtype=torch.float64)
    while True:
        signs = torch.randint(2, (dim, 1), generator=generator) * 2.0 - 1
        r = signs * eye[torch.randperm(dim, generator=generator)]
        if torch.linalg.det(r).round() == determinant and not torch.equal(r, eye):
            return Motion(r, torch.zeros(dim, dtype=torch.float64))


def _small(dim: int, generator: torch.Generator) -> Motion:
    a = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    a = (a - a.T) / (a - a.T).norm() * 2**0.5
    return Motion(torch.linalg.matrix_exp(SMALL * a), torch.zeros(dim, dtype=torch.float64))


def _part(group: Group, part: str, generator: torch.Generator) -> Motion:
    g, eye = random_motion(group, generator), torch.eye(group.dim, dtype=torch.float64)
    zero = torch.zeros(group.dim, dtype=torch.float64)
    return Motion(eye, zero, g.scale) if part == "scale" else Motion(eye, zero, 1.0, g.boost)
