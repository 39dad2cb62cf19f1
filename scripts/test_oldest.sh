#!/usr/bin/env bash
# Installs the oldest versions that fa_pyg allows (constraints-oldest.txt) into .cache/oldest, and runs the tests with
# them: `make test-oldest`. The arguments are pytest's. PYTHON names the interpreter: torch 2.4 has wheels for 3.10 to
# 3.12. On Linux its wheel brings CUDA along: 3 GB to fetch and 6 GB on disk, unless pip is told of a build for CPU
# (PIP_FIND_LINKS, PIP_INDEX_URL). torch_scatter is left out: fa_pyg works without it.
set -euo pipefail
cd "$(dirname "$0")/.."
env=.cache/oldest
ready=$env/.ready # says what the environment was made from, and where

state() { echo "$PWD" && cat constraints-oldest.txt pyproject.toml setup.py; }
install() { "$env/bin/python" -m pip --disable-pip-version-check install -q -c constraints-oldest.txt "$@"; }

if ! { [ -f "$ready" ] && "$env/bin/python" -c "" && state | cmp -s - "$ready"; }; then
    rm -rf "$env"
    "${PYTHON:-python3}" -m venv "$env"
    echo "Installing the oldest torch (once; a large download) ..."
    install torch
    echo "Installing the rest ..."
    install 'setuptools>=77' # builds fa_pyg
    install --no-build-isolation -e '.[train,chem,clouds,wandb,dev]'
    state >"$ready"
fi
"$env/bin/python" -m pip list --format=freeze --disable-pip-version-check |
    grep -iE '^(torch|torch.geometric|numpy|scipy|rdkit|ase|lightning)=='
exec "$env/bin/python" -m pytest "$@"
