//! Checkpoints as people have them: other formats of the same weights, and configurations that say
//! little. What is refused is in `checkpoint_refusals`.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device as CandleDevice, Tensor};
use soundseek::mel::{LogMelExtractor, Scratch};
use soundseek::model::{Checkpoint, ClapModel, Device, LoadError};
use tempfile::TempDir;

use crate::golden::{Golden, data};

/// The files of a checkpoint's folder, without the golden ones.
const FILES: [&str; 6] = [
    "config.json",
    "preprocessor_config.json",
    "model.safetensors",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
];

pub(crate) fn copy_of(name: &str) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in FILES {
        let from = data(name).join(file);
        if from.exists() {
            std::fs::copy(from, copy.path().join(file)).unwrap();
        }
    }
    copy
}

pub(crate) fn load(folder: &Path) -> Result<ClapModel, LoadError> {
    ClapModel::load(&Checkpoint::Folder(folder.to_owned()), Device::Cpu)
}

/// The error's text, with the folder written as `DIR`.
#[track_caller]
pub(crate) fn refusal(folder: &Path) -> String {
    let error = load(folder).err().expect("the checkpoint is bad");
    error
        .to_string()
        .replace(&folder.display().to_string(), "DIR")
}

pub(crate) fn edit_weights(folder: &Path, edit: impl FnOnce(&mut HashMap<String, Tensor>)) {
    let file = folder.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&file, &CandleDevice::Cpu).unwrap();
    edit(&mut tensors);
    // Written beside and moved: a loaded model may still map the old file.
    let new = folder.join("new.safetensors");
    candle_core::safetensors::save(&tensors, &new).unwrap();
    std::fs::rename(new, file).unwrap();
}

pub(crate) fn edit_json(file: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    edit(&mut value);
    std::fs::write(file, serde_json::to_vec(&value).unwrap()).unwrap();
}

pub(crate) fn embeddings(model: &ClapModel) -> Vec<f32> {
    let extractor = LogMelExtractor::new(model.mel_config()).unwrap();
    let samples: Vec<f32> = (0..30_000).map(|n| (n as f32 * 0.05).sin() * 0.3).collect();
    let features = extractor.extract(&samples, &mut Scratch::default());
    let mut all = model.audio_embeddings(&[features]).unwrap().concat();
    all.extend(model.text_embeddings(&["a bell", ""]).unwrap().concat());
    all
}

