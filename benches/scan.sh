#!/usr/bin/env bash
# How long looking through an unchanged collection takes, beside `find -newer` on the same folder.
#
#   benches/scan.sh [FILES] [FOLDER]
#
# Makes FILES (300,000) tiny sounds of a few hundred contents, in folders of a hundred, indexes them, and
# then prints in turn, three times: the seconds that `soundseek index` and `find` take, and the most
# memory that the former had. SOUNDSEEK names the binary; FOLDER is kept and used again.
set -euo pipefail
cd "$(dirname "$0")/.."

files=${1:-300000}
folder=${2:-$(mktemp -d)}
soundseek=${SOUNDSEEK:-target/release/soundseek}
export SOUNDSEEK_LIBRARY="$folder/library"

if [ ! -d "$folder/sounds" ]; then
  python3 - "$folder/sounds" "$files" <<'PY'
import math, os, struct, sys

folder, files = sys.argv[1], int(sys.argv[2])
contents = []
for n in range(min(files, 300)):
    samples = [int(9000 * math.sin(i * (0.05 + n / 400))) for i in range(800)]
    data = struct.pack("<800h", *samples)
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1,
                         8000, 16000, 2, 16, b"data", len(data))
    contents.append(header + data)
for n in range(files):
    place = f"{folder}/{n // 10000:03}/{n // 100:05}"
    os.makedirs(place, exist_ok=True)
    with open(f"{place}/sound {n:06}.wav", "wb") as file:
        file.write(contents[n % len(contents)])
PY
fi

seconds() { # the wall time of a command, and with -m the most memory that it had, in MB
  python3 - "$@" <<'PY'
import os, resource, subprocess, sys, time

begun = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
passed = time.monotonic() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{passed:.2f} s ({used.ru_utime + used.ru_stime:.2f} s of work, {used.ru_maxrss / 1024:.0f} MB)")
PY
}

printf 'indexing  %s\n' "$(seconds "$soundseek" index --quiet "$folder/sounds")"
touch "$folder/since"
for _ in 1 2 3; do
  printf 'soundseek index  %s\n' "$(seconds "$soundseek" index --quiet "$folder/sounds")"
  printf 'find -newer      %s\n' "$(seconds find "$folder/sounds" -newer "$folder/since")"
done
