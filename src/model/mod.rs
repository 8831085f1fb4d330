//! CLAP: the dual encoder of sounds and texts.
