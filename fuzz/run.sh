#!/usr/bin/env bash
# Fuzzes every target for a minute, or those that are named.
#
#   fuzz/run.sh [-t SECONDS] [-s FOLDER]... [TARGET]...
#
# Seeds come from tests/data and, with -s, from folders of real sounds. Needs a C++ compiler and
# cargo-fuzz (`cargo install cargo-fuzz --locked`), but no second toolchain: RUSTC_BOOTSTRAP=1 lets the
# stable compiler take the one flag that is not stable, the address sanitizer's. Found cases are kept
# in fuzz/artifacts/TARGET, and the status is that of the worst target.
set -uo pipefail
cd "$(dirname "$0")/.."

seconds=60
folders=()
while getopts "t:s:" option; do
  case $option in
    t) seconds=$OPTARG ;;
    s) folders+=("$OPTARG") ;;
    *) sed -n '4p' "$0" >&2; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
all=(decode headers config weights pickle tokenizer records index words)
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")

corpus() { mkdir -p "fuzz/corpus/$1" "fuzz/artifacts/$1"; }
tiny=tests/data/clap-tiny-unfused

seed() {
  corpus "$1"
  case $1 in
    decode)
      cp -n tests/data/audio/*.* tests/data/hostile/audio/* "fuzz/corpus/decode/" 2>/dev/null
      # The shortest of each extension, a few hundred in all.
      for folder in "${folders[@]}"; do
        find "$folder" -type f -size -64k -printf '%s %p\n' | sort -n |
          awk '{ file = $0; sub(/^[0-9]+ /, "", file); kind = file; sub(/.*\./, "", kind)
                 if (n[kind]++ < 60) print file }' |
          while read -r file; do cp -n "$file" "fuzz/corpus/decode/$(echo "$file" | tr / _)"; done
      done ;;
    headers)
      seed decode
      corpus headers
      for file in fuzz/corpus/decode/*; do
        head -c 1024 "$file" > "fuzz/corpus/headers/$(basename "$file")"
      done ;;
    config)
      { cat $tiny/config.json; printf '\0'; cat $tiny/preprocessor_config.json; } > fuzz/corpus/config/tiny
      fused=tests/data/clap-tiny-fused
      { cat $fused/config.json; printf '\0'; cat $fused/preprocessor_config.json; } > fuzz/corpus/config/fused ;;
    weights)
      # The first eight bytes say how long the header behind them is.
      length=$(od -An -tu4 -N4 $tiny/model.safetensors | tr -d ' ')
      head -c $((8 + length)) $tiny/model.safetensors > fuzz/corpus/weights/tiny ;;
    pickle)
      pickled=tests/data/clap-tiny-fused/pytorch_model.bin
      { printf '\0'; cat $pickled; } > fuzz/corpus/pickle/whole
      { printf '\1'; unzip -p $pickled '*/data.pkl' 2>/dev/null; } > fuzz/corpus/pickle/pickle ;;
    tokenizer)
      cp $tiny/tokenizer.json fuzz/corpus/tokenizer/whole
      { cat $tiny/vocab.json; printf '\0'; cat $tiny/merges.txt; } > fuzz/corpus/tokenizer/vocab ;;
    records)
      printf '%s' '{"stamp":{"size":1,"modified_ns":2},"content":"0000000000000000000000000000000000000000000000000000000000000000","format":"WAV","codec":"16-bit PCM","sample_rate_hz":44100,"channels":1,"duration_s":1.5}' > fuzz/corpus/records/file
      printf '%s' '{"stamp":{"size":1,"modified_ns":2},"reason":"x","decoders":1}' > fuzz/corpus/records/failure
      printf '%s' '{"favourite":true,"tags":["deep"]}' > fuzz/corpus/records/marks
      { printf '\132\0\0\0'; printf '%s' '{"format":"WAV","codec":"16-bit PCM","sample_rate_hz":44100,"channels":1,"duration_s":1.5}'; printf '\0\0\0\0\0\0\200\77'; } > fuzz/corpus/records/entry ;;
    index)
      printf '\0\0\4abcd\1\0\4\377\377\377\377\2\0\0\3\0\20aaaabbbbccccdddd' > fuzz/corpus/index/some ;;
    words)
      printf 'glass breaking:0.5' > fuzz/corpus/words/part
      printf '1:02:03.5' > fuzz/corpus/words/time
      printf 'theme = "light"\n[keys.results]\nnext = ["j", "ctrl-n"]\n' > fuzz/corpus/words/settings ;;
  esac
}

# How large inputs get, and how long one may take: a decode of a minute of sound is the longest.
limits() {
  case $1 in
    decode) echo "-max_len=65536 -timeout=20" ;;
    headers) echo "-max_len=2048 -timeout=10" ;;
    weights | tokenizer) echo "-max_len=32768 -timeout=10" ;;
    pickle) echo "-max_len=600000 -timeout=10" ;;
    *) echo "-max_len=4096 -timeout=10" ;;
  esac
}

# The product's versions of everything, and what only fuzzing needs beside them.
cp Cargo.lock fuzz/Cargo.lock
export RUSTC_BOOTSTRAP=1
cargo fuzz build || exit 2
status=0
for target in "${targets[@]}"; do
  seed "$target"
  echo "== $target, $seconds s"
  # shellcheck disable=SC2046
  cargo fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -print_final_stats=1 $(limits "$target") 2>&1 | grep -vE '^(#|INFO|==[0-9]|\s+#)' | tail -40
  [ "${PIPESTATUS[0]}" -eq 0 ] || status=1
done
exit $status
