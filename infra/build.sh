#!/usr/bin/env bash
# `make build`: every function's bootstrap for both architectures, in target/lambda/<architecture>/<function>/bootstrap, and those
# of ARCH (the first of ARCHS) again in target/lambda/<function>/bootstrap, from where the templates take them. ARCHS builds fewer.
# zig links them, so they need no newer glibc than Amazon Linux 2023's on whatever machine they are built.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra ARCHS <<<"${ARCHS:-arm64 x86_64}"
ARCH=${ARCH:-${ARCHS[0]}}
read -ra FUNCTIONS <<<"${FUNCTIONS:?make build names them}"
TARGET=${CARGO_TARGET_DIR:-target}
OUT=$TARGET/lambda

fail() { echo "$1" >&2; exit 1; }
command -v python3 >/dev/null || fail "python3 is missing, make build needs it"
[[ " ${ARCHS[*]} " == *" $ARCH "* ]] || fail "ARCH is $ARCH, but ARCHS builds only ${ARCHS[*]}"

infra/venv.sh target/build/venv infra/build.txt
# cargo-lambda finds zig through the first python3.
export PATH=$PWD/target/build/venv/bin:$PATH

# A binary names the sources that it was made of. Without where they lay on this machine, two checkouts make the same bytes.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
export RUSTFLAGS="--remap-path-prefix=$PWD=/gatewright --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"

for arch in "${ARCHS[@]}"; do
  case $arch in
    arm64) machine=aarch64 ;;
    x86_64) machine=x86_64 ;;
    *) fail "ARCHS is made of arm64 and x86_64, not $arch" ;;
  esac
  triple=$machine-unknown-linux-gnu
  if command -v rustup >/dev/null && ! rustup target list --installed | grep -qx "$triple"; then
    rustup target add "$triple"
  fi
  cargo lambda build --release --locked --target "$triple" "${FUNCTIONS[@]/#/--package=}" --lambda-dir "$OUT/$arch"
  # The flag is read when aws-lc is compiled; lost, every cold start is 20 ms of CPU longer.
  grep -qs "'AWS_LC_SYS_NO_JITTER_ENTROPY': '1'" "$TARGET/$triple"/release/build/aws-lc-sys-*/output ||
    fail "aws-lc was compiled without AWS_LC_SYS_NO_JITTER_ENTROPY, see .cargo/config.toml"
done

for function in "${FUNCTIONS[@]}"; do
  mkdir -p "$OUT/$function"
  cp "$OUT/$ARCH/$function/bootstrap" "$OUT/$function/bootstrap"
done
python3 infra/sizes.py "$OUT" "${ARCHS[*]}" "${FUNCTIONS[*]}"
echo "target/lambda/<function>/bootstrap is $ARCH's"
