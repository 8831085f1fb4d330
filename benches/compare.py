#!/usr/bin/env python3
"""soundseek beside Python pipelines on one machine, in turn, as ratios.

  benches/compare.py [--rounds 5] [--limit 16] [--quick]

Every round runs each pipeline once, each in a process of its own; the table has the medians over the
rounds. Ours keep what they remember (digests, packed weights) in the folder below, not in the user's cache. --quick is one round of few clips, to see that all of it runs. A full run takes about ten minutes
after the first, which makes what is missing: a virtual environment, a checkpoint of full size with random
weights (600 MB) and its ONNX graphs. Nothing else should run meanwhile.

  SOUNDSEEK_COMPARE   the folder for all that (target/compare below the sources)
  SOUNDSEEK_PYTHON    a Python that has the packages, in place of a new environment
  SOUNDSEEK_CHECKPOINT  a checkpoint folder, in place of a new one
  SOUNDSEEK_SOUNDS    a folder of real one-shots, for the built-in model's share of stages

The clips are made here: ten seconds each, seeded, half of them 48 kHz mono and half 44.1 kHz stereo.
"""
import argparse
import hashlib
import json
import math
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import time
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "benches/reference"
WORK = Path(os.environ.get("SOUNDSEEK_COMPARE", ROOT / "target/compare"))
PACKAGES = ["torch", "transformers==4.57.6", "librosa", "soundfile", "onnx", "onnxruntime", "onnxscript"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
TEXT = "a dog barking in the distance while rain falls"
PYTHON_BACKENDS = ["torch-fp32", "torch-bf16", "ort-fp32", "ort-int8"]
PRECISIONS = ["f32", "bf16", "int8"]
LIBRARY_FILES = 10_000


def run(command, **more):
    return subprocess.run([str(part) for part in command], env=surroundings(), text=True, check=True, **more)


def surroundings():
    environment = dict(os.environ, XDG_CACHE_HOME=str(WORK / "cache"), OMP_NUM_THREADS=str(CORES), MKL_NUM_THREADS=str(CORES), HF_HUB_OFFLINE="1")
    environment |= dict(TOKENIZERS_PARALLELISM="false", BENCH_STARTED=str(time.time()))
    # Some systems name an older processor to OpenBLAS, which would slow the others down.
    environment.pop("OPENBLAS_CORETYPE", None)
    return environment


def answer(command):
    """The last line that a command prints, as JSON; None, with a word why, where it fails."""
    try:
        done = run(command, capture_output=True)
        return json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or ["it says nothing"]
        print(f"  failed: {' '.join(map(str, command[:4]))}: {last[0]}", file=sys.stderr)
        return None


def python():
    if named := os.environ.get("SOUNDSEEK_PYTHON"):
        return named
    folder = WORK / "venv"
    if not (folder / "made").exists():
        run([sys.executable, "-m", "venv", folder])
        run([folder / "bin/pip", "install", "--quiet", *PACKAGES])
        (folder / "made").touch()
    return folder / "bin/python"


def binaries():
    """The program and the bench that measures it."""
    run(["cargo", "build", "--release"], cwd=ROOT)
    command = ["cargo", "bench", "--bench", "pipeline", "--no-run", "--message-format=json"]
    built = run(command, cwd=ROOT, stdout=subprocess.PIPE).stdout
    artifacts = [json.loads(line) for line in built.splitlines() if '"compiler-artifact"' in line]
    [bench] = [a["executable"] for a in artifacts if a["target"]["name"] == "pipeline"]
    target = Path(bench).parents[1]
    return target / "soundseek", Path(bench)


def digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def make_clips(folder):
    """Chords with noise and decay, so that no stage sees silence."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(7)
    for n in range(16):
        path = folder / f"{n:02}.wav"
        if path.exists():
            continue
        rate, channels = ((48_000, 1), (44_100, 2))[n % 2]
        tones = [generator.uniform(60, 4000) for _ in range(4)]
        frames = bytearray()
        for i in range(10 * rate):
            t = i / rate
            value = sum(math.sin(2 * math.pi * tone * t) for tone in tones) / 8 * math.exp(-(t % 1.3))
            value += generator.uniform(-0.05, 0.05)
            frames += struct.pack("<h", int(value * 30_000)) * channels
        with wave.open(str(path), "wb") as out:
            out.setnchannels(channels)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(bytes(frames))
    return folder


def cold(program, library, model, precision):
    """Milliseconds from the start of a process to its first printed result."""
    command = [program, "--library", library, "--model", model, "--precision", precision, "search", "-n", "1"]
    times = []
    for word in ["a dog barking", "rain", "a slamming door", "a kick drum", "birds at dawn"]:
        start = time.perf_counter()
        with subprocess.Popen([*map(str, command), word], stdout=subprocess.PIPE, env=surroundings()) as process:
            line = process.stdout.readline()
            times.append(1000 * (time.perf_counter() - start))
        if not line or process.returncode:
            return None
    return statistics.median(times)


def gather(table, row, result):
    for column, value in (result or {}).items():
        table.setdefault(row, {}).setdefault(column, []).append(value)


def medians(table):
    return {row: {c: statistics.median(v) for c, v in columns.items()} for row, columns in table.items()}


def print_table(title, rows, columns, baselines):
    """Numbers, and the ratio of the last column to each baseline; `baselines` are rows of the table."""
    print(f"\n{title}\n")
    heads = [*columns, *(f"/ {name}" for name in baselines)]
    print("| | " + " | ".join(heads) + " |")
    print("|---" * (len(heads) + 1) + "|")
    main = columns[-1]
    for name, values in rows.items():
        cells = [f"{values[c]:.1f}" if c in values else "" for c in columns]
        for base in baselines:
            known = main in values and main in rows.get(base, {})
            cells.append(f"{values[main] / rows[base][main]:.2f}" if known else "")
        print(f"| {name} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=int, default=16, help="clips")
    parser.add_argument("--quick", action="store_true", help="one round of four clips")
    a = parser.parse_args()
    if a.quick:
        a.rounds, a.limit = 1, 4
    WORK.mkdir(parents=True, exist_ok=True)
    interpreter = python()
    program, bench = binaries()
    clips = make_clips(WORK / "clips")
    checkpoint = Path(os.environ.get("SOUNDSEEK_CHECKPOINT", WORK / "checkpoint"))
    if not (checkpoint / "config.json").exists():
        run([interpreter, REFERENCE / "make_checkpoint.py", checkpoint])
    # Graphs and vectors of another checkpoint are of no use.
    made_of = WORK / digest(checkpoint / "model.safetensors")
    made_of.mkdir(exist_ok=True)
    onnx = made_of / "onnx"
    reference = [interpreter, REFERENCE / "bench_python.py"]
    if not (onnx / "text.int8.onnx").exists():
        run([*reference, "export", "--model", checkpoint, "--onnx", onnx], capture_output=True)
    models = {"built-in": "builtin", "full size": checkpoint}
    libraries = {"built-in": WORK / "library built-in", "full size": made_of / "library"}
    for name, model in models.items():
        if not (libraries[name] / "filled").exists():
            shutil.rmtree(libraries[name], ignore_errors=True)
            run([bench, "fill", libraries[name], "--files", LIBRARY_FILES, "--model", model], stdout=subprocess.DEVNULL)
            (libraries[name] / "filled").touch()

    audio, text, first = {}, {}, {}
    for turn in range(a.rounds):
        print(f"round {turn + 1} of {a.rounds}", file=sys.stderr)
        for backend in PYTHON_BACKENDS:
            files = ["--model", checkpoint, "--onnx", onnx]
            gather(audio, backend, answer([*reference, "stages", backend, *files, "--folder", clips, "--limit", a.limit]))
            words = answer([*reference, "text", backend, *files, "--text", TEXT])
            if words:
                gather(first, backend, {"ms": 1000 * words.pop("cold_s")})
            gather(text, backend, words)
        for precision in PRECISIONS:
            chosen = ["--model", checkpoint, "--precision", precision]
            gather(audio, f"soundseek {precision}", answer([bench, "stages", clips, "--limit", a.limit, *chosen]))
            gather(text, f"soundseek {precision}", answer([bench, "text", TEXT, *chosen]))
        for name, model in models.items():
            for precision in PRECISIONS if name == "full size" else ["f32"]:
                time_ms = cold(program, libraries[name], model, precision)
                gather(first, f"soundseek {name}, {precision}", {"ms": time_ms} if time_ms else None)
    agreement = answer([program, "--model", checkpoint, "model", "bench", "--json"])
    shares = None
    if sounds := os.environ.get("SOUNDSEEK_SOUNDS"):
        shares = {p: answer([bench, "ingest", sounds, "--precision", p, "--limit", 50 if a.quick else 400]) for p in PRECISIONS}

    print(f"{CORES} cores, {processor()}, {a.rounds} rounds, medians")
    columns = ["load", "features", "features_one_core", "tower", "end_to_end"]
    print_table("Clips of 10 s a second, clap-htsat-unfused; ratios of end_to_end", medians(audio), columns, ["torch-fp32", "ort-fp32", "ort-int8"])
    print_table("One text query, warm, milliseconds; ratios of p50_ms", medians(text), ["tokens", "least_ms", "p50_ms"], ["torch-fp32", "ort-fp32", "ort-int8"])
    print_table(f"Cold process to its first result, milliseconds; ours searches {LIBRARY_FILES} files", medians(first), ["ms"], ["torch-fp32"])
    if agreement:
        print(f"\nAgreement with f32 over {agreement['sounds']} sounds and {agreement['texts']} texts, mean cosines and top 10 in common\n")
        print("| | sounds | texts | top 10 |\n|---|---|---|---|")
        for row in agreement["precisions"]:
            print(f"| {row['precision']} | {row['sounds_mean']:.5f} | {row['texts_mean']:.5f} | {row['top10_overlap']:.3f} |")
    peak = ["env", f"SOUNDSEEK_MODEL={checkpoint}", "cargo", "bench", "--bench", "main", "--", "tower/none"]
    print(run(peak, cwd=ROOT, capture_output=True).stdout)
    for precision, share in (shares or {}).items():
        print(f"\nBuilt-in model, {precision}, whole files of {sounds} into a library: {json.dumps(share)}")


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        return platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()
