//! Smaller numbers against 32-bit floats, and the fast encoders against candle's, with the built-in model
//! on the demo's sounds and descriptions.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use soundseek::agreement::{Probe, measure};
use soundseek::embed::Embedder;
use soundseek::model::{Backend, Checkpoint, ClapModel, Device, LoadOptions, Precision};

use crate::support::{Studio, command, soundseek, stderr, stdout};

fn model(backend: Backend, precision: Precision) -> ClapModel {
    let options = LoadOptions {
        backend,
        precision,
        ..LoadOptions::from(Device::Cpu)
    };
    ClapModel::load(&Checkpoint::BuiltIn, options).unwrap()
}

fn mean_cosine(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    let dot = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    a.iter().zip(b).map(dot).sum::<f32>() / a.len() as f32
}

#[test]
fn every_precision_agrees_with_the_reference_on_real_sounds_and_texts() {
    let reference = model(Backend::Reference, Precision::F32);
    let probe = Probe::of_demo(&reference, 12).unwrap();
    let texts: Vec<&str> = probe.texts.iter().map(String::as_str).collect();
    let sounds = reference.audio_embeddings(&probe.sounds).unwrap();
    let words = reference.text_embeddings(&texts).unwrap();
    // The promised bars; floats in another order differ in the last digits.
    let bars = [
        (Precision::F32, 0.999_99),
        (Precision::Bf16, 0.9995),
        (Precision::Int8, 0.998),
    ];
    for (precision, bar) in bars {
        let fast = model(Backend::Fast, precision);
        let of_sounds = mean_cosine(&sounds, &fast.audio_embeddings(&probe.sounds).unwrap());
        assert!(of_sounds >= bar, "{precision}, sounds: {of_sounds}");
        let of_texts = mean_cosine(&words, &fast.text_embeddings(&texts).unwrap());
        assert!(of_texts >= bar, "{precision}, texts: {of_texts}");
    }
}

#[test]
fn a_text_in_smaller_numbers_does_not_depend_on_the_others_of_its_batch() {
    let texts = [
        "a bell",
        "a very long and windy day at the sea with gulls",
        "x",
        "",
    ];
    for precision in [Precision::Bf16, Precision::Int8] {
        let model = model(Backend::Fast, precision);
        let together = model.text_embeddings(&texts).unwrap();
        for (text, row) in texts.iter().zip(&together) {
            let alone = model.text_embeddings(&[text]).unwrap();
            // Sums in the same order, but for the softmax of attention, whose rows may be cut
            // otherwise; a byte or a half may then round the other way.
            let cosine = mean_cosine(&alone, std::slice::from_ref(row));
            assert!(cosine > 0.9999, "{precision}, {text:?}: {cosine}");
        }
    }
}

#[test]
fn measuring_names_every_precision_of_the_processor_and_floats_agree_with_themselves() {
    let reference = model(Backend::Fast, Precision::F32);
    let probe = Probe::of_demo(&reference, 3).unwrap();
    let measured = measure(&Checkpoint::BuiltIn, &probe).unwrap();
    let names: Vec<Precision> = measured.iter().map(|row| row.precision).collect();
    let all = [Precision::F32, Precision::Bf16, Precision::Int8];
    let there = |precision: &Precision| precision.resolve(Device::Cpu).0 == *precision;
    assert_eq!(names, all.into_iter().filter(there).collect::<Vec<_>>());
    let floats = &measured[0];
    assert!(floats.agrees() && floats.top10_overlap == 1.0);
    assert!(
        measured
            .iter()
            .all(|row| row.clips_per_s > 0.0 && row.text_ms > 0.0)
    );
}

#[test]
fn what_is_computed_in_is_what_the_model_says_it_is() {
    let computed = |precision| model(Backend::Fast, precision).precision();
    assert_eq!(computed(Precision::Int8), Precision::Int8);
    assert_eq!(computed(Precision::F16), computed(Precision::Bf16));
    let options = LoadOptions {
        precision: Precision::F16,
        ..LoadOptions::from(Device::Cpu)
    };
    let embedder = Embedder::load(&Checkpoint::BuiltIn, options).unwrap();
    assert_eq!(embedder.model().precision(), computed(Precision::F16));
}

#[test]
fn model_bench_prints_a_row_for_each_precision_and_complains_of_what_is_no_sound() {
    let studio = Studio::new();
    for sound in ["kick-drum", "siren"] {
        studio.put(sound, &format!("{sound}.wav"));
    }
    let sounds = studio.sounds();
    let args = ["model", "bench", "--json", sounds.to_str().unwrap()];
    let done = soundseek(&studio.library_dir(), &args);
    assert!(done.status.success(), "{}", stderr(&done));
    let answer: serde_json::Value = serde_json::from_str(&stdout(&done)).unwrap();
    assert_eq!(answer["sounds"], 2);
    let rows = answer["precisions"].as_array().unwrap();
    let auto = answer["auto"].as_str().unwrap();
    let chosen = rows.iter().find(|row| row["precision"] == auto).unwrap();
    assert_eq!(chosen["agrees"], true);
    assert_eq!(rows[0]["precision"], "f32");
    assert_eq!(rows.last().unwrap()["precision"], "int8");
    std::fs::write(sounds.join("none.wav"), "no sound").unwrap();
    let done = soundseek(&studio.library_dir(), &args);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("none.wav"), "{}", stderr(&done));
}

#[test]
fn what_auto_has_chosen_is_said_once_and_where_a_person_waits() {
    let studio = Studio::new();
    studio.put("siren", "siren.wav");
    let cache = studio.folder.path().join("cache");
    let run = |args: &[&str]| {
        let mut command = command(&studio.library_dir());
        let command = command.args(args).env("XDG_CACHE_HOME", &cache);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        (stdout(&output), stderr(&output))
    };
    let embed = || run(&["embed", "--text", "a siren", "--precision", "auto"]).1;
    let said = embed();
    assert!(
        said.starts_with("soundseek: auto computes in ") && said.lines().count() == 1,
        "{said}"
    );
    assert_eq!(embed(), "", "it is remembered");
    let sounds = studio.sounds();
    let indexed = run(&["index", sounds.to_str().unwrap(), "--precision", "auto"]).1;
    assert!(indexed.contains(said.trim_end()), "{indexed}");
    let status = run(&["status"]).0;
    assert!(
        status.contains("speed    builtin: --precision auto computes in "),
        "{status}"
    );
    let answer: serde_json::Value = serde_json::from_str(&run(&["status", "--json"]).0).unwrap();
    let chosen = answer["models"][0]["auto"].as_str().unwrap();
    assert!(
        said.contains(&format!("auto computes in {chosen}")),
        "{said}"
    );
}
