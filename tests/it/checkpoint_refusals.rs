//! Checkpoints that are damaged, incomplete or of another model: error texts name file, tensor, what was
//! expected, what was found and the cure.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use candle_core::{DType, Device as CandleDevice, Tensor};
use soundseek::model::{LoadError, ModelError};

use crate::checkpoint::{copy_of, edit_json, edit_weights, load, refusal};
use crate::golden::{Golden, data};

#[test]
fn missing_files_are_named() {
    let copy = copy_of("clap-tiny-fused");
    let cure = "a CLAP checkpoint in the Hugging Face format has one, download the whole folder";
    for (file, wanted) in [
        (
            "tokenizer.json",
            "tokenizer.json, nor vocab.json with merges.txt",
        ),
        (
            "model.safetensors",
            "model.safetensors or pytorch_model.bin",
        ),
        ("preprocessor_config.json", "preprocessor_config.json"),
        ("config.json", "config.json"),
    ] {
        std::fs::remove_file(copy.path().join(file)).unwrap();
        assert_eq!(refusal(copy.path()), format!("DIR has no {wanted}; {cure}"));
    }
    let gone = copy.path().join("gone");
    assert_eq!(
        refusal(&gone),
        "DIR is not a folder; give the folder that holds a CLAP checkpoint's config.json"
    );
}

#[test]
fn a_missing_tensor_is_named_with_its_shape() {
    let name = "audio_model.audio_encoder.layers.3.blocks.1.attention.self.key.weight";
    let copy = copy_of("clap-tiny-unfused");
    edit_weights(copy.path(), |tensors| drop(tensors.remove(name)));
    assert_eq!(
        refusal(copy.path()),
        format!(
            "DIR/model.safetensors has no tensor {name}, expected shape [64, 64]; config.json \
             describes another model, or the file is not the whole checkpoint"
        )
    );
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both() {
    let copy = copy_of("clap-tiny-unfused");
    edit_json(&copy.path().join("config.json"), |config| {
        config["text_config"]["vocab_size"] = 600.into();
    });
    assert_eq!(
        refusal(copy.path()),
        "DIR/model.safetensors: tensor text_model.embeddings.word_embeddings.weight has shape \
         [512, 32], expected [600, 32]; config.json and the weights are of different models"
    );
}

#[test]
fn a_quantised_tensor_is_refused() {
    let copy = copy_of("clap-tiny-unfused");
    edit_weights(copy.path(), |tensors| {
        let weight = tensors.get_mut("text_projection.linear1.weight").unwrap();
        *weight = weight.to_dtype(DType::U8).unwrap();
    });
    assert_eq!(
        refusal(copy.path()),
        "DIR/model.safetensors: tensor text_projection.linear1.weight is stored as U8, expected \
         F16, BF16, F32 or F64; use an unquantised checkpoint"
    );
}

#[test]
fn weights_that_are_not_numbers_are_refused_by_the_encoder_that_reads_them() {
    for (bad, written) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf")] {
        let copy = copy_of("clap-tiny-unfused");
        edit_weights(copy.path(), |tensors| {
            let bias = tensors.get_mut("text_model.pooler.dense.bias").unwrap();
            let mut values = bias.to_vec1::<f32>().unwrap();
            values[5] = bad;
            *bias = Tensor::new(values, &CandleDevice::Cpu).unwrap();
        });
        let model = load(copy.path()).unwrap();
        let error = model.text_embeddings(&["a bell"]).unwrap_err();
        assert!(matches!(
            error,
            ModelError::Load(LoadError::NotFinite { index: 5, .. })
        ));
        assert_eq!(
            error
                .to_string()
                .replace(&copy.path().display().to_string(), "DIR"),
            format!(
                "DIR/model.safetensors: tensor text_model.pooler.dense.bias holds {written} at \
                 element 5, expected finite numbers; the file is damaged, download it again"
            )
        );
    }
}

#[test]
fn a_truncated_file_is_refused_with_both_lengths() {
    let copy = copy_of("clap-tiny-unfused");
    let file = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1000]).unwrap();
    assert_eq!(
        refusal(copy.path()),
        format!(
            "DIR/model.safetensors: expected {} bytes, as its header says, found {} bytes; \
             download it again",
            bytes.len(),
            bytes.len() - 1000
        )
    );
}

