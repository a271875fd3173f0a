#!/usr/bin/env bash
# Builds this library's scenario bench and those of other libraries, runs all, and prints one table.
#
#   bash benches/peers/run.sh            all
#   bash benches/peers/run.sh NAME...    this library's and these folders only
#   bash benches/peers/run.sh http       the bench `http`, with the servers of two other libraries
#
# Needs Rust, and Node.js 20 with npm for the folder `node`. Takes about ten minutes, building included twice that.

set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
peers=(jwt-authorizer tower-oauth2-resource-server oauth-resource-server huskarl axum-jwt-auth jwtk jwks_client_rs node)
[ $# -gt 0 ] && peers=("$@")
if [ "${1:-}" = http ]; then
  for peer in jwt-authorizer oauth-resource-server; do
    CARGO_TARGET_DIR=$target/peers nice -n 10 cargo build --quiet --release --manifest-path "$peer/Cargo.toml"
  done
  exec cargo bench --quiet --locked --manifest-path "$root/Cargo.toml" -p portcullis-benches --bench http
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# All are built before any runs, so that no compiler disturbs a measurement.
# The lock files of the others follow this library, which is a part of them.
nice -n 10 cargo bench --quiet --locked --manifest-path "$root/Cargo.toml" -p portcullis-benches --bench scenarios --no-run
for peer in "${peers[@]}"; do
  printf 'building %s\n' "$peer" >&2
  [ "$peer" != node ] || npm ci --prefix node --silent --no-audit --no-fund
  CARGO_TARGET_DIR=$target/peers nice -n 10 cargo build --quiet --release --manifest-path "$peer/Cargo.toml"
done

status=0
printf 'running portcullis\n' >&2
cargo bench --quiet --locked --manifest-path "$root/Cargo.toml" -p portcullis-benches --bench scenarios -- markdown >"$out/0" || status=$?
number=1
for peer in "${peers[@]}"; do
  printf 'running %s\n' "$peer" >&2
  "$target/peers/release/peer-$peer" >"$out/$number"
  number=$((number + 1))
done

# One table by scenario, in the order of the runs, and the settings below it.
grep -h -m 2 '^|' "$out/0"
for ((file = 0; file < number; file++)); do grep -E '^\| [0-9]' "$out/$file"; done | LC_ALL=C sort -s -t '|' -k 2,2
printf '\n'
for ((file = 0; file < number; file++)); do grep -v '^|' "$out/$file" | sed 's/^/- /'; done
exit "$status"
