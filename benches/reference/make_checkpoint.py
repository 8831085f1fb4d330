#!/usr/bin/env python3
"""Makes a CLAP checkpoint of full size (clap-htsat-unfused) with random, seeded weights.

  python make_checkpoint.py DIR

Speed does not depend on the weights' values. They are scaled so that activations stay finite, and the
text projection is centred on a few sentences, so that different texts differ as a trained model's do;
soundseek refuses a text encoder that gives every text the same vector. RoBERTa's vocabulary is read from
tests/data. Needs torch and transformers.
"""
import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizerFast

VOCABULARY = Path(__file__).resolve().parents[2] / "tests/data/clap-roberta-tokenizer"
SENTENCES = ["wind", "a cat", "a loud bell", "zzz", "speech of two men", "x", "piano and cello", "0123"]


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(20)
    model = ClapModel(ClapConfig()).eval()
    tokenizer = RobertaTokenizerFast(vocab_file=str(VOCABULARY / "vocab.json"), merges_file=str(VOCABULARY / "merges.txt"))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5)
        words = tokenizer(SENTENCES, padding=True, return_tensors="pt")
        pooled = model.text_model(input_ids=words["input_ids"], attention_mask=words["attention_mask"]).pooler_output
        first = model.text_projection.linear1
        hidden = first(pooled) - first.bias
        spread = hidden.std(0).mean()
        first.weight /= spread
        first.bias.copy_(-hidden.mean(0) / spread)
    model.save_pretrained(out, safe_serialization=True)
    ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad").save_pretrained(out)
    tokenizer.save_pretrained(out / "tokenizer")
    shutil.move(out / "tokenizer/tokenizer.json", out / "tokenizer.json")
    shutil.rmtree(out / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(VOCABULARY / name, out / name)
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}))


if __name__ == "__main__":
    main()
