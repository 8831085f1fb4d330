//! Texts to token ids, by the checkpoint's own tokenizer.
//!
//! Apart from the text encoder because token ids can be compared exactly. Published checkpoints
//! have a whole `tokenizer.json`, or only RoBERTa's `vocab.json` and `merges.txt`; both forms give
//! one and the same [`TextTokenizer`].

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::processors::roberta::RobertaProcessing;
use tokenizers::{AddedToken, Tokenizer, TruncationParams};

use super::checkpoint::{Checkpoint, MERGES, TOKENIZER, VOCAB};
use super::{LoadError, ModelError, TextConfig};

/// LAION trained every published CLAP on texts of at most 77 tokens and cut longer ones
/// (`tokenizer(.., max_length=77)` in `laion_clap/hook.py`).
const LAION_MAX_TOKENS: usize = 77;

/// Cuts texts into tokens.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    vocab_size: usize,
    max_tokens: usize,
}

impl TextTokenizer {
    /// Opens `tokenizer.json`, or builds a byte-level BPE of `vocab.json` and `merges.txt`.
    ///
    /// A text keeps at most 77 tokens, fewer where the tokenizer's own truncation or the text
    /// encoder's positions say so; the end token always stays.
    ///
    /// # Errors
    /// [`LoadError`] if the files are absent, unusable, or for a larger vocabulary than the
    /// encoder's.
    pub fn load(checkpoint: &Checkpoint, config: &TextConfig) -> Result<TextTokenizer, LoadError> {
        let (name, mut tokenizer) = match checkpoint.read(TOKENIZER)? {
            Some(bytes) => {
                let tokenizer = guarded(|| Tokenizer::from_bytes(&bytes))
                    .map_err(|problem| refuse(checkpoint, TOKENIZER, problem))?;
                (TOKENIZER, tokenizer)
            }
            None => (VOCAB, byte_level_bpe(checkpoint)?),
        };
        let tokens = tokenizer.get_vocab_size(true);
        if tokens > config.vocab_size {
            let problem = format!(
                "it has {tokens} tokens, expected at most {}, the vocab_size of config.json",
                config.vocab_size
            );
            return Err(refuse(checkpoint, name, problem));
        }
        let mut max_tokens = config.max_tokens().min(LAION_MAX_TOKENS);
        if let Some(own) = tokenizer.get_truncation() {
            max_tokens = max_tokens.min(own.max_length);
        }
        let added =
            guarded(|| tokenizer.encode_fast("", true)).map_or(0, |encoding| encoding.len());
        if max_tokens <= added {
            let problem = format!("it keeps {max_tokens} tokens, expected more than {added}");
            return Err(refuse(checkpoint, name, problem));
        }
        // Batches are padded by the text encoder, with the id that its configuration names.
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: max_tokens,
                ..TruncationParams::default()
            }))
            .map_err(|error| refuse(checkpoint, name, error.to_string()))?;
        Ok(TextTokenizer {
            tokenizer,
            vocab_size: config.vocab_size,
            max_tokens,
        })
    }

    /// The most tokens that a text keeps, start and end included.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The ids of a text with the start and end tokens, at most [`Self::max_tokens`].
    ///
    /// # Errors
    /// [`ModelError::Tokenize`] if the tokenizer refuses the text, [`ModelError::TokenId`] if it
    /// gives an id that the text encoder does not know.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = guarded(|| self.tokenizer.encode_fast(text, true)).map_err(|problem| {
            ModelError::Tokenize {
                text: text.to_owned(),
                problem,
            }
        })?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|&&id| id as usize >= self.vocab_size) {
            Some(&id) => Err(ModelError::TokenId {
                id,
                vocab_size: self.vocab_size,
            }),
            None => Ok(ids),
        }
    }
}

/// Runs the tokenizers crate, which panics on some files that end too early, as where a decoder is cut
/// in two.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("it is cut short or broken".to_owned()),
    }
}

fn refuse(checkpoint: &Checkpoint, name: &str, problem: String) -> LoadError {
    LoadError::Tokenizer {
        file: checkpoint.path_of(name),
        problem,
    }
}

/// RoBERTa's tokenizer as transformers converts it (`RobertaConverter` in
/// `convert_slow_tokenizer.py`): no prefix space, no lower-casing, `<mask>` eats the space before.
fn byte_level_bpe(checkpoint: &Checkpoint) -> Result<Tokenizer, LoadError> {
    let (Some(vocab), Some(merges)) = (checkpoint.read(VOCAB)?, checkpoint.read(MERGES)?) else {
        return Err(LoadError::MissingFile {
            folder: checkpoint.location(),
            wanted: "tokenizer.json, nor vocab.json with merges.txt",
        });
    };
    let vocab: HashMap<String, u32> = serde_json::from_slice(&vocab)
        .map_err(|error| refuse(checkpoint, VOCAB, error.to_string()))?;
    let merges = std::str::from_utf8(&merges)
        .map_err(|error| refuse(checkpoint, MERGES, error.to_string()))?;
    let merges = merges
        .lines()
        .filter(|line| !line.starts_with("#version") && !line.is_empty())
        .map(|line| {
            line.split_once(' ')
                .map(|(left, right)| (left.to_owned(), right.to_owned()))
                .ok_or_else(|| refuse(checkpoint, MERGES, format!("the line {line:?} is no pair")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let id = |token: &str| {
        let missing = || refuse(checkpoint, VOCAB, format!("it has no token {token}"));
        vocab.get(token).copied().ok_or_else(missing)
    };
    let (start, end) = (
        ("<s>".to_owned(), id("<s>")?),
        ("</s>".to_owned(), id("</s>")?),
    );
    let special = ["<s>", "<pad>", "</s>", "<unk>"].map(|token| AddedToken::from(token, true));
    for token in ["<pad>", "<unk>", "<mask>"] {
        id(token)?;
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocab.into_iter().collect::<Vocab>(), merges)
        .build()
        .map_err(|error| refuse(checkpoint, MERGES, error.to_string()))?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer
        .with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)))
        .with_post_processor(Some(
            RobertaProcessing::new(end, start).add_prefix_space(false),
        ));
    let mask = AddedToken::from("<mask>", true).lstrip(true);
    tokenizer
        .add_special_tokens(special.into_iter().chain([mask]))
        .map_err(|error| refuse(checkpoint, VOCAB, error.to_string()))?;
    Ok(tokenizer)
}
