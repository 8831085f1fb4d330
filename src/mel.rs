//! Log-mel spectrograms as the CLAP reference computes them.
