#!/usr/bin/env python3
"""Make the reference side of the CLAP port: checkpoints with random weights, and golden values.

No trained weights are needed: everything is seeded, and the weights are scaled so that activations,
attention and embeddings are not degenerate (the projections are centred on a small calibration set).

  python clap-reference.py --roberta-dir DIR [--tiny-out DIR] [--full-out DIR] [--only tiny|full|tokenizer]

--roberta-dir holds RoBERTa's vocab.json and merges.txt (50,265 tokens; ids <s>=0 <pad>=1 </s>=2 <unk>=3
<mask>=50264). Tested with torch 2.15, transformers 4.57.6 (5.23 gives the same numbers), numpy 2.4.

What it writes
  TINY_OUT/clap-tiny-unfused   window 8, slaney mel, 1-channel; tokenizer.json + vocab.json + merges.txt
  TINY_OUT/clap-tiny-fused     window 4, htk mel, 4-channel with AFF; also pytorch_model.bin
  TINY_OUT/roberta-tokenizer   the real vocabulary, with golden token ids
  FULL_OUT/{unfused,fused,larger}   full size: `larger` is HTSAT-base and only has pytorch_model.bin, as on the hub
Every folder has golden.safetensors; its tensors are explained in golden.json beside it.
"""
import tempfile; TMP = tempfile.gettempdir()
import argparse, hashlib, json, math, os, shutil
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from safetensors.numpy import save_file
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizerFast

SR, MAX = 48_000, 480_000
TEXTS = [
    "a dog barking in the distance",
    "Rain on a tin roof, with thunder.",
    "kick drum",
    " leading space and  double  spaces",
    "Café à la crème — 80 BPM, 440Hz!",
    "鳥の声 🐦 birdsong",
    "",
    "an acoustic guitar being strummed slowly while children play outside " * 3,
]


def real_preprocessor_config(truncation):
    """Byte for byte the hub's file (sha256 072bdd9b... for fusion, 9739f582... for rand_trunc)."""
    d = dict(chunk_length_s=10, feature_extractor_type="ClapFeatureExtractor", feature_size=64, fft_window_size=1024,
             frequency_max=14000, frequency_min=50, hop_length=480, max_length_s=10, n_fft=1024, nb_frequency_bins=513,
             nb_max_frames=1000, nb_max_samples=480000, padding="repeatpad", padding_side="right", padding_value=0.0,
             processor_class="ClapProcessor", return_attention_mask=False, sampling_rate=48000, top_db=None,
             truncation=truncation)
    text = json.dumps(d, indent=2, sort_keys=True) + "\n"
    want = {"fusion": "072bdd9ba771b6d213c56f15c0f765e33192b92e481581b52271cf16c9013684",
            "rand_trunc": "9739f58296aa6f9ac18008fd0150fb2649bc554985fbde86d0a4041c882ac753"}[truncation]
    assert hashlib.sha256(text.encode()).hexdigest() == want
    return text


# ---------------------------------------------------------------- clips, exactly reproducible from golden.json
def lcg_noise(n, seed):
    """x[k] in [-1, 1): state = state * 1664525 + 1013904223 mod 2^32, top 16 bits, as i16 / 32768."""
    out, s = np.empty(n, np.int32), seed
    for k in range(n):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        out[k] = s >> 16
    return (out - 32768).astype(np.float64) / 32768.0


