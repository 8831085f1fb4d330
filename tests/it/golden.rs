//! Tokens, stages and embeddings against the reference implementation's, stored in `tests/data`.
//!
//! The tolerances are those of 32-bit arithmetic in another order: 5e-5 for a stage, whose values
//! reach about 10, and 1e-5 for an embedding of length 1. Features have a file of their own,
//! because embeddings of random weights hardly feel a mistake in them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{DType, Device as CandleDevice, Tensor};
use soundseek::mel::{LogMel, LogMelExtractor, Scratch};
use soundseek::model::{
    Backend, Checkpoint, ClapModel, Device, LoadOptions, Precision, TextConfig, TextTokenizer,
};

const STAGE_TOLERANCE: f32 = 5e-5;
const EMBEDDING_TOLERANCE: f32 = 1e-5;

/// One network computed twice with its sums cut into other blocks: a few units in the last place
/// for each of its layers.
const REORDERED_TOLERANCE: f32 = 5e-6;

/// A checkpoint with the reference's numbers for it.
pub struct Golden {
    pub folder: PathBuf,
    pub tensors: HashMap<String, Tensor>,
    pub notes: serde_json::Value,
}

impl Golden {
    pub fn open(name: &str) -> Golden {
        let folder = data(name);
        let tensors =
            candle_core::safetensors::load(folder.join("golden.safetensors"), &CandleDevice::Cpu)
                .unwrap();
        let notes = std::fs::read(folder.join("golden.json")).unwrap();
        Golden {
            folder,
            tensors,
            notes: serde_json::from_slice(&notes).unwrap(),
        }
    }

    pub fn unfused() -> Golden {
        Golden::open("clap-tiny-unfused")
    }

    pub fn fused() -> Golden {
        Golden::open("clap-tiny-fused")
    }

    pub fn model(&self) -> ClapModel {
        self.model_by(Backend::Fast)
    }

    pub fn model_by(&self, backend: Backend) -> ClapModel {
        let options = LoadOptions {
            backend,
            ..LoadOptions::from(Device::Cpu)
        };
        ClapModel::load(&Checkpoint::Folder(self.folder.clone()), options).unwrap()
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        let tensor = self
            .tensors
            .get(name)
            .unwrap_or_else(|| panic!("no golden {name}"));
        flat(&tensor.to_dtype(DType::F32).unwrap())
    }

    /// A test clip, as `golden.json` describes it under `clips`.
    pub fn clip(&self, name: &str) -> Vec<f32> {
        let burst: Vec<f32> = self.tensors["wave.burst"]
            .to_vec1::<i16>()
            .unwrap()
            .iter()
            .map(|&s| f32::from(s) / 32768.0)
            .collect();
        let tone = |n: usize| {
            let turn = std::f64::consts::TAU * n as f64 / 48000.0;
            (0.5 * (440.0 * turn).sin() + 0.25 * (3000.0 * turn).sin()) as f32
        };
        let faded = |length: usize| -> Vec<f32> {
            let ramp = |n: usize| (1.0 - n as f64 / length as f64) as f32;
            (0..length)
                .map(|n| burst[n % burst.len()] * ramp(n))
                .collect()
        };
        match name {
            "burst" => burst,
            "tone" => (0..144_007).map(tone).collect(),
            "silence" => vec![0.0; 48_000],
            "exact" => faded(480_000),
            "corner" => faded(480_200),
            "long" => {
                let reversed = (0..590_000).rev().map(tone);
                faded(590_000)
                    .iter()
                    .zip(reversed)
                    .map(|(b, t)| b + 0.3 * t)
                    .collect()
            }
            // The crop that the reference was told to choose.
            "long@mid" => self.clip("long").split_off(55_000),
            _ => panic!("no clip {name}"),
        }
    }

    pub fn features(&self, model: &ClapModel, name: &str) -> LogMel {
        let extractor = LogMelExtractor::new(model.mel_config()).unwrap();
        extractor.extract(&self.clip(name), &mut Scratch::default())
    }

    /// The texts' token ids, without padding.
    fn tokens(&self) -> Vec<Vec<u32>> {
        let ids = self.tensors["text.input_ids"].to_vec2::<i64>().unwrap();
        let mask = self.tensors["text.attention_mask"]
            .to_vec2::<i64>()
            .unwrap();
        let real = |(ids, mask): (&Vec<i64>, &Vec<i64>)| {
            ids.iter()
                .zip(mask)
                .filter(|(_, m)| **m == 1)
                .map(|(&id, _)| id as u32)
                .collect()
        };
        ids.iter().zip(&mask).map(real).collect()
    }

    fn texts(&self) -> Vec<String> {
        serde_json::from_value(self.notes["texts"].clone()).unwrap()
    }

    /// A stage as the reference's file keeps it: every nth row along one axis.
    fn thinned(&self, stage: &str, value: &Tensor) -> Tensor {
        for (prefix, rule) in self.notes["thinned"].as_object().unwrap() {
            if prefix != "what" && stage.starts_with(prefix) {
                let axis = rule[0].as_u64().unwrap() as usize;
                let every = rule[1].as_u64().unwrap() as u32;
                let rows =
                    Tensor::arange_step(0, value.dim(axis).unwrap() as u32, every, value.device());
                return value
                    .contiguous()
                    .unwrap()
                    .index_select(&rows.unwrap(), axis)
                    .unwrap();
            }
        }
        value.clone()
    }
}

