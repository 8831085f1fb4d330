//! Audio files to segments of mono samples at the model's rate.
