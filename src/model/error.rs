//! What can go wrong with a checkpoint and with an embedding.
//!
//! Checkpoints come from other people and over bad lines, so every text names the file, what was
//! expected, what was found, and what to do about it. What the system said is the `source`, and
//! not in the text as well.

use std::path::PathBuf;

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The checkpoint's folder is not there.
    #[error("{} is not a folder; give the folder that holds a CLAP checkpoint's config.json", path.display())]
    NoSuchFolder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A file that every checkpoint needs is not there.
    #[error(
        "{folder} has no {wanted}; a CLAP checkpoint in the Hugging Face format has one, download the whole folder"
    )]
    MissingFile {
        /// The checkpoint's folder.
        folder: String,
        /// The file's name, or the alternatives.
        wanted: &'static str,
    },
    /// The operating system refused.
    #[error("cannot read {file}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A copy of the weights that could not be written.
    #[error("cannot write {file}; make room, or let XDG_CACHE_HOME name a folder on another drive")]
    Unwritable {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file of text that is far larger than any real one.
    #[error(
        "{file} is {found} bytes long, expected at most {limit}; it is no file of a CLAP checkpoint"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// The largest accepted size, in bytes.
        limit: u64,
        /// Its size, in bytes.
        found: u64,
    },
    /// A JSON file that does not parse, or whose values have another type.
    #[error("{file} is not a usable configuration: {problem}; download it again")]
    Json {
        /// The file.
        file: String,
        /// Line, column and reason.
        problem: serde_json::Error,
    },
    /// A configuration that this program cannot compute.
    #[error(
        "{file}: {key} is {found}, expected {expected}; soundseek runs the CLAP models of Hugging Face transformers"
    )]
    Config {
        /// The file.
        file: String,
        /// The key, with the section it is in.
        key: String,
        /// What would be accepted.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A weight file that is cut short, or not of the format that its name says.
    #[error("{file}: expected {expected}, found {found}; download it again")]
    Weights {
        /// The file.
        file: String,
        /// The format or length expected.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A tensor that the architecture in `config.json` needs is not in the weight file.
    #[error(
        "{file} has no tensor {tensor}, expected shape {expected:?}; config.json describes another model, or the file is not the whole checkpoint"
    )]
    MissingTensor {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that `config.json` implies.
        expected: Vec<usize>,
    },
    /// A tensor of another shape than `config.json` implies.
    #[error(
        "{file}: tensor {tensor} has shape {found:?}, expected {expected:?}; config.json and the weights are of different models"
    )]
    TensorShape {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The shape that `config.json` implies.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor of a number format that is not read.
    #[error(
        "{file}: tensor {tensor} is stored as {found}, expected F16, BF16, F32 or F64; use an unquantised checkpoint"
    )]
    TensorDtype {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// The format in the file.
        found: String,
    },
    /// A weight that is not a number.
    #[error(
        "{file}: tensor {tensor} holds {found} at element {index}, expected finite numbers; the file is damaged, download it again"
    )]
    NotFinite {
        /// The weight file.
        file: String,
        /// The tensor's name.
        tensor: String,
        /// Position of the first bad value, in row-major order.
        index: usize,
        /// The bad value: NaN or an infinity.
        found: f32,
    },
    /// A tokenizer that cannot be used.
    #[error("{file} is not a usable tokenizer: {problem}; download it again")]
    Tokenizer {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A device that this build or this machine does not have.
    #[error("device {device} cannot be used: {problem}")]
    Device {
        /// The device asked for.
        device: String,
        /// Why, and what to do.
        problem: String,
    },
    /// The tensor library failed while the network was put together.
    #[error("{file}: the network cannot be built")]
    Network {
        /// The weight file.
        file: String,
        /// The tensor library's reason.
        source: candle_core::Error,
    },
}

/// An embedding that cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A tower's weights, read at its first use, are bad.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Features made with another configuration than the model's.
    #[error(
        "features have {found} (frames, mel bands, channels), the model expects {expected}; extract them with the model's own mel_config"
    )]
    Features {
        /// Frames, mel bands and channels that the model takes.
        expected: String,
        /// Those given.
        found: String,
    },
    /// More tokens than the text encoder has positions, or none.
    #[error("a text of {found} tokens, expected 1 to {limit}; cut it before embedding")]
    TokenCount {
        /// The most tokens that fit.
        limit: usize,
        /// The number given.
        found: usize,
    },
    /// A token id that the text encoder has no embedding for.
    #[error(
        "token id {id}, expected less than {vocab_size}; the tokenizer belongs to another checkpoint than the weights"
    )]
    TokenId {
        /// The id.
        id: u32,
        /// Number of token embeddings.
        vocab_size: usize,
    },
    /// The tokenizer refused a text.
    #[error("the text {text:?} cannot be cut into tokens: {problem}")]
    Tokenize {
        /// The text.
        text: String,
        /// The tokenizer's reason.
        problem: String,
    },
    /// An embedding that is not a number, or zero, so that it has no direction.
    #[error(
        "{model}: the embedding of {input} is not finite or zero; the weights are damaged or not a trained model"
    )]
    NoDirection {
        /// The checkpoint.
        model: String,
        /// Which text or clip of the batch.
        input: String,
    },
    /// A text encoder that gives unrelated texts the same embedding.
    #[error(
        "{model}: the text encoder is collapsed: unrelated texts have a mean cosine of {found:.4}, expected below {limit}; every search would answer the same, use another checkpoint (the published larger_clap_music is known to be so)"
    )]
    Collapsed {
        /// The checkpoint.
        model: String,
        /// Mean cosine similarity over pairs of unrelated texts.
        found: f32,
        /// The largest accepted mean.
        limit: f32,
    },
    /// The tensor library failed.
    #[error("the network cannot be computed")]
    Compute(#[from] candle_core::Error),
}

impl ModelError {
    /// True when the device had no room for the batch: a smaller one may fit.
    pub fn is_out_of_memory(&self) -> bool {
        let ModelError::Compute(error) = self else {
            return false;
        };
        // Candle carries what CUDA, cuBLAS and Metal say as text.
        let text = error.to_string().to_lowercase();
        let signs = [
            "out of memory",
            "out_of_memory",
            "alloc_failed",
            "insufficient memory",
        ];
        signs.iter().any(|sign| text.contains(sign))
    }
}
