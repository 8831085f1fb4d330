#!/usr/bin/env python3
"""Clips a second of one Python pipeline around Hugging Face's ClapModel, as one line of JSON.

  python bench_python.py stages BACKEND --model DIR --onnx DIR --folder DIR [--limit 16] [--seconds 3]
  python bench_python.py text   BACKEND --model DIR --onnx DIR --text "some words"
  python bench_python.py export --model DIR --onnx DIR

BACKEND: torch-fp32, torch-bf16 (autocast), ort-fp32, ort-int8 (dynamic quantisation per channel).
Stages, each timed apart, over the first 10 s of each file:
  load      read (soundfile), mix to mono, resample to 48 kHz (librosa: soxr HQ)
  features  ClapFeatureExtractor
  tower     audio tower, projection and normalisation, the better of batches of 1 and of 8, median pass
end_to_end is 1 / (sum of the stages' seconds a clip): nothing overlaps, as in such scripts.
text is one query at a time, tokenizer included; cold_s is the time from the start of the process to the
first vector. All cores are used (OMP_NUM_THREADS says how many).
"""
import argparse
import json
import os
import sys
import time
from pathlib import Path

STARTED = float(os.environ.get("BENCH_STARTED", time.time()))
THREADS = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
EXTENSIONS = {".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff"}


def median(values):
    return sorted(values)[len(values) // 2]


def load_clip(path):
    import librosa
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True, frames=int(10.5 * 96_000))
    samples = samples[: int(10.5 * rate)].mean(1)
    if rate != 48_000:
        samples = librosa.resample(samples, orig_sr=rate, target_sr=48_000)
    return np.ascontiguousarray(samples[:480_000])


def onnx_session(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def audio_tower(a):
    """From float32 [batch, 1, 1001, 64] to float32 [batch, 512]."""
    if a.backend.startswith("ort"):
        session = onnx_session(Path(a.onnx) / ("audio.onnx" if a.backend == "ort-fp32" else "audio.int8.onnx"))
        return lambda x: session.run(None, {"input_features": x})[0]
    import torch
    from transformers import ClapModel

    torch.set_num_threads(THREADS)
    model = ClapModel.from_pretrained(a.model).eval()

    def run(x):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.backend == "torch-bf16"):
            return model.get_audio_features(input_features=torch.from_numpy(x)).float().numpy()

    return run


def stages(a):
    import librosa
    import numpy as np
    from transformers import ClapFeatureExtractor

    files = sorted(p for p in Path(a.folder).rglob("*") if p.suffix.lower() in EXTENSIONS)[: a.limit]
    librosa.resample(np.zeros(4410, np.float32), orig_sr=44_100, target_sr=48_000)  # imports, not counted
    load_clip(files[0])
    start = time.perf_counter()
    clips = [load_clip(path) for path in files]
    load = (time.perf_counter() - start) / len(files)
    extractor = ClapFeatureExtractor.from_pretrained(a.model)
    start = time.perf_counter()
    features = [np.asarray(extractor(c, sampling_rate=48_000, return_tensors="np")["input_features"], np.float32) for c in clips]
    feature = (time.perf_counter() - start) / len(files)
    x = np.concatenate(features)
    tower = audio_tower(a)
    best = float("inf")
    for batch in (1, 8):
        batches = [x[i : i + batch] for i in range(0, len(x) - batch + 1, batch)] or [np.resize(x, (batch,) + x.shape[1:])]
        tower(batches[0])
        times, spent = [], 0.0
        while len(times) < 3 or spent < a.seconds / 2:
            start = time.perf_counter()
            tower(batches[len(times) % len(batches)])
            times.append(time.perf_counter() - start)
            spent += times[-1]
        best = min(best, median(times) / batch)
    print(json.dumps({"load": 1 / load, "features": 1 / feature, "tower": 1 / best, "end_to_end": 1 / (load + feature + best)}))


def text(a):
    from transformers import RobertaTokenizerFast

    tokenizer = RobertaTokenizerFast(vocab_file=f"{a.model}/vocab.json", merges_file=f"{a.model}/merges.txt")
    if a.backend.startswith("ort"):
        session = onnx_session(Path(a.onnx) / ("text.onnx" if a.backend == "ort-fp32" else "text.int8.onnx"))

        def run():
            e = tokenizer([a.text], return_tensors="np")
            return session.run(None, {"input_ids": e["input_ids"].astype("int64"), "attention_mask": e["attention_mask"].astype("int64")})
    else:
        import torch
        from transformers import ClapModel

        torch.set_num_threads(THREADS)
        model = ClapModel.from_pretrained(a.model).eval()

        def run():
            e = tokenizer([a.text], return_tensors="pt")
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.backend == "torch-bf16"):
                return model.get_text_features(input_ids=e["input_ids"], attention_mask=e["attention_mask"])

    run()
    cold = time.time() - STARTED
    times = []
    for _ in range(40):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps({"tokens": len(tokenizer(a.text)["input_ids"]), "p50_ms": median(times), "least_ms": min(times), "cold_s": cold}))


def export(a):
    """Both towers as ONNX graphs with dynamic batch and text length, in fp32 and quantised to int8."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import ClapModel

    out = Path(a.onnx)
    out.mkdir(parents=True, exist_ok=True)
    model = ClapModel.from_pretrained(a.model, attn_implementation="eager").eval()

    class Audio(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_features):
            return self.model.get_audio_features(input_features=input_features)

    class Text(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask):
            return self.model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)

    words = (torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]]))
    length = {0: "batch", 1: "tokens"}
    for name, module, example, inputs, axes in [
        ("audio", Audio(), (torch.randn(2, 1, 1001, 64),), ["input_features"], {"input_features": {0: "batch"}}),
        ("text", Text(), words, ["input_ids", "attention_mask"], {"input_ids": length, "attention_mask": length}),
    ]:
        axes["embeddings"] = {0: "batch"}
        path = str(out / f"{name}.onnx")
        torch.onnx.export(module, example, path, input_names=inputs, output_names=["embeddings"], dynamic_axes=axes, opset_version=17, dynamo=False)
        quantize_dynamic(path, str(out / f"{name}.int8.onnx"), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul", "Gemm", "Gather"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["stages", "text", "export"])
    parser.add_argument("backend", nargs="?")
    parser.add_argument("--model", required=True)
    parser.add_argument("--onnx", required=True)
    parser.add_argument("--folder")
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--text", default="a dog barking in the distance while rain falls")
    a = parser.parse_args()
    {"stages": stages, "text": text, "export": export}[a.task](a)


if __name__ == "__main__":
    sys.exit(main())