pub fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(
        found.iter().all(|x| x.is_finite()) && worst <= tolerance,
        "{what}: off by {worst:e}"
    );
}

#[test]
fn roberta_tokens_equal_the_references() {
    let checkpoint = Checkpoint::Folder(data("clap-roberta-tokenizer"));
    let tokenizer = TextTokenizer::load(&checkpoint, &TextConfig::default()).unwrap();
    let golden = std::fs::read(data("clap-roberta-tokenizer/golden_tokens.json")).unwrap();
    let golden: Vec<serde_json::Value> = serde_json::from_slice(&golden).unwrap();
    assert_eq!(golden.len(), 18);
    for case in golden {
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
        assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
    }
}

#[test]
fn both_forms_of_a_tokenizer_give_the_references_tokens_and_keep_the_end_at_77() {
    let golden = Golden::unfused();
    let only_vocab = tempfile::tempdir().unwrap();
    for file in ["vocab.json", "merges.txt"] {
        std::fs::copy(golden.folder.join(file), only_vocab.path().join(file)).unwrap();
    }
    let config = golden.model().config().text_config.clone();
    for folder in [golden.folder.as_path(), only_vocab.path()] {
        let tokenizer =
            TextTokenizer::load(&Checkpoint::Folder(folder.to_owned()), &config).unwrap();
        let mut cut = 0;
        for (text, mut ids) in golden.texts().iter().zip(golden.tokens()) {
            if ids.len() > 77 {
                ids.truncate(76);
                ids.push(2);
                cut += 1;
            }
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{text:?}");
        }
        assert_eq!(cut, 1, "one of the texts is longer than LAION trained on");
    }
}

#[test]
fn stages_of_the_unfused_encoder_equal_the_references() {
    let golden = Golden::unfused();
    assert_eq!(check_stages(&golden, Backend::Reference, "burst"), 17);
    assert_eq!(check_stages(&golden, Backend::Fast, "burst"), 15);
}

#[test]
fn stages_of_the_fused_encoder_equal_the_references_on_a_long_clip() {
    let golden = Golden::fused();
    assert_eq!(check_stages(&golden, Backend::Reference, "long"), 19);
    assert_eq!(check_stages(&golden, Backend::Fast, "long"), 17);
}

/// Compares every stage that the golden file has; returns how many there were. The fast
/// implementation has two fewer: it never makes the picture that the patches are cut from.
fn check_stages(golden: &Golden, backend: Backend, clip: &str) -> usize {
    let model = golden.model_by(backend);
    let features = golden.features(&model, clip);
    let mut seen = 0;
    let mut check = |stage: &str, value: &Tensor| {
        let Some(expected) = golden.tensors.get(&format!("audio.{clip}.{stage}")) else {
            return;
        };
        // The reference keeps a clip's channels together, batch_norm with the mel bands in front.
        let value = match stage {
            "batch_norm" => value.permute((2, 1, 0)).unwrap().unsqueeze(0).unwrap(),
            "mel2img" => value.transpose(0, 1).unwrap(),
            _ => value.clone(),
        };
        let value = golden.thinned(stage, &value);
        assert_eq!(value.dims(), expected.dims(), "{stage}");
        assert_close(stage, &flat(&value), &flat(expected), STAGE_TOLERANCE);
        seen += 1;
    };
    model.audio_stages(&[features], &mut check).unwrap();
    seen
}

#[test]
fn audio_embeddings_equal_the_references() {
    let unfused = [
        "burst", "tone", "silence", "exact", "corner", "long", "long@mid",
    ];
    for (golden, clips) in [
        (Golden::unfused(), &unfused[..]),
        (Golden::fused(), &unfused[..6]),
    ] {
        let model = golden.model();
        for clip in clips {
            let features = golden.features(&model, clip);
            let expected_longer = model.mel_config().fusion && *clip == "long";
            assert_eq!(features.is_longer(), expected_longer, "{clip}");
            let embedding = &model.audio_embeddings(&[features]).unwrap()[0];
            let expected = golden.floats(&format!("audio.{clip}.embed"));
            assert_close(clip, embedding, &expected, EMBEDDING_TOLERANCE);
        }
    }
}

#[test]
fn smaller_numbers_stay_near_the_floats() {
    let load = |precision| {
        let options = LoadOptions {
            precision,
            ..LoadOptions::from(Device::Cpu)
        };
        ClapModel::load(&Checkpoint::BuiltIn, options).unwrap()
    };
    let exact = load(Precision::F32);
    let extractor = LogMelExtractor::new(exact.mel_config()).unwrap();
    let rate = exact.mel_config().sample_rate_hz;
    let clips: Vec<LogMel> = soundseek::demo::sounds()
        .iter()
        .step_by(6)
        .map(|sound| extractor.extract(&sound.render(rate), &mut Scratch::default()))
        .collect();
    let expected = exact.audio_embeddings(&clips).unwrap();
    // What makes vectors of all precisions comparable; where there is no bfloat16 it is floats.
    for (precision, least) in [(Precision::Bf16, 0.9995), (Precision::Int8, 0.998)] {
        let found = load(precision).audio_embeddings(&clips).unwrap();
        let dot = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosines: f32 = found.iter().zip(&expected).map(dot).sum();
        let mean = cosines / clips.len() as f32;
        assert!(mean >= least, "{precision}: {mean}");
    }
}

