#!/usr/bin/env bash
# Installs what package-lock.json names, unless it is there already.
set -euo pipefail
cd "$(dirname "$0")"
cmp -s package-lock.json node_modules/made-from && exit
npm ci --no-audit --no-fund --ignore-scripts --loglevel error
cp package-lock.json node_modules/made-from
