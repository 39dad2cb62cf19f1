#!/usr/bin/env bash
# Makes .venv and installs fa_pyg in it, with what training and the tests need: `make setup`.
# A set-up that was killed leaves its mark behind; the next one then starts from an empty .venv.
set -Eeuo pipefail # E: the trap below serves functions too
cd "$(dirname "$0")/.."
python=${1:-python3}
mark=.venv/.unfinished
ready=.venv/.ready # holds the folder it was made for: an editable install does not survive a move

mkdir -p .cache
exec 9>.cache/setup.lock # a second set-up waits for the first; the lock ends with its process, however that ends
if command -v flock >/dev/null; then flock 9; fi

if [ -e "$mark" ]; then
    echo "The last set-up was not finished: starting afresh."
    rm -rf .venv
elif [ -e "$ready" ] && [ "$(cat "$ready")" != "$PWD" ]; then
    echo "The folder was moved: making .venv anew."
    rm -rf .venv
fi

[ -x .venv/bin/python ] || rm -rf .venv
mkdir -p .venv
rm -f "$ready"
touch "$mark"
trap 'exit 130' INT TERM                   # interrupted: the mark stays
trap '[ $? -gt 128 ] || rm -f "$mark"' ERR # given up in good order: what is installed may stay

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -m venv .venv
fi
if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "Python 3.10 or newer is needed; name one with: make setup PYTHON=python3.11" >&2
    exit 1
fi

quiet=-q
if [ -t 1 ]; then quiet=; fi
install() { .venv/bin/python -m pip --disable-pip-version-check install $quiet -c constraints.txt "$@"; }
echo "Installing torch (once; a large download) ..."
install torch
echo "Installing the rest ..."
install setuptools
install --no-build-isolation -e '.[train,chem,dev]'

rm "$mark"
pwd >"$ready"
echo "Ready: .venv/bin/python has fa_pyg and all it needs."