def make_clips():
    t = np.arange(14_400) / SR
    burst = np.exp(-12 * t) * lcg_noise(14_400, 1) * 0.8 + 0.4 * np.exp(-5 * t) * np.sin(2 * np.pi * (90 * t + 40 * t * t))
    burst = np.clip(np.round(burst * 32767), -32768, 32767).astype(np.int16)       # stored in golden as I16
    b = burst.astype(np.float32) / np.float32(32768)
    tone = lambda n: (0.5 * np.sin(2 * np.pi * 440.0 * np.arange(n) / SR) + 0.25 * np.sin(2 * np.pi * 3000.0 * np.arange(n) / SR)).astype(np.float32)
    ramp = lambda n: (1.0 - np.arange(n) / n).astype(np.float32)
    tiled = lambda n: np.resize(b, n).astype(np.float32) * ramp(n)
    clips = {
        "burst": b,                                                   # 0.3 s: 33 repeats, then 4,800 zeros
        "tone": tone(3 * SR + 7),                                     # 3 repeats, then 47,979 zeros
        "silence": np.zeros(SR, np.float32),                          # all -100 dB
        "exact": tiled(MAX),                                          # exactly 10 s
        "corner": tiled(MAX + 200),                                   # > 10 s, yet still 1,001 frames
        "long": (tiled(590_000) + 0.3 * tone(590_000)[::-1]).astype(np.float32),  # 12.29 s
    }
    about = {
        "burst": "tensor wave.burst (I16) / 32768 as f32",
        "tone": "f32(0.5 sin(2 pi 440 n/48000) + 0.25 sin(2 pi 3000 n/48000)), n < 144007, computed in f64",
        "silence": "48000 zeros",
        "exact": "n < 480000: burst[n mod 14400] * f32(1 - n/480000), product in f32",
        "corner": "n < 480200: burst[n mod 14400] * f32(1 - n/480200)",
        "long": "N = 590000, n < N: f32(burst[n mod 14400] * f32(1 - n/N)) + f32(0.3) * tone_N[N-1-n], f32 arithmetic, tone_N as `tone` with n < N",
    }
    return burst, clips, about


# ---------------------------------------------------------------- weights
def name_rng(name, seed):
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little")))


@torch.no_grad()
def fill(model, seed):
    mods = dict(model.named_modules())
    for name, p in list(model.named_parameters()) + list(model.named_buffers()):
        mod = mods[name.rsplit(".", 1)[0]] if "." in name else model
        leaf, r = name.rsplit(".", 1)[-1], name_rng(name, seed)
        n = lambda scale, shift=0.0: p.copy_(torch.from_numpy((shift + scale * r.standard_normal(tuple(p.shape))).astype(np.float32)))
        if leaf in ("relative_position_index", "position_ids", "token_type_ids"):
            continue
        elif leaf == "logit_scale_a":
            p.fill_(math.log(14.0))
        elif leaf == "logit_scale_t":
            p.fill_(math.log(18.5))                       # not the same: a swap must show
        elif leaf == "relative_position_bias_table":
            n(0.7)
        elif leaf == "num_batches_tracked":
            p.fill_(12345)
        elif isinstance(mod, nn.BatchNorm2d):
            mel = name.endswith(("audio_encoder.batch_norm." + leaf,))
            if leaf == "running_mean":
                n(2.0, -40.0) if mel else n(0.1)
            elif leaf == "running_var":
                base = 350.0 if mel else 1.0
                p.copy_(torch.from_numpy((base * np.exp(0.2 * r.standard_normal(tuple(p.shape)))).astype(np.float32)))
            elif leaf == "weight":
                n(0.1, 1.0)
            else:
                n(0.1)
        elif isinstance(mod, nn.LayerNorm):
            n(0.1, 1.0) if leaf == "weight" else n(0.1)
        elif isinstance(mod, nn.Embedding):
            n(0.5)
            if mod.padding_idx is not None:
                p[mod.padding_idx] = 0
        elif leaf == "weight":                            # Linear, Conv2d
            fan_in = p[0].numel()
            gain = 1.4 if any(s in name for s in (".query.", ".key.")) else 1.0
            n(gain / math.sqrt(fan_in))
        elif leaf == "bias":
            n(0.05)
        else:
            raise RuntimeError(name)


@torch.no_grad()
def centre(proj, x):
    """Choose linear1's scale and bias so that its outputs have mean 0 and variance 1 over x; else all clips look alike."""
    h = proj.linear1(x) - proj.linear1.bias
    s = h.std(0).mean()
    proj.linear1.weight /= s
    proj.linear1.bias.copy_(-(h.mean(0) / s) + 0.1 * proj.linear1.bias)


# ---------------------------------------------------------------- features with chosen indices
class Chooser:
    """Stands in for numpy's randomness: fusion chunks are the `pick` fraction of each range, crops start at `start`."""
    def __init__(self, pick=0.5, start=0):
        self.pick, self.start, self.chosen = pick, start, []

    def __enter__(self):
        self.old = np.random.choice, np.random.randint
        np.random.choice = lambda a: self._rec(a[int(self.pick * (len(a) - 1))])
        np.random.randint = lambda lo, hi=None: self._rec(self.start if hi and hi > 1000 else 0)
        return self

    def _rec(self, v):
        self.chosen.append(int(v))
        return v

    def __exit__(self, *a):
        np.random.choice, np.random.randint = self.old


