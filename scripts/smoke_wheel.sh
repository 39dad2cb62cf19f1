#!/usr/bin/env bash
# Builds sdist and wheel, installs the wheel into a new environment without the source tree, and tries it: `make smoke`.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-python3}
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1
unset PYTHONPATH

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

say "building sdist and wheel"
# From a copy of the files that git does not ignore: an older build folder would add to the wheel.
mkdir "$work/tree"
git ls-files -z -co --exclude-standard | tar --null --ignore-failed-read -T - -c | tar -x -C "$work/tree"
build() { .venv/bin/python -m build -q "$@" "$work/tree" >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 1; }; }
build --outdir "$work/dist" # the wheel is built from the sdist
build --wheel --outdir "$work/direct"
.venv/bin/python scripts/smoke_wheel.py contents "$work"/dist/*.whl "$work"/direct/*.whl "$work"/dist/*.tar.gz
wheel=$(echo "$work"/dist/*.whl)

say "a new environment"
"$python" -m venv "$work/env"
install() { "$work/env/bin/python" -m pip install -qq --no-compile -c constraints.txt "$@"; }
install torch
install "$wheel"
cp scripts/smoke_wheel.py "$work"
mkdir "$work/here"
cd "$work/here"
try() { PATH="$work/env/bin:$PATH" "$work/env/bin/python" ../smoke_wheel.py "$@"; }

say "without extras"
try modules
try readme
try helps

say "with the extra train"
(cd "$root" && install "$wheel[train]")
try training
say "the wheel works"