pub(crate) fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn the_built_in_model_loads_passes_its_self_test_and_embeds() {
    let model = ClapModel::load(&Checkpoint::BuiltIn, Device::Cpu).unwrap();
    assert_eq!(model.name(), "builtin");
    model.self_test().unwrap();
    let all = embeddings(&model);
    assert_eq!(all.len(), 3 * model.dimension());
    for row in all.chunks(model.dimension()) {
        // A row was divided by its own length: only rounding is left.
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn the_built_in_text_encoder_takes_texts_of_any_length_and_script() {
    let model = ClapModel::load(&Checkpoint::BuiltIn, Device::Cpu).unwrap();
    let long = "birds singing ".repeat(1000);
    let texts = ["", &long, "鳥の声 🐦", "[PAD] [PAD]", "\0\u{feff}"];
    let limit = model.tokenizer().max_tokens();
    assert_eq!(limit, 64);
    assert_eq!(model.tokenizer().encode(&long).unwrap().len(), limit);
    assert_eq!(model.text_embeddings(&texts).unwrap().len(), texts.len());
}

#[test]
fn the_built_in_model_is_the_same_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/builtin");
    for file in &FILES[..4] {
        std::fs::copy(builtin.join(file), folder.path().join(file)).unwrap();
    }
    let inside = ClapModel::load(&Checkpoint::BuiltIn, Device::Cpu).unwrap();
    let outside = load(folder.path()).unwrap();
    assert_eq!(
        inside.fingerprint().unwrap(),
        outside.fingerprint().unwrap()
    );
    assert_eq!(embeddings(&inside), embeddings(&outside));
}

#[test]
fn a_pickle_gives_the_same_embeddings_as_safetensors() {
    let copy = copy_of("clap-tiny-fused");
    let safetensors = embeddings(&load(copy.path()).unwrap());
    std::fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    let bin = "pytorch_model.bin";
    std::fs::copy(data("clap-tiny-fused").join(bin), copy.path().join(bin)).unwrap();
    assert_eq!(embeddings(&load(copy.path()).unwrap()), safetensors);
}

#[test]
fn weights_of_every_float_format_give_the_same_embeddings() {
    let exact = embeddings(&Golden::unfused().model());
    // Bits of mantissa: 52, 10 and 7; ten times their rounding, for what adds up over the layers.
    for (dtype, tolerance) in [(DType::F64, 1e-7), (DType::F16, 1e-2), (DType::BF16, 8e-2)] {
        let copy = copy_of("clap-tiny-unfused");
        edit_weights(copy.path(), |tensors| {
            for tensor in tensors.values_mut().filter(|t| t.dtype() == DType::F32) {
                *tensor = tensor.to_dtype(dtype).unwrap();
            }
        });
        let error = worst(&embeddings(&load(copy.path()).unwrap()), &exact);
        assert!(error < tolerance, "{dtype:?}: {error}");
    }
}

#[test]
fn integer_buffers_are_not_needed_and_unknown_keys_are_ignored() {
    let copy = copy_of("clap-tiny-unfused");
    let before = embeddings(&load(copy.path()).unwrap());
    edit_weights(copy.path(), |tensors| {
        tensors.retain(|_, t| t.dtype() == DType::F32)
    });
    edit_json(&copy.path().join("config.json"), |config| {
        config["audio_config"]["some_new_key"] = "and its value".into();
        config["audio_config"]["projection_dim"] = 9999.into();
    });
    assert_eq!(embeddings(&load(copy.path()).unwrap()), before);
}

#[test]
fn sparse_configurations_take_the_references_defaults() {
    // Every key of the tiny model that has the default's value can go.
    let copy = copy_of("clap-tiny-unfused");
    let before = embeddings(&load(copy.path()).unwrap());
    edit_json(&copy.path().join("config.json"), |config| {
        let audio = config["audio_config"].as_object_mut().unwrap();
        let own = [
            "patch_embeds_hidden_size",
            "hidden_size",
            "mlp_ratio",
            "depths",
        ];
        audio.retain(|key, _| own.contains(&key.as_str()) || key == "num_attention_heads");
        let text = config["text_config"].as_object_mut().unwrap();
        for key in [
            "type_vocab_size",
            "layer_norm_eps",
            "hidden_act",
            "position_embedding_type",
        ] {
            text.remove(key).unwrap();
        }
        config
            .as_object_mut()
            .unwrap()
            .remove("projection_hidden_act")
            .unwrap();
    });
    edit_json(&copy.path().join("preprocessor_config.json"), |config| {
        let own = ["truncation", "frequency_min"];
        config
            .as_object_mut()
            .unwrap()
            .retain(|key, _| own.contains(&key.as_str()));
    });
    assert_eq!(embeddings(&load(copy.path()).unwrap()), before);

    // An empty file is HTSAT-tiny with RoBERTa-base, as its first text tensor shows.
    std::fs::write(copy.path().join("config.json"), "{}").unwrap();
    let text = refusal(copy.path());
    assert!(
        text.contains("has shape [32, 32], expected [768, 768]"),
        "{text}"
    );
}

#[test]
fn fingerprints_change_with_every_file_that_decides_an_embedding() {
    let copy = copy_of("clap-tiny-unfused");
    let fingerprint = |folder: &Path| load(folder).unwrap().fingerprint().unwrap();
    let mut seen = vec![fingerprint(copy.path())];
    assert_eq!(seen[0], fingerprint(&data("clap-tiny-unfused")));
    assert!(seen[0].len() == 64 && seen[0].bytes().all(|b| b.is_ascii_hexdigit()));
    for file in ["config.json", "preprocessor_config.json", "tokenizer.json"] {
        let path = copy.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.push(b'\n');
        std::fs::write(&path, bytes).unwrap();
        seen.push(fingerprint(copy.path()));
    }
    edit_weights(copy.path(), |tensors| {
        let bias = tensors.get_mut("text_projection.linear2.bias").unwrap();
        *bias = (&*bias + 1e-3).unwrap();
    });
    seen.push(fingerprint(copy.path()));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_checkpoint_is_named_after_its_folder_or_its_repository_in_the_download_cache() {
    let root = tempfile::tempdir().unwrap();
    let plain = root.path().join("my-clap");
    let cached = root
        .path()
        .join("models--laion--clap-htsat-unfused/snapshots/8fa0f1c6");
    for (folder, name) in [(&plain, "my-clap"), (&cached, "clap-htsat-unfused")] {
        std::fs::create_dir_all(folder).unwrap();
        assert_eq!(Checkpoint::Folder(folder.clone()).name(), name);
    }
    assert_eq!(Checkpoint::BuiltIn.name(), "builtin");
}