def features(fe, wave, pick=0.5, start=0):
    """(features, honest is_longer, what was chosen). The extractor's own is_longer is ignored in fusion mode:
    when no clip of a batch is long it marks a random one as long."""
    with Chooser(pick, start) as c:
        mel, longer = fe._get_input_mel(np.asarray(wave), fe.nb_max_samples, fe.truncation, fe.padding)
    return np.asarray(mel, np.float32)[None], bool(longer), c.chosen


# ---------------------------------------------------------------- stage outputs
def hooks(model):
    enc, got, hs = model.audio_model.audio_encoder, {}, []
    reg = lambda m, k: hs.append(m.register_forward_hook(lambda _m, _i, o, k=k: got.__setitem__(k, (o[0] if isinstance(o, tuple) else o).detach().clone())))
    reg(enc.batch_norm, "batch_norm")                     # [B, 64, 1001, C]: still transposed
    hs.append(enc.patch_embed.register_forward_pre_hook(lambda _m, i: got.__setitem__("mel2img", i[0].detach().clone())))
    reg(enc.patch_embed.proj, "patch_proj")
    if enc.enable_fusion:
        reg(enc.patch_embed.mel_conv2d, "mel_conv2d")
        reg(enc.patch_embed.fusion_model, "aff")
    reg(enc.patch_embed, "patch_embed")
    for i, layer in enumerate(enc.layers):
        for j, blk in enumerate(layer.blocks):
            reg(blk, f"block.{i}.{j}")
        if layer.downsample is not None:
            reg(layer.downsample, f"merge.{i}")
    reg(enc.norm, "final_norm")
    reg(model.audio_projection.linear1, "proj.linear1")
    reg(model.audio_projection, "proj")
    return got, hs


@torch.no_grad()
def audio(model, feats, longer, stages=None):
    x = torch.from_numpy(feats)
    lg = torch.tensor([[bool(v)] for v in np.atleast_1d(longer)])
    got, hs = hooks(model)
    o = model.audio_model(input_features=x, is_longer=lg)
    e = model.audio_projection(o.pooler_output)
    for h in hs:
        h.remove()
    e = e / e.norm(p=2, dim=-1, keepdim=True)
    res = {"pooled": o.pooler_output.numpy(), "embed": e.numpy()}
    if stages:
        got["last_hidden_state"] = o.last_hidden_state
        for k, v in got.items():
            v = v.numpy()
            s = stages(k, v)
            if s is not None:
                res[k] = np.ascontiguousarray(s)
    return res


@torch.no_grad()
def text(model, ids, mask):
    ids, mask = torch.from_numpy(ids), torch.from_numpy(mask)
    o = model.text_model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    e = model.text_projection(o.pooler_output)
    e = e / e.norm(p=2, dim=-1, keepdim=True)
    r = {"pooled": o.pooler_output.numpy(), "embed": e.numpy(), "embeddings": o.hidden_states[0].numpy()}
    for i, h in enumerate(o.hidden_states[1:]):
        r[f"layer.{i}"] = h.numpy()
    return r


# ---------------------------------------------------------------- tokenizers
def roberta(d):
    return RobertaTokenizerFast(vocab_file=str(d / "vocab.json"), merges_file=str(d / "merges.txt"))


def small_tokenizer(roberta_dir, size, out):
    """RoBERTa's own first merges, renumbered: <s> <pad> </s> <unk>, 256 bytes, merges, <mask> last."""
    vocab = json.load(open(roberta_dir / "vocab.json"))
    merges = open(roberta_dir / "merges.txt", encoding="utf-8").read().split("\n")
    head, merges = merges[0], [m for m in merges[1:] if m]
    from transformers.models.gpt2.tokenization_gpt2 import bytes_to_unicode
    toks = ["<s>", "<pad>", "</s>", "<unk>"] + sorted(set(bytes_to_unicode().values()))
    kept = merges[: size - len(toks) - 1]
    toks += [m.replace(" ", "") for m in kept] + ["<mask>"]
    assert len(toks) == len(set(toks)) == size and all(t in vocab for t in toks)
    out.mkdir(parents=True, exist_ok=True)
    (out / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(toks)}, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    (out / "merges.txt").write_text("\n".join([head] + kept) + "\n", encoding="utf-8")
    return roberta(out)


