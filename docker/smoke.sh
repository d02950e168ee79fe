#!/usr/bin/env bash
# Runs an image as a cluster would and asks whether it is any good: read-only, without root, without capabilities.
#
#   docker/smoke.sh IMAGE          healthy, all tests of the client's suite, SIGTERM under load loses no answer
#   docker/smoke.sh IMAGE no-gpu   an image for GPUs on a machine without one: says so, and serves when told to
#
# Needs docker (or CONTAINER_ENGINE=podman), curl, and the repository's environment (`uv sync`).
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?"which image? docker/smoke.sh IMAGE [no-gpu]"} mode=${2:-}
engine=${CONTAINER_ENGINE:-docker}
name=imgcls-smoke-$$
work=$(mktemp -d)
trap '"$engine" logs "$name" >"$work/log" 2>&1 || true; "$engine" rm -f "$name" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

fail() { echo "smoke: $*" >&2; "$engine" logs "$name" 2>&1 | tail -n 20 >&2; exit 1; }
milliseconds() { echo $((($(date +%s%N) - $1) / 1000000)); }

start() { # further options of `run`
  "$engine" rm -f "$name" >/dev/null 2>&1 || true
  started=$(date +%s%N)
  "$engine" run -d --name "$name" -p 127.0.0.1::8192 --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges "$@" "$image" >/dev/null
  url=http://$("$engine" port "$name" 8192/tcp | head -n 1)
}
status() { curl -s -o "$work/body" -w '%{http_code}' "$url$1" || true; }
wait_for() { # PATH STATUS
  until [ "$(status "$1")" = "$2" ]; do
    [ "$("$engine" inspect "$name" --format '{{.State.Running}}')" = true ] || fail "the container ended"
    [ "$(milliseconds "$started")" -lt 120000 ] || fail "$1 is not $2 within 120 s; it is $(status "$1")"
    sleep 0.1
  done
}

if [ "$mode" = no-gpu ]; then
  start
  wait_for /health 200
  wait_for /ready 503
  until grep -q GPU "$work/body" || grep -q NVIDIA "$work/body"; do
    [ "$(milliseconds "$started")" -lt 60000 ] || fail "/ready does not say that a GPU is missing: $(cat "$work/body")"
    sleep 0.2
    status /ready >/dev/null
  done
  echo "without a GPU /ready says 503: $(cat "$work/body")"
  start -e IMGCLS_PROVIDER=auto
  wait_for /ready 200
  echo "with IMGCLS_PROVIDER=auto it is ready after $(milliseconds "$started") ms"
  uv run --no-sync imgcls-client suite --url "$url" --only correctness
  exit
fi

start
wait_for /ready 200
echo "ready after $(milliseconds "$started") ms, user $("$engine" exec "$name" id -u)"
uv run --no-sync imgcls-client suite --url "$url"

# Every image that the service says it answered must have reached its caller; later callers may be turned away.
answered() { "$engine" logs "$name" 2>&1 | grep '"path":"/predict"' | grep -c '"status":200'; }
before=$(answered)
uv run --no-sync imgcls-client bench --url "$url" --retries 0 --duration 6s --warm-up 0s --json >"$work/bench.json" &
load=$!
sleep 3
stopped=$(date +%s%N)
"$engine" stop -t 60 "$name" >/dev/null 2>&1
code=$("$engine" inspect "$name" --format '{{.State.ExitCode}}')
echo "SIGTERM under load: exit $code after $(milliseconds "$stopped") ms"
wait "$load" || true
cat "$work/bench.json"
[ "$code" = 0 ] || fail "it ended with $code"
arrived=$(sed -n 's/^  "answered": \([0-9]*\),$/\1/p' "$work/bench.json")
sent=$(($(answered) - before))
sent=$((sent - 1)) # bench asks once before it measures
[ "$sent" = "$arrived" ] || fail "the service answered $sent images, $arrived reached their callers"
echo "all $sent answers reached their callers"