#[test]
fn headers_that_lie_are_refused() {
    let copy = copy_of("clap-tiny-unfused");
    let file = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..end]).unwrap();
    let with_header = |header: &str| {
        let mut new = (header.len() as u64).to_le_bytes().to_vec();
        new.extend_from_slice(header.as_bytes());
        new.extend_from_slice(&bytes[end..]);
        new
    };
    let huge = u64::MAX.to_le_bytes().to_vec();
    let lies = [
        with_header(&header.replacen("\"shape\":[512,32]", "\"shape\":[4294967295,4294967297]", 1)),
        with_header(&header.replacen("\"shape\":[512,32]", "\"shape\":[512,33]", 1)),
        with_header(&header.replacen("\"data_offsets\":[", "\"data_offsets\":[9", 1)),
        with_header(&header[1..]),
        huge,
        bytes[..5].to_vec(),
        Vec::new(),
        b"<!DOCTYPE html><html>404".to_vec(),
    ];
    for lie in lies {
        assert_ne!(lie, bytes);
        std::fs::write(&file, &lie).unwrap();
        let text = refusal(copy.path());
        assert!(
            text.starts_with("DIR/model.safetensors: expected "),
            "{text}"
        );
        assert!(text.ends_with("; download it again"), "{text}");
    }
}

#[test]
fn every_prefix_and_every_flipped_header_byte_is_refused_or_harmless() {
    let copy = copy_of("clap-tiny-fused");
    let file = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for length in (0..bytes.len()).step_by(9973) {
        std::fs::write(&file, &bytes[..length]).unwrap();
        assert!(load(copy.path()).is_err(), "{length} bytes");
    }
    for at in (0..end).step_by(499) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x15;
        std::fs::write(&file, &flipped).unwrap();
        // Padding and metadata may change freely; what matters is that nothing panics.
        let _ = load(copy.path()).and_then(|model| model.fingerprint());
    }
}

