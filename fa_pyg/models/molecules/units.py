"""Units of a potential: atomic references, scales of the targets, and the elements of the training set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg.models.molecules.heads import HEADS, Head
from fa_pyg.models.molecules.inputs import check_types
from fa_pyg.models.molecules.references import AtomicReference
from fa_pyg.typed import NamedModules

__all__ = ["MAX_Z", "Units"]

MAX_Z = 118


class Units(nn.Module):
    r"""Units of the predictions of a network: :math:`y = \sum_i \epsilon_{z_i} + s\, \hat y`.

    Numbers of a molecule have atomic references, everything has a scale. All are float64 and fitted to a
    training set.

    Args:
        heads: names in ``HEADS`` by prediction.
        gradient: forces are the derivative of the energy, and have its scale.

    Raises:
        ValueError: in a call, for ``z`` that are not atomic numbers.
    """

    scales: Tensor
    stress_scale: Tensor
    known: Tensor

    def __init__(self, heads: Mapping[str, str], gradient: bool) -> None:
        super().__init__()
        self.heads, self.gradient = dict(heads), gradient
        self.register_buffer("scales", torch.ones(len(heads), dtype=torch.float64))
        self.register_buffer("stress_scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("known", torch.zeros(MAX_Z + 1, dtype=torch.bool))
        kinds = {name: HEADS[spec] for name, spec in heads.items()}
        self.references: NamedModules[AtomicReference] = NamedModules(
            {name: AtomicReference(one.reduce == "mean") for name, one in kinds.items() if one.has_reference}
        )

    @property
    def kinds(self) -> dict[str, Head]:
        """Head of each prediction by name, with its representation and level."""
        return {name: HEADS[spec] for name, spec in self.heads.items()}

    @property
    def gives_stress(self) -> bool:
        """Whether there is an energy whose derivative by strain is the stress."""
        return self.heads.get("energy") == "scalar" and "stress" not in self.heads

    def unknown_elements(self, z: Tensor) -> list[int]:
        """Return the atomic numbers among ``z`` that are not in the training set; none before a fit.

        Raises:
            ValueError: for ``z`` that are not atomic numbers.
        """
        check_types(z, MAX_Z)
        fitted = (self.known, *(one.known for one in self.references.values()))
        known = [one for one in fitted if one.any()]
        return z.unique()[~known[0][z.unique()]].tolist() if known else []

    def scale(self, name: str) -> Tensor:
        """Return the scale of a target; that of the energy for its forces."""
        if name == "stress" and name not in self.heads:
            return self.stress_scale
        names = list(self.heads)
        return self.scales[names.index("energy" if name == "forces" and self.gradient else name)]

    def in_units(
        self, out: Mapping[str, Tensor], z: Tensor, batch: Tensor | None, size: int
    ) -> dict[str, Tensor]:
        """Convert the outputs of a network to the units of the targets."""
        values = {}
        for name, scale in zip(self.heads, self.scales, strict=True):
            if name in self.references:
                values[name] = out[name].reshape(-1).double() * scale.double()
                values[name] = values[name] + self.references[name](z, batch, size)
            else:
                values[name] = out[name] * scale.to(out[name])
        return values

    def fit_units(self, z: Tensor, batch: Tensor | None, targets: Mapping[str, Tensor]) -> None:
        """Fit atomic references and scales to a training set.

        The scale is the root mean square of what the references leave; the energy takes that of the forces,
        times 1 in the unit of length, if there are any.

        Args:
            z: atomic numbers ``[N]``.
            batch: ``[N]``, or None for one molecule.
            targets: by name, those of the heads, ``"forces"`` and ``"stress"`` (NaN where it is unknown). A
                head without a target keeps its units; without an energy, its scale is still that of the
                forces.

        Raises:
            ValueError: for other names, numbers that are not finite, and ``z`` that are not atomic numbers.
        """
        self._check_targets(z, targets)
        self.known.zero_()[z.unique().to(self.known.device)] = True
        for index, name in enumerate(self.heads):
            rest, rounding = None, 1e-12
            if name in targets:
                target = targets[name].detach().double()
                rest = self.references[name].fit(z, batch, target) if name in self.references else target
                rounding = rounding * target.abs().max().clamp(min=1)
            if name == "energy" and "forces" in targets and (self.gradient or rest is not None):
                rest, rounding = targets["forces"].double(), 1e-12
            if rest is not None:
                scale = rest.square().mean().sqrt()
                self.scales[index] = torch.where(scale > rounding, scale, torch.ones_like(scale))
        if self.gives_stress and "stress" in targets:
            scale = targets["stress"].double().square().nanmean().sqrt()
            self.stress_scale.copy_(torch.where(scale > 1e-12, scale, torch.ones_like(scale)))

    def _check_targets(self, z: Tensor, targets: Mapping[str, Tensor]) -> None:
        check_types(z, MAX_Z, least=1)
        given = {*self.heads, "forces", *(("stress",) if self.gives_stress else ())}
        for name, value in targets.items():
            if name not in given:
                raise ValueError(f"targets: expected some of {sorted(given)}, found {name!r}")
            if not (value.isfinite() | value.isnan() & (name == "stress")).all():
                raise ValueError(f"targets: expected finite numbers, found others in {name!r}")

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # Older checkpoints have the elements of the references only, and no stress.
        state_dict.setdefault(f"{prefix}known", self.known)
        state_dict.setdefault(f"{prefix}stress_scale", self.stress_scale)
        super()._load_from_state_dict(state_dict, prefix, *args)
