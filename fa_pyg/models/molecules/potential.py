"""Potential: a network on molecules in a frame, with units and, as derivatives, forces and stress."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, WeightedPCAFrame
from fa_pyg.calls import Signature
from fa_pyg.files import atomic_write
from fa_pyg.models.molecules.cell_frames import CellFrame, Crystals, chosen_cell_frame
from fa_pyg.models.molecules.cells import (
    INPUTS,
    Systems,
    derivatives,
    framed_periodic,
    merged,
    periodic_graphs,
    strained,
    stresses,
)
from fa_pyg.models.molecules.heads import checked_heads
from fa_pyg.models.molecules.inputs import (
    check_crowd,
    check_pos,
    check_types,
    is_traced,
    number_of_graphs,
    requires,
)
from fa_pyg.models.molecules.units import MAX_Z, Units
from fa_pyg.neighbors.periodic import edge_vectors, periodic_edges
from fa_pyg.nn import FrameAveraging, radius_graph
from fa_pyg.nn.rounding import rounded

__all__ = ["Potential"]

MAX_NEIGHBORS = 2000  # of an atom; diamond has 160 within 6 Å: more means another unit of length


class Potential(Units):
    r"""Energies, forces and other properties of molecules and crystals, by a network in a frame.

    .. math:: E(x) = \sum_i \epsilon_{z_i} + s\, \langle\Phi\rangle(x), \qquad
              F_i = -\frac{\partial E}{\partial x_i}, \qquad
              \sigma = \frac1V \frac{\partial E}{\partial \eta}

    The derivatives (:math:`\eta` is a strain) are taken through the frame. The atomic reference energies are
    float64 and not framed, so that a rotation does not change a digit of them.

    The axes of a periodic system come from what ``cell_frame`` reads, by default the lattice, and the network
    gets the vectors between neighbors: wrapping an atom back into the cell changes neither. A batch may mix
    crystals, slabs, molecules and isolated atoms, which are all predicted as in a call of their own; ``pbc``
    decides which are periodic, and the cell of a system that is not periodic is ignored.

    Args:
        model: the network, such as :class:`~fa_pyg.models.FAENet`, or any that is called with some of ``z``,
            ``pos``, ``batch``, ``edge_index``, ``edge_vec`` and ``num_graphs`` by these names and returns an
            energy ``[B]`` or ``[B, 1]``, or a dict. Not yet framed, unless ``frame`` is None. Positions and
            vectors have the type of its parameters, or with an attribute ``takes_float64 = True`` that of
            ``pos`` (to take differences before they are rounded).
        frame: e.g. ``WeightedPCAFrame("E(3)")``; None for invariant networks.
        heads: predictions of the network, by name: as in :class:`~fa_pyg.models.FAENet`. Default: the
            attribute ``head_names`` of the network, else one energy.
        gradient: derive ``"forces"`` from ``"energy"``; otherwise a head of that name predicts them, which is
            cheaper and conserves no energy.
        cutoff: of the neighbor search, which runs once for all frames, if the network takes ``edge_index``;
            default the network's ``cutoff``.
        cell_frame: what the frame of a periodic system is read from, and by which frame. Default
            :class:`~fa_pyg.models.LatticeVectors`: the same in every basis of the lattice, 8 runs of the
            network under E(3) and 4 under SE(3) (a cube 48 and 24, fcc in its primitive cell 96 and 48).
            :class:`~fa_pyg.models.LabeledCell` takes 1, for dynamics in one basis;
            :class:`~fa_pyg.models.NeighborVectors` is the same in every supercell, too.
        signed_cell: deprecated; ``CellVectors(signed=...)``, which older models were trained with.

    Attributes:
        settings: what the potential is built from, as in a configuration; None unless it was loaded from a
            file, or after a change that settings cannot describe.

    Shapes:
        ``z [N]`` (1 to 118), ``pos [N, 3]`` (half precision becomes float32), ``batch [N]``,
        ``cell [B, 3, 3]``, ``pbc [B, 3]`` as in :func:`~fa_pyg.neighbors.periodic.periodic_edges`. Returns
        a dict by the names of the heads, energies in float64; ``"forces" [N, 3]``, as derivatives in the type
        of ``pos``; with ``stress=True``
        also ``"stress" [B, 3, 3]``, NaN for molecules and slabs whose cell has no height, and for other slabs
        by the volume of their cell, vacuum included.

    Raises:
        ValueError: naming the argument, and the graph or atom if there is one. For forces both of a head
            and of the energy, and no cutoff for a network that requires ``edge_index``. In a call, for wrong
            shapes and types, ``z`` that are not elements, positions that are not finite, ``cell`` without
            ``pbc`` and the reverse, flat cells, periodic systems and networks without ``edge_vec``, one
            periodic direction if there is a frame of the cell (which takes two), stress if no cell has a
            volume, and more than 2000 neighbors of an atom, estimated before the search.

    Not guaranteed: for periodic systems the same energy in another cell of the same crystal, except as
    ``cell_frame`` guarantees. Energies of elements that are not in the training set
    (:meth:`~fa_pyg.models.molecules.units.Units.unknown_elements`).
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame | None = None,
        heads: Mapping[str, str] | None = None,
        gradient: bool = True,
        cutoff: float | None = None,
        cell_frame: CellFrame | None = None,
        signed_cell: bool | None = None,
    ) -> None:
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")', optional=True)
        checks.instance("cell_frame", cell_frame, CellFrame, "what frames of cells read", optional=True)
        checks.flag("signed_cell", signed_cell, optional=True)
        checks.number("cutoff", cutoff, above=0, optional=True)
        super().__init__(checked_heads(model, heads, gradient), gradient)
        if frame is None and cell_frame is not None:
            raise ValueError(f"cell_frame: expected None without a frame, found {cell_frame}")
        self.settings: dict[str, Any] | None = None
        self.cell_frame = None if frame is None else chosen_cell_frame(cell_frame, signed_cell)
        self.takes = {name for name in INPUTS if Signature(model).takes(name)}
        self.cutoff = getattr(model, "cutoff", None) if cutoff is None else cutoff
        if self.cutoff is None and requires(model, "edge_index"):
            raise ValueError(
                f"cutoff: expected one for {type(model).__name__}, which takes edge_index, found None"
            )
        self.rounds = not getattr(model, "takes_float64", False)
        options: dict[str, Any] = {"output": "scalar", "round_inputs": self.rounds}
        if not getattr(model, "is_single", not hasattr(model, "head_names")):
            options["output"] = {name: one.rep for name, one in self.kinds.items()}
            options["level"] = {name: one.level for name, one in self.kinds.items()}
        self.network = model if frame is None else FrameAveraging(model, frame, **options)
        # Shares the network and the frames, which are registered once.
        self._periodic: list[nn.Module] = [model]
        if frame is not None and self.cell_frame is not None:
            self._periodic = [framed_periodic(model, self.cell_frame.of_cells(frame), options)]

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        batch: Tensor | None = None,
        cell: Tensor | None = None,
        pbc: Tensor | None = None,
        num_graphs: int | None = None,
        stress: bool = False,
    ) -> dict[str, Tensor]:
        values = not is_traced()
        check_types(z, MAX_Z, least=1, values=values)
        check_pos(pos, z, values)
        size = number_of_graphs(z, batch, num_graphs, values)
        pos = pos.float() if pos.dtype in (torch.float16, torch.bfloat16) else pos
        periodic = periodic_graphs(cell, pbc, size, 1 if self.cell_frame is None else self.cell_frame.least)
        if stress and not self.gives_stress:
            raise ValueError(f"stress: expected a scalar head 'energy', found {self.heads}")
        if stress and periodic is None:
            raise ValueError("stress: expected periodic systems, with cell and pbc, found none")
        wants_graph = self.training and torch.is_grad_enabled()
        derive = self.gradient or stress
        with torch.set_grad_enabled(derive or torch.is_grad_enabled()):
            if derive and not pos.requires_grad:
                pos = pos.detach().requires_grad_()
            strain = pos.new_zeros(size, 3, 3, requires_grad=True) if stress else None
            out = self._run(Systems(z, pos, batch, size, cell, pbc, strain), periodic)
            out = self.in_units(out, z, batch, size)
            if derive:
                wanted = [pos] if strain is None else [pos, strain]
                slope = derivatives(out["energy"], wanted, wants_graph)
                out |= {"forces": -slope[0]} if self.gradient else {}
                if stress and cell is not None and periodic is not None:
                    out |= {"stress": stresses(slope[1], cell.to(pos), periodic)}
        return out if wants_graph or not derive else {name: value.detach() for name, value in out.items()}

    @property
    def is_framed(self) -> bool:
        """Whether the network is framed, and so periodic systems need axes of their cells."""
        return isinstance(self._periodic[0], FrameAveraging)

    def set_frame(self, frame: Frame | str) -> Potential:
        """Replace the frame, e.g. by a smoother one for evaluation than for training; return the model.

        Args:
            frame: of the same group, of which a copy is taken; or the ``smoothness`` of a
                :class:`~fa_pyg.WeightedPCAFrame`: ``"fast"``, ``"forces"`` or ``"dynamics"``. Crystals keep
                the frame of a ``cell_frame`` that brings one.

        Raises:
            ValueError: for a frame of another group, and a model without a frame.

        Not guaranteed: the accuracy in the frame of the training. The two outputs differ by as much as those
        of the bare network in two orientations.
        """
        network, periodic, cells = self.network, self._periodic[0], self.cell_frame
        if (
            not isinstance(network, FrameAveraging)
            or not isinstance(periodic, FrameAveraging)
            or cells is None
        ):
            checks.refuse("frame", "None for a model without a frame", frame)
        group = network.frame.group
        spec = None
        if isinstance(frame, str):
            arguments = {"group": str(group), "smoothness": frame}
            spec = {"class_path": "fa_pyg.WeightedPCAFrame", "init_args": arguments}
            frame = WeightedPCAFrame(group, smoothness=frame)
        frame = checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        if frame.group != group:
            checks.refuse("frame", f"one of {group}, the group of the model", frame)
        frame = deepcopy(frame).to(self.scales.device).train(self.training)
        network.frame, periodic.frame = frame, cells.of_cells(frame)
        self.settings = _with_frame(self.settings, spec)
        return self

    def save(self, path: str | Path, settings: Mapping[str, Any] | None = None) -> None:
        """Save weights and settings in one file, which :func:`fa_pyg.potential.load` reads.

        Args:
            path: the file.
            settings: what the potential is built from, ``{"class_path": "fa_pyg.models.Potential",
                "init_args": {...}}`` as in a configuration; by default the attribute of this name, which
                potentials that were loaded from a file have.

        Raises:
            ValueError: without settings.

        Not guaranteed: that given settings describe this potential.
        """
        settings = self.settings if settings is None else settings
        hint = "; give those of its configuration"
        if not isinstance(settings, Mapping):
            checks.refuse("settings", "what the potential is built from", settings, hint)
        text = yaml.safe_dump({"model": {"model": dict(settings)}}, sort_keys=False)
        with atomic_write(path, "wb") as file:
            torch.save({"potential": text, "state_dict": self.state_dict()}, file)

    def share_calls(self, slots: int | None) -> None:
        """Run several frames of each graph in one call of the network, if it takes ``batch``.

        Faster for a small molecule on a CPU, where by default every frame of a graph without ``batch`` is a
        call.

        Args:
            slots: at least 1; None for the default of :class:`~fa_pyg.nn.FrameAveraging`.
        """
        if self.is_framed and "batch" in self.takes:
            for part in (self.network, *self._periodic):
                if isinstance(part, FrameAveraging):
                    part.chunk = slots if slots is None else max(1, slots)

    # ------------------------------------------------------------------------------ parts of a call

    def _run(self, systems: Systems, periodic: Tensor | None) -> dict[str, Tensor]:
        """Run the network on periodic graphs and on others apart, as their frames read different inputs."""
        if periodic is None:
            return self._run_molecules(systems)
        if periodic.all():
            return self._run_periodic(systems)
        parts = systems.select(periodic, True), systems.select(~periodic, False)
        outputs = self._run_periodic(parts[0]), self._run_molecules(parts[1])
        outputs = [{name: out[name] for name in self.heads} for out in outputs]
        return merged(parts, outputs, {name for name, one in self.kinds.items() if one.level == "node"})

    def _run_molecules(self, some: Systems) -> dict[str, Tensor]:
        given = {"z": some.z, "pos": some.pos, "batch": some.batch, "num_graphs": some.size}
        if "edge_index" in self.takes and self.cutoff is not None:
            given["edge_index"] = radius_graph(
                some.pos.detach(), self.cutoff, some.batch, max_num_neighbors=None, batch_size=some.size
            )
            check_crowd(given["edge_index"], MAX_NEIGHBORS, some.nodes)
        return self._call(self.network, given)

    def _run_periodic(self, some: Systems) -> dict[str, Tensor]:
        if "edge_vec" not in self.takes or self.cutoff is None:
            raise ValueError(
                "cell: expected a network that takes edge_vec and has a cutoff, for periodic systems"
            )
        if some.cell is None or some.pbc is None:
            raise ValueError("cell, pbc: expected those of periodic systems, found None")
        cell, batch = some.cell.to(some.pos), some.batch
        names = None if some.graphs is None else some.graphs.tolist()
        edge_index, shift = periodic_edges(some.pos, cell, some.pbc, self.cutoff, batch, MAX_NEIGHBORS, names)
        check_crowd(edge_index, MAX_NEIGHBORS, some.nodes)
        vectors = edge_vectors(some.pos, edge_index, shift, cell, batch)
        owner = None if batch is None else batch.index_select(0, edge_index[1])
        given = {"z": some.z, "batch": batch, "num_graphs": some.size, "edge_index": edge_index}
        given["edge_vec"] = strained(vectors, some.strain, owner)
        if self.cell_frame is not None:
            box = strained(cell * some.pbc.to(cell).unsqueeze(2), some.strain, None, rows=3)
            owner = torch.zeros_like(edge_index[1]) if owner is None else owner
            crystals = Crystals(box, some.pbc, given["edge_vec"], owner, self.cutoff)
            given["axes"], given["axes_batch"] = self.cell_frame.read(crystals)
            given["batch"] = torch.zeros_like(some.z) if batch is None else batch
        return self._call(self._periodic[0], given)

    def _call(self, network: nn.Module, given: Mapping[str, Any]) -> dict[str, Tensor]:
        keep = self.takes | ({"batch", "num_graphs"} if isinstance(network, FrameAveraging) else set())
        keep = set(given) if "axes" in given else keep
        given = {name: value for name, value in given.items() if name in keep}
        if self.rounds and not isinstance(network, FrameAveraging):  # which rounds in its frames
            given = rounded(given, network)
        out = network(**given)
        return {next(iter(self.heads)): out.reshape(-1)} if isinstance(out, Tensor) else out


def _with_frame(settings: Mapping[str, Any] | None, frame: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Replace the frame in the settings of a potential; None if it cannot be described."""
    if not isinstance(settings, Mapping) or frame is None:
        return None
    return {**settings, "init_args": {**(settings.get("init_args") or {}), "frame": frame}}