#[test]
fn a_short_clip_marked_longer_is_fused_with_itself_as_the_reference_does() {
    let golden = Golden::fused();
    let model = golden.model();
    let mut features = golden.features(&model, "burst");
    features.data = features.data.repeat(4);
    features.channels = 4;
    let embedding = &model.audio_embeddings(&[features]).unwrap()[0];
    let expected = golden.floats("audio.burst@is_longer.embed");
    assert_close("burst@is_longer", embedding, &expected, EMBEDDING_TOLERANCE);
}

#[test]
fn a_batch_of_clips_embeds_as_its_clips_alone() {
    for (golden, clips) in [
        (Golden::unfused(), ["burst", "tone", "exact"]),
        (Golden::fused(), ["burst", "long", "tone"]),
    ] {
        let model = golden.model();
        let features = clips.map(|clip| golden.features(&model, clip));
        let batch = model.audio_embeddings(&features).unwrap();
        let expected = golden.floats("audio.batch.embed");
        assert_close("batch", &batch.concat(), &expected, EMBEDDING_TOLERANCE);
        for (one, row) in features.into_iter().zip(&batch) {
            assert_close(
                "alone",
                &model.audio_embeddings(&[one]).unwrap()[0],
                row,
                1e-6,
            );
        }
    }
}

#[test]
fn text_stages_and_embeddings_equal_the_references() {
    for (golden, backend) in [
        (Golden::unfused(), Backend::Fast),
        (Golden::unfused(), Backend::Reference),
        (Golden::fused(), Backend::Fast),
        (Golden::fused(), Backend::Reference),
    ] {
        let model = golden.model_by(backend);
        let tokens = golden.tokens();
        let embeddings = model.token_embeddings(&tokens).unwrap().concat();
        assert_close(
            "text",
            &embeddings,
            &golden.floats("text.embed"),
            EMBEDDING_TOLERANCE,
        );
        let mut seen = 0;
        let mut check = |stage: &str, value: &Tensor| {
            let (value, name) = match stage {
                // The file keeps the first 5 texts and 12 positions of the last layer.
                "last_hidden_state" => {
                    let kept = value.narrow(0, 0, 5).unwrap().narrow(1, 0, 12).unwrap();
                    (kept, "text.layer.1")
                }
                "pooled" => (value.clone(), "text.pooled"),
                _ => return,
            };
            let mut expected = golden.floats(name);
            if name == "text.layer.1" && backend == Backend::Fast {
                // It computes nothing behind a text's end, and shows 0 there.
                let width = expected.len() / (5 * 12);
                for (text, ids) in expected.chunks_mut(12 * width).zip(&tokens) {
                    text[width * ids.len().min(12)..].fill(0.0);
                }
            }
            assert_close(name, &flat(&value), &expected, STAGE_TOLERANCE);
            seen += 1;
        };
        model.text_stages(&tokens, &mut check).unwrap();
        assert_eq!(seen, 2);
    }
}

#[test]
fn a_text_embeds_the_same_with_and_without_padding() {
    let golden = Golden::unfused();
    let model = golden.model();
    let texts = golden.texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let batch = model.text_embeddings(&texts).unwrap();
    for (text, row) in texts.iter().zip(&batch) {
        let alone = &model.text_embeddings(&[*text]).unwrap()[0];
        assert_close(text, alone, row, REORDERED_TOLERANCE);
    }
    let expected = golden.floats("text.unpadded.embed");
    assert_close("unpadded", &batch[2], &expected, EMBEDDING_TOLERANCE);
}

#[test]
fn logits_equal_the_references() {
    let golden = Golden::unfused();
    let model = golden.model();
    let texts = model.token_embeddings(&golden.tokens()).unwrap();
    let clips = [
        "burst", "tone", "silence", "exact", "corner", "long", "long@mid",
    ];
    let audio = model
        .audio_embeddings(&clips.map(|c| golden.features(&model, c)))
        .unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (mut per_audio, mut per_text) = (Vec::new(), Vec::new());
    for a in &audio {
        per_audio.extend(texts.iter().map(|t| dot(a, t) * model.logit_scale_audio()));
    }
    for t in &texts {
        per_text.extend(audio.iter().map(|a| dot(a, t) * model.logit_scale_text()));
    }
    // An embedding's tolerance times scales of 14 and 18.5.
    assert_close(
        "per audio",
        &per_audio,
        &golden.floats("logits_per_audio"),
        2e-4,
    );
    assert_close(
        "per text",
        &per_text,
        &golden.floats("logits_per_text"),
        2e-4,
    );
}
