#!/usr/bin/env bash
# Everything a GPU must show, in one go of less than 9 minutes: the tests that run on devices, compute-sanitizer, memory over 1,000
# recorded steps, doctor, and the benchmarks beside PyTorch. Builds nothing: run `npm run setup` first.
#
#   bench/gpu-check.sh FOLDER [PART...]      parts: doctor suite memcheck racecheck steps bench-resnet32 bench-resnet50; default: all
#
# Results go to FOLDER, a table of them all is printed last. A part that fails or runs out of time does not stop the others.
# Exit code: 0 all well, 1 a part failed, 2 no usable GPU (or a wrong call).
set -uo pipefail
cd "$(dirname "$0")/.."

all=(doctor suite memcheck racecheck steps bench-resnet32 bench-resnet50)
if [ $# -lt 1 ]; then
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
wanted=("${@:-${all[@]}}")
for part in "${wanted[@]}"; do
  case " ${all[*]} " in
    *" $part "*) ;;
    *) echo "There is no part $part; there are: ${all[*]}" >&2; exit 2 ;;
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

train() {
  local name=$1 limit=$2
  shift 2
  part "$name" "$limit" node --input-type=module \
    --eval "import('./bench/train.mjs').then(({ run }) => run(process.argv.slice(1)))" -- \
    --device cuda --sparsity 0,0.9 --json "$out/$name.json" "$@"
}

part doctor 20 node packages/cli/bin/s2sam.mjs doctor
part suite 140 node node_modules/vitest/vitest.mjs run --project tests test/parity test/training -t 'on cuda:' \
  --reporter=default --reporter=json --outputFile.json="$out/suite.json"
sanitize memcheck 50
sanitize racecheck 50 "${races[@]}"
part steps 30 node bench/gpu/manySteps.mjs cuda 1000
train bench-resnet32 75 --model resnet32 --batch 128 --dtype bf16 --optimizer sgd,s2sam,sam --seconds 0.5 --limit 35
train bench-resnet50 165 --model resnet50 --batch 256 --image-size 224 --dtype bf16 --optimizer sgd,s2sam,sam --seconds 1 --limit 70

echo
node bench/gpu/summary.mjs "$out"
exit $failed