#[test]
fn pickles_that_are_none_are_refused() {
    let copy = copy_of("clap-tiny-fused");
    std::fs::remove_file(copy.path().join("model.safetensors")).unwrap();
    let file = copy.path().join("pytorch_model.bin");
    let good = std::fs::read(data("clap-tiny-fused/pytorch_model.bin")).unwrap();
    for bad in [
        &b""[..],
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
        &good[..good.len() / 2],
    ] {
        std::fs::write(&file, bad).unwrap();
        let text = refusal(copy.path());
        let start = "DIR/pytorch_model.bin: expected a state dict that PyTorch 1.6 or later wrote";
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn broken_json_is_refused_with_its_place() {
    for file in ["config.json", "preprocessor_config.json", "tokenizer.json"] {
        let copy = copy_of("clap-tiny-unfused");
        std::fs::write(copy.path().join(file), "{\n  \"a\": ").unwrap();
        let text = refusal(copy.path());
        assert!(
            text.starts_with(&format!("DIR/{file} is not a usable ")),
            "{text}"
        );
        assert!(text.contains("line 2 column "), "{text}");
        assert!(text.ends_with("; download it again"), "{text}");
    }
}

/// The crate that reads it panics where a decoder is cut in two; a fuzzer found that.
#[test]
fn a_tokenizer_that_was_cut_short_anywhere_is_refused() {
    let copy = copy_of("clap-tiny-unfused");
    let file = copy.path().join("tokenizer.json");
    let whole = std::fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&whole);
    let decoder = text.find("\"decoder\"").unwrap();
    let cuts = (0..whole.len()).step_by(211);
    for cut in cuts.chain(decoder..decoder + 40) {
        std::fs::write(&file, &whole[..cut]).unwrap();
        let text = refusal(copy.path());
        assert!(
            text.starts_with("DIR/tokenizer.json is not a usable tokenizer: "),
            "cut at {cut}: {text}"
        );
    }
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let copy = copy_of("clap-tiny-unfused");
    let builtin = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model/builtin/tokenizer.json");
    std::fs::copy(builtin, copy.path().join("tokenizer.json")).unwrap();
    assert_eq!(
        refusal(copy.path()),
        "DIR/tokenizer.json is not a usable tokenizer: it has 23322 tokens, expected at most 512, \
         the vocab_size of config.json; download it again"
    );
}

#[test]
fn configurations_that_cannot_be_computed_are_refused_by_key() {
    let cases: [(&str, serde_json::Value, &str); 8] = [
        (
            "/audio_config/hidden_act",
            "swish".into(),
            "swish, expected gelu or relu",
        ),
        (
            "/audio_config/spec_size",
            250.into(),
            "250, expected a multiple of 64, num_mel_bins",
        ),
        (
            "/audio_config/spec_size",
            (1u64 << 40).into(),
            "1099511627776, expected 64 to 1024",
        ),
        (
            "/audio_config/patch_stride",
            vec![2, 2].into(),
            "[2, 2], expected [4, 4], the patch_size",
        ),
        (
            "/audio_config/window_size",
            3.into(),
            "256, expected a multiple of 96",
        ),
        (
            "/audio_config/num_attention_heads",
            vec![2, 2].into(),
            "[2, 2], expected 4 numbers",
        ),
        (
            "/audio_config/hidden_size",
            65.into(),
            "65, expected 64, the width of the last stage",
        ),
        (
            "/text_config/num_attention_heads",
            5.into(),
            "32, expected a multiple of 5",
        ),
    ];
    for (key, value, complaint) in cases {
        let copy = copy_of("clap-tiny-unfused");
        edit_json(&copy.path().join("config.json"), |config| {
            *config.pointer_mut(key).unwrap() = value;
        });
        let text = refusal(copy.path());
        assert!(text.starts_with("DIR/config.json: "), "{text}");
        assert!(text.contains(complaint), "{text}");
    }
}

#[test]
fn features_that_do_not_fit_the_encoder_are_refused_by_key() {
    let cases: [(&str, serde_json::Value, &str); 6] = [
        (
            "feature_size",
            80.into(),
            "feature_size is 80, expected 64, the num_mel_bins",
        ),
        (
            "max_length_s",
            11.into(),
            "max_length_s is 1101 frames, expected at most 1024 frames",
        ),
        (
            "max_length_s",
            1e9.into(),
            "max_length_s is 1000000000, expected above 0",
        ),
        (
            "hop_length",
            0.into(),
            "hop_length is 0, expected 1 to 65536",
        ),
        (
            "truncation",
            "middle".into(),
            "truncation is middle, expected rand_trunc or fusion",
        ),
        (
            "truncation",
            "fusion".into(),
            "truncation is fusion, expected rand_trunc",
        ),
    ];
    for (key, value, complaint) in cases {
        let copy = copy_of("clap-tiny-unfused");
        edit_json(&copy.path().join("preprocessor_config.json"), |config| {
            config[key] = value
        });
        let text = refusal(copy.path());
        assert!(text.starts_with("DIR/preprocessor_config.json: "), "{text}");
        assert!(text.contains(complaint), "{text}");
    }
}

#[test]
fn a_collapsed_text_encoder_fails_the_self_test() {
    let copy = copy_of("clap-tiny-unfused");
    load(copy.path()).unwrap().self_test().unwrap();
    // A pooler that gives its bias whatever it is shown.
    edit_weights(copy.path(), |tensors| {
        let weight = tensors.get_mut("text_model.pooler.dense.weight").unwrap();
        *weight = weight.zeros_like().unwrap();
    });
    let error = load(copy.path()).unwrap().self_test().unwrap_err();
    assert_eq!(
        error
            .to_string()
            .replace(&copy.path().display().to_string(), "DIR"),
        "DIR: the text encoder is collapsed: unrelated texts have a mean cosine of 1.0000, \
         expected below 0.9; every search would answer the same, use another checkpoint (the \
         published larger_clap_music is known to be so)"
    );
}

#[test]
fn inputs_that_do_not_fit_the_model_are_refused() {
    let model = Golden::unfused().model();
    let text = |tokens: Vec<u32>| model.token_embeddings(&[tokens]).unwrap_err().to_string();
    assert_eq!(
        text(vec![]),
        "a text of 0 tokens, expected 1 to 128; cut it before embedding"
    );
    assert_eq!(
        text(vec![5; 129]),
        "a text of 129 tokens, expected 1 to 128; cut it before embedding"
    );
    assert_eq!(
        text(vec![0, 512, 2]),
        "token id 512, expected less than 512; the tokenizer belongs to another checkpoint than \
         the weights"
    );
    let fused = Golden::fused();
    let four = fused.features(&fused.model(), "long");
    assert_eq!(
        model.audio_embeddings(&[four]).unwrap_err().to_string(),
        "features have (1001, 64, 4) (frames, mel bands, channels), the model expects (1001, 64, \
         1); extract them with the model's own mel_config"
    );
    assert!(model.audio_embeddings(&[]).unwrap().is_empty());
    assert!(model.text_embeddings(&[]).unwrap().is_empty());
}
