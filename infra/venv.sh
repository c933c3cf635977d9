#!/usr/bin/env bash
# venv.sh DIRECTORY REQUIREMENTS: a virtual environment of its own, made again when the requirements change.
set -euo pipefail
cmp -s "$2" "$1/made-from" && exit
rm -rf "$1"
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
cp "$2" "$1/made-from"
