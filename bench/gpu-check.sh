#!/usr/bin/env bash
# Everything a GPU must show. Builds nothing: run `npm run setup` first.
#
#   bench/gpu-check.sh FOLDER [GROUP|PART...]
#
#   check    the tests that run on devices, compute-sanitizer, memory over 1,000 recorded steps, doctor, steps beside PyTorch's
#   measure  f16 and SAM beside PyTorch, profiles, the optimizer, cuSPARSE
#   compile  torch.compile's max-autotune; times of cuDNN's patterns with statistics around 3x3 convolutions
#   train    ResNet-32 on CIFAR-10 ($S2SAM_DATA) at 90 % ERK for $EPOCHS (160) epochs, with S2-SAM and with SGD
#
# Each group takes less than 10 minutes (train: each of its parts); default: check. Results go to FOLDER, a table of them all is printed
# last. A part that fails or runs out of time does not stop the others.
# Exit code: 0 all well, 1 a part failed, 2 no usable GPU (or a wrong call).
set -uo pipefail
cd "$(dirname "$0")/.."

check=(doctor unrecorded suite memcheck racecheck steps bench-resnet32 bench-resnet50)
measure=(bench-resnet50-f16 bench-resnet50-sam profile-resnet50 profile-resnet32 optimizer crossover)
compile=(bench-resnet50-autotune cudnn)
train=(cifar-s2sam cifar-sgd)
all=("${check[@]}" "${measure[@]}" "${compile[@]}" "${train[@]}")
if [ $# -lt 1 ]; then
  sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
wanted=()
for name in "${@:-check}"; do
  case " ${all[*]} " in
    *" $name "*) wanted+=("$name"); continue ;;
  esac
  case $name in
    check) wanted+=("${check[@]}") ;;
    measure) wanted+=("${measure[@]}") ;;
    compile) wanted+=("${compile[@]}") ;;
    train) wanted+=("${train[@]}") ;;
    *) echo "There is no part $name; there are: check measure compile train ${all[*]}" >&2; exit 2 ;;
  esac
done

node bench/gpu/hasGpu.mjs || exit 2
: > "$out/parts.tsv"
failed=0

# part NAME SECONDS COMMAND...: runs it where it is wanted, its output in NAME.log.
part() {
  local name=$1 limit=$2 begin=$SECONDS code=0
  shift 2
  case " ${wanted[*]} " in
    *" $name "*) ;;
    *) return ;;
  esac
  echo "==> $name (at most $limit s)"
  timeout --kill-after=5 "$limit" "$@" > "$out/$name.log" 2>&1 || code=$?
  [ $code -eq 137 ] && code=124
  [ $code -eq 0 ] || { failed=1; tail -n 15 "$out/$name.log"; }
  printf '%s\t%s\t%d\n' "$name" "$code" $((SECONDS - begin)) >> "$out/parts.tsv"
}

# sanitize NAME SECONDS OPTIONS...: the same under compute-sanitizer, or a line saying that it is not there.
sanitize() {
  local name=$1 limit=$2
  shift 2
  if command -v compute-sanitizer > /dev/null; then
    part "$name" "$limit" compute-sanitizer --tool "$name" --error-exitcode 9 "$@" node bench/gpu/smallNetwork.mjs cuda
  elif [[ " ${wanted[*]} " == *" $name "* ]]; then
    echo 'left out: there is no compute-sanitizer here' > "$out/$name.log"
    printf '%s\tleft-out\t0\n' "$name" >> "$out/parts.tsv"
  fi
}

# Only our own kernels are looked at for races: NVIDIA's libraries are not ours to correct, and take minutes.
races=()
if compute-sanitizer --help 2> /dev/null | grep -q -- --kernel-regex; then races=(--kernel-regex kns=s2sam); fi

# bench NAME SECONDS BENCHMARK OPTIONS...: its result in NAME.json.
bench() {
  local name=$1 limit=$2 benchmark=$3
  shift 3
  part "$name" "$limit" node bench/bench.mjs --built "$benchmark" "$@" --json "$out/$name.json"
}

s2sam=(node packages/cli/bin/s2sam.mjs)
gpu=(--device cuda --dtype bf16)
resnet50=("${gpu[@]}" --model resnet50 --batch 256)

profile() {
  local name=$1
  shift
  part "$name" 40 "${s2sam[@]}" profile "${gpu[@]}" --json "$out/$name-spans.json" "$@"
}

cifar() {
  local name=$1
  shift
  part "$name" 560 "${s2sam[@]}" train --preset resnet32-cifar10-erk90 --device.kind=cuda --model.dtype=bf16 \
    --train.epochs="${EPOCHS:-160}" --output.dir="$out/$name" "$@"
}

part doctor 20 "${s2sam[@]}" doctor
part unrecorded 40 env S2SAM_RECORD=0 S2SAM_SYNC=1 node bench/gpu/smallNetwork.mjs cuda  # errors here are not of recording
part suite 140 node node_modules/vitest/vitest.mjs run --project tests test/parity test/training -t 'on cuda:' \
  --reporter=default --reporter=json --outputFile.json="$out/suite.json"
sanitize memcheck 50
sanitize racecheck 50 "${races[@]}"
part steps 30 node bench/gpu/manySteps.mjs cuda 1000
bench bench-resnet32 75 train "${gpu[@]}" --sparsity 0,0.9 --optimizer sgd,s2sam,sam --seconds 0.5 --limit 35
bench bench-resnet50 165 train "${resnet50[@]}" --sparsity 0,0.9 --optimizer sgd,s2sam,sam --seconds 1 --limit 70

bench bench-resnet50-f16 110 train "${resnet50[@]}" --dtype f16 --sparsity 0.9 --optimizer sgd,s2sam --seconds 1 --limit 50
bench bench-resnet50-sam 80 train "${resnet50[@]}" --sparsity 0.9 --optimizer sgd,s2sam,sam --peer channels-last \
  --peer-optimizer sgd,s2sam,sam --seconds 1 --limit 50
profile profile-resnet50 --model resnet50 --batch 256
profile profile-resnet32 --model resnet32 --batch 128
bench optimizer 90 optimizer "${gpu[@]}" --model resnet50 --sparsity 0,0.9 --seconds 0.2 --limit 50
bench crossover 90 crossover "${gpu[@]}" --sparsity 0.9,0.98 --repeats 5
bench cudnn 200 cudnn --run --dtype bf16 --pattern statistics --layer 3x3
bench bench-resnet50-autotune 300 train "${resnet50[@]}" --sparsity 0.9 --optimizer s2sam --peer compile,max-autotune --seconds 1 --limit 40

cifar cifar-s2sam
cifar cifar-sgd --optimizer.name=sgd

echo
node bench/gpu/summary.mjs "$out"
exit $failed
