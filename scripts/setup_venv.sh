#!/usr/bin/env bash
# Makes .venv and installs fa_pyg in it, with what training and the tests need: `make setup`.
# A set-up that was killed leaves its mark behind; the next one then starts from an empty .venv.
set -Eeuo pipefail # E: the trap below serves functions too
cd "$(dirname "$0")/.."
python=${1:-python3}
mark=.venv/.unfinished
ready=.venv/.ready # holds the folder it was made for: an editable install does not survive a move

mkdir -p .cache
# A second set-up waits for the first. The lock ends with that process and with what it has started: where it was
# killed, a pip that goes on writing to .venv keeps it until it ends.
lock=.cache/setup.lock
exec 9>>"$lock"
if command -v flock >/dev/null && ! flock -w "${LOCK_TELL:-5}" 9; then
    echo "$PWD/$lock is held by $(cat "$lock"), or by what it has started: waiting." >&2
    if ! flock -w "${LOCK_PATIENCE:-1800}" 9; then
        echo "$PWD/$lock is still held by $(cat "$lock"): end that process, then start again." >&2
        exit 1
    fi
fi
echo "process $$ on $(uname -n) since $(date '+%F %T')" >"$lock"

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
install --no-build-isolation -e '.[train,chem,clouds,dev,docs]'

rm "$mark"
pwd >"$ready"
echo "Ready: .venv/bin/python has fa_pyg and all it needs."
