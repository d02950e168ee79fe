#!/usr/bin/env bash
# Measures imgcls on a machine with an NVIDIA GPU: installs what is needed, converts, serves on CUDA, and writes
# OUT/gpu.json and OUT/gpu.html.
#
#   benchmarks/gpu/run.sh OUT --images FOLDER [--model MODEL] [--price DOLLARS_AN_HOUR] [--provider cpu] [...]
#
# MODEL is what imgcls-convert takes (default: resnet50, whose weights are downloaded). It is converted to fp32 and fp16.
# `--provider cpu` tries all of it without a GPU, which says nothing of one. Further options go to run.py beside this.
set -euo pipefail
cd "$(dirname "$0")/../.."

here="$OLDPWD"
case "${1:-}" in '' | -*) sed -n '2,8s/^# \{0,1\}//p' benchmarks/gpu/run.sh >&2; exit 2 ;; esac
absolute() { case "$1" in /*) echo "$1" ;; *) echo "$here/$1" ;; esac; }
out=$(absolute "$1"); shift
model=resnet50 images='' provider=cuda
rest=()
while [ $# -gt 0 ]; do
  case "$1" in
    --model) model=$2; shift 2 ;;
    --images) images=$(absolute "$2"); shift 2 ;;
    --provider) provider=$2; shift 2 ;;
    *) rest+=("$1"); shift ;;
  esac
done
[ -n "$images" ] || { echo "--images FOLDER is missing: a folder of JPEGs, as callers would send them." >&2; exit 2; }

if [ "$provider" = cuda ] && ! nvidia-smi >/dev/null 2>&1; then
  echo "No GPU was measured: this machine has no NVIDIA GPU with a driver that answers (nvidia-smi)." >&2
  exit 1
fi
command -v uv >/dev/null || { echo "uv is missing: pip install uv" >&2; exit 2; }
if ! command -v wrk >/dev/null; then
  apt-get install -y -q wrk >&2 || { echo "wrk is missing, and cannot be installed here: apt-get install wrk" >&2; exit 2; }
fi
mkdir -p "$out"
if [ "$provider" = cuda ]; then
  # CUDA 13 needs driver 580; the environment is this benchmark's own, so that a checkout keeps its locked one.
  driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n1)
  cuda=12; [ "${driver%%.*}" -lt 580 ] || cuda=13
  export UV_PROJECT_ENVIRONMENT="$out/environment"
  uv sync -q
  uv pip install -q --python "$out/environment" -e "packages/imgcls-core[cuda$cuda]"
fi
run() { uv run -q --no-sync "$@"; }
artifacts=()
for precision in fp32 fp16; do
  artifact="$out/$precision.onnx"
  if [ ! -f "$artifact" ]; then
    run imgcls-convert "$model" --precision "$precision" --verify-images "$images" --output "$artifact" >&2 || {
      echo "$precision is left out: it was not converted, see above." >&2
      continue
    }
  fi
  artifacts+=("$artifact")
done
[ ${#artifacts[@]} -gt 0 ] || exit 5
run python benchmarks/gpu/run.py "$out" "$images" "${artifacts[@]}" --provider "$provider" ${rest[@]+"${rest[@]}"}
