#!/usr/bin/env bash
# `make supply-chain`: what the functions are made of. Licences, banned crates and sources of every dependency; the advisories of RustSec, where
# its database can be had; a bill of materials (CycloneDX) for each function, in target/sbom. That names some crates too many: it has
# the features that all members of the workspace ask for together.
set -euo pipefail
cd "$(dirname "$0")/.."
DENY=0.20.2
CYCLONEDX=0.5.9
read -ra FUNCTIONS <<<"${FUNCTIONS:?make supply-chain names them}"
TOOLS=$PWD/target/tools
export PATH=$TOOLS/bin:$PATH

# tool NAME VERSION
tool() {
  [ "$(cat "$TOOLS/$1.version" 2>/dev/null)" = "$2" ] && return
  cargo install --quiet --locked --root "$TOOLS" --target-dir "$TOOLS/build" "$1@$2"
  rm -rf "$TOOLS/build"
  echo "$2" >"$TOOLS/$1.version"
}
mkdir -p "$TOOLS"
tool cargo-deny "$DENY"
cargo deny --all-features --config infra/deny.toml check bans licenses sources

# The database is a repository on GitHub.
if timeout 20 git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
  cargo deny --all-features --config infra/deny.toml check advisories
else
  echo "ADVISORIES WERE NOT CHECKED: github.com cannot be reached" >&2
  [ "${ADVISORIES:-}" != required ] || exit 1
fi

tool cargo-cyclonedx "$CYCLONEDX"
rm -rf target/sbom
mkdir -p target/sbom
# It writes beside each manifest, whatever it is told.
trap 'find . -name "*.cdx.json" -not -path "./target/*" -delete' EXIT
SOURCE_DATE_EPOCH=0 cargo cyclonedx --quiet --format json --no-build-deps
for function in "${FUNCTIONS[@]}"; do
  cp "functions/$function/$function.cdx.json" target/sbom/
done
ls target/sbom