def write_tokenizer(tok, out, parts):
    tmp = out / "_tok"
    tok.save_pretrained(tmp)
    if "json" in parts:
        d = json.load(open(tmp / "tokenizer.json"))
        (out / "tokenizer.json").write_text(json.dumps(d, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    shutil.rmtree(tmp)
    if "vocab" not in parts:
        for f in ("vocab.json", "merges.txt"):
            (out / f).unlink(missing_ok=True)


# ---------------------------------------------------------------- one checkpoint
def build(out, cfg, truncation, tok, seed, tiny, save):
    out.mkdir(parents=True, exist_ok=True)
    burst, clips, about = make_clips()
    torch.manual_seed(seed)
    model = ClapModel(cfg).eval()
    fill(model, seed)
    fe = ClapFeatureExtractor(**{k: v for k, v in json.loads(real_preprocessor_config(truncation)).items()
                                 if k not in ("feature_extractor_type", "nb_frequency_bins", "nb_max_frames", "nb_max_samples", "n_fft", "chunk_length_s")})
    fused = cfg.audio_config.enable_fusion
    # calibration set: other clips than the golden ones
    cal = [lcg_noise(SR * 2, 7) * 0.3, np.sin(np.arange(SR) * 0.05) * np.hanning(SR), np.tile(np.r_[np.ones(200), -np.ones(200)], 900) * 0.2,
           np.cumsum(lcg_noise(SR, 9)) * 0.01, np.zeros(1000), np.r_[lcg_noise(3000, 3), np.zeros(40000)], np.sin(np.cumsum(np.linspace(0.01, 1.5, 4 * SR)))]
    with torch.no_grad():
        p = [model.audio_model(input_features=torch.from_numpy(features(fe, c.astype(np.float32))[0]), is_longer=torch.tensor([[False]])).pooler_output for c in cal]
        centre(model.audio_projection, torch.cat(p))
        enc = tok([t + " sound" for t in ["wind", "a cat", "loud bell", "zzz", "speech of two men", "x", "piano and cello", "0123"]], padding=True, return_tensors="pt")
        centre(model.text_projection, model.text_model(input_ids=enc["input_ids"], attention_mask=enc["attention_mask"]).pooler_output)
    g, doc, thinned = {}, {}, {}

    def put(k, v, note=None):
        g[k] = np.ascontiguousarray(v)
        if note:
            doc[k] = note

    put("wave.burst", burst, "i16 samples at 48 kHz; divide by 32768")
    frame_step = 20 if fused else 10
    stage_clip = "long" if fused else "burst"

    def stages(k, v):
        if not tiny:
            return v
        # steps that share no factor with the widths 64, 32, 16, so that every column is seen
        step = {"batch_norm": (2, 40 if fused else 20), "mel2img": (2, 17 if fused else 9), "patch_proj": (2, 9), "mel_conv2d": (2, 9),
                "aff": (2, 9), "patch_embed": (1, 13), "block.0": (1, 13), "merge.0": (1, 5), "block.1": (1, 5), "merge.1": (1, 3), "block.2": (1, 3)}
        for key, (axis, n) in step.items():
            if k.startswith(key):
                thinned.update(step)
                return v[(slice(None),) * axis + (slice(None, None, n),)]
        return v

    feats, longers = {}, {}
    for name, w in clips.items():
        for tag, kw in ({"": {}} if not (name in ("long",)) else ({"": dict(pick=0.5)} if fused else {"": dict(start=0), "@mid": dict(start=(len(w) - MAX) // 2)})).items():
            f, lg, chosen = features(fe, w, **kw)
            key = name + tag
            feats[key], longers[key] = f, lg
            whole = (not tiny) or (key == "burst" and not fused)
            note = f"is_longer={lg}" + (f"; chosen indices {chosen}" if chosen else "")
            if tiny and key in ("silence", "corner") or (tiny and fused and key == "exact"):
                doc[f"features_sum.{key}"] = note
            else:
                v = f if whole else f[:, :, ::frame_step]
                if tiny and fused and not lg:
                    v, note = v[:, :1], note + "; channel 0, the other three are the same"
                put(f"features.{key}", v, ("all frames; " if whole else f"every {frame_step}th frame; ") + note)
            put(f"features_sum.{key}", np.array(f.astype(np.float64).sum()))
            r = audio(model, f, lg, stages if key == stage_clip else None)
            for k, v in r.items():
                put(f"audio.{key}.{k}", v)
    if fused:
        r = audio(model, feats["burst"], True)
        put("audio.burst@is_longer.embed", r["embed"], "a short clip marked is_longer=True, as transformers' extractor does to one clip of an all-short batch; not what laion_clap does")
        r = audio(model, np.concatenate([feats["burst"], feats["long"], feats["tone"]]), [False, True, False])
        put("audio.batch.embed", r["embed"], "batch [burst, long, tone], is_longer [F, T, F]")
    else:
        r = audio(model, np.concatenate([feats["burst"], feats["tone"], feats["exact"]]), [False] * 3)
        put("audio.batch.embed", r["embed"], "batch [burst, tone, exact]")
    for kind, fb in (("htk", fe.mel_filters), ("slaney", fe.mel_filters_slaney)):
        nz = fb > 0
        put(f"mel.{kind}.first_bin", nz.argmax(0).astype(np.int64))
        put(f"mel.{kind}.last_bin", (513 - 1 - nz[::-1].argmax(0)).astype(np.int64))
        put(f"mel.{kind}.sum", fb.sum(0), "sum over bins of each filter, f64")
        put(f"mel.{kind}.max", fb.max(0))
        if not tiny:
            put(f"mel.{kind}.filters", fb)
    e = tok(TEXTS, padding=True, return_tensors="np")
    ids, mask = e["input_ids"].astype(np.int64), e["attention_mask"].astype(np.int64)
    put("text.input_ids", ids, "padded to the longest with 1; texts in golden.json")
    put("text.attention_mask", mask)
    r = text(model, ids, mask)
    for k, v in r.items():
        if tiny and k not in ("pooled", "embed"):
            v = v[:5, :12]
            doc[f"text.{k}"] = "first 5 texts, first 12 positions"
        put(f"text.{k}", v)
    one = text(model, ids[2:3, : int(mask[2].sum())], mask[2:3, : int(mask[2].sum())])
    put("text.unpadded.embed", one["embed"], "text 2 alone, without padding: the same as row 2 of text.embed within rounding")
    names = [k for k in feats]
    A = np.concatenate([g[f"audio.{k}.embed"] for k in names])
    T = r["embed"]
    put("logits_per_audio", (A @ T.T) * np.exp(np.float32(model.logit_scale_a.item())), "rows: " + ", ".join(names))
    put("logits_per_text", (T @ A.T) * np.exp(np.float32(model.logit_scale_t.item())))
    off = lambda M: M[~np.eye(len(M), dtype=bool)]
    C, D = A @ A.T, T @ T.T
    stat = {"audio cosine, different clips": [round(float(off(C).min()), 4), round(float(off(C).max()), 4)],
            "text cosine, different texts": [round(float(off(D).min()), 4), round(float(off(D).max()), 4)]}

    for f in out.glob("*.safetensors"):
        f.unlink()
    if "safetensors" in save:
        model.save_pretrained(out, safe_serialization=True)
    if "bin" in save:
        torch.save(model.state_dict(), out / "pytorch_model.bin")
        model.config.architectures = ["ClapModel"]
        model.config.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(real_preprocessor_config(truncation))
    save_file(g, str(out / "golden.safetensors"))
    sd = model.state_dict()
    (out / "golden.json").write_text(json.dumps({
        "made_by": "clap-reference.py", "seed": seed, "clips": about, "texts": TEXTS, "tensors": doc,
        "thinned": {"what": "stage outputs keep every nth along an axis: {name prefix: [axis, n]}", **thinned}, "features_every": 1 if not tiny else frame_step, "spread": stat,
        "parameters": int(sum(p.numel() for p in model.parameters())), "state_dict_tensors": len(sd),
        "weights": {k: [str(v.dtype).replace("torch.", ""), list(v.shape)] for k, v in sd.items()} if tiny else None},
        indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for f in out.iterdir():
        f.chmod(0o644)
    print(out, "params", sum(p.numel() for p in model.parameters()), "tensors", len(sd), stat,
          "bytes", sum(f.stat().st_size for f in out.iterdir()))
    return model


def tiny_cfg(fused):
    a = dict(patch_embeds_hidden_size=8, hidden_size=64, mlp_ratio=2.0, num_classes=4, projection_dim=24)
    if fused:
        a |= dict(enable_fusion=True, window_size=4, depths=[2, 1, 2, 1], num_attention_heads=[1, 2, 4, 4])
    else:
        a |= dict(enable_fusion=False, window_size=8, depths=[2, 1, 1, 2], num_attention_heads=[2, 2, 4, 8])
    t = dict(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=130, projection_dim=24)
    return ClapConfig(audio_config=a, text_config=t, projection_dim=24)


def full_cfg(kind):
    a = dict(enable_fusion=kind == "fused")
    if kind == "larger":
        a |= dict(patch_embeds_hidden_size=128, depths=[2, 2, 12, 2], hidden_size=1024)
    return ClapConfig(audio_config=a, text_config={})


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--roberta-dir", type=Path, required=True)
    ap.add_argument("--tiny-out", type=Path, default=Path(__file__).resolve().parents[1] / "fixtures-out")
    ap.add_argument("--full-out", type=Path, default=Path(TMP + "/clap-full"))
    ap.add_argument("--only", choices=["tiny", "full", "tokenizer"])
    a = ap.parse_args()
    if a.only in (None, "tokenizer"):
        d = a.tiny_out / "roberta-tokenizer"
        d.mkdir(parents=True, exist_ok=True)
        v = json.load(open(a.roberta_dir / "vocab.json"))
        (d / "vocab.json").write_text(json.dumps(dict(sorted(v.items(), key=lambda t: t[1])), ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        if a.roberta_dir.resolve() != d.resolve():
            shutil.copy(a.roberta_dir / "merges.txt", d / "merges.txt")
        sha = {f: hashlib.sha256((d / f).read_bytes()).hexdigest() for f in ("vocab.json", "merges.txt")}
        assert sha["vocab.json"].startswith("ed19656ea1707df6") and sha["merges.txt"].startswith("1ce1664773c50f3e"), sha
        tok = roberta(d)
        more = TEXTS + ["Hello world", "hello\nworld\ttab", "don't we're I'LL they've", "naïve façade", "x" * 300, "<s> fake </s>", "a <mask> b", "1234567 3.14", "\u00a0nbsp", "e\u0301 combining"]
        (d / "golden_tokens.json").write_text(json.dumps([{"text": t, "ids": tok(t)["input_ids"]} for t in more], ensure_ascii=False, indent=None).replace('}, {"text"', '},\n{"text"') + "\n", encoding="utf-8")
        print(d, sha, [len(tok(t)["input_ids"]) for t in more])
    if a.only in (None, "tiny"):
        for kind in ("unfused", "fused"):
            out = a.tiny_out / f"clap-tiny-{kind}"
            tok = small_tokenizer(a.roberta_dir, 512, out)
            build(out, tiny_cfg(kind == "fused"), "fusion" if kind == "fused" else "rand_trunc", tok, 11 if kind == "fused" else 10, True,
                  ["safetensors", "bin"] if kind == "fused" else ["safetensors"])
            write_tokenizer(tok, out, ["json", "vocab"] if kind == "unfused" else ["json"])
    if a.only in (None, "full"):
        tok = roberta(a.roberta_dir)
        for kind, seed in (("unfused", 20), ("fused", 21), ("larger", 22)):
            out = a.full_out / kind
            build(out, full_cfg(kind), "fusion" if kind == "fused" else "rand_trunc", tok, seed, False, ["bin"] if kind == "larger" else ["safetensors"])
            if kind != "larger":
                write_tokenizer(tok, out, ["json", "vocab"])
            for f in ("vocab.json", "merges.txt"):
                shutil.copy(a.roberta_dir / f, out / f)


if __name__ == "__main__":
    main()
