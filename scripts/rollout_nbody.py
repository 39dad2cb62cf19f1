"""Roll out trained n-body models, against the true trajectories: ``fa-pyg rollout``.

``python scripts/rollout_nbody.py runs/nbody/fa_kinematic_velocity/version_0`` lets the model of a run of
``train_nbody.py`` predict its own next inputs, ten times from the inputs of the test systems, and writes
tables and plots to ``runs/rollout_nbody``. Several runs are compared on the same systems. A model must
predict velocities, too: ``configs/nbody/fa_kinematic_velocity.yaml``, ``pair_force.yaml``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["rollout", *sys.argv[1:]]))
