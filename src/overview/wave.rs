//! The waveform, gathered as it streams by, without knowing how long it will be.
//!
//! Columns begin as single frames; whenever there would be too many, neighbours are joined in pairs.
//! So a long sound ends with 1,024 to 2,048 columns, and work and memory do not grow with it.

/// The most columns of an overview: more than any terminal has, with room to look closer.
pub const MAX_COLUMNS: usize = 2_048;

/// A short stretch of sound. Full scale is 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// The lowest sample.
    pub min: f32,
    /// The highest sample.
    pub max: f32,
    /// The root of the mean square.
    pub rms: f32,
    /// Whether any channel goes beyond full scale, or reaches it, counting the peaks between samples.
    pub clipped: bool,
}

impl Column {
    /// One column in place of equally long ones; `None` for none.
    pub fn of_all(columns: &[Column]) -> Option<Column> {
        let (first, rest) = columns.split_first()?;
        let mut all = *first;
        let mut square = first.rms * first.rms;
        for column in rest {
            all.min = all.min.min(column.min);
            all.max = all.max.max(column.max);
            all.clipped |= column.clipped;
            square += column.rms * column.rms;
        }
        all.rms = (square / columns.len() as f32).sqrt();
        Some(all)
    }
}

/// Gathers columns of 2^n frames each.
pub(super) struct WaveBuilder {
    columns: Vec<Sum>,
    frames_a_column: u64,
    /// The column that is being filled, of so many frames.
    current: Sum,
    filled: u64,
}

/// A column before its mean is taken.
#[derive(Clone, Copy)]
struct Sum {
    min: f32,
    max: f32,
    squares: f64,
    clipped: bool,
}

const NOTHING: Sum = Sum {
    min: f32::INFINITY,
    max: f32::NEG_INFINITY,
    squares: 0.0,
    clipped: false,
};

impl Sum {
    fn and(self, other: Sum) -> Sum {
        Sum {
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            squares: self.squares + other.squares,
            clipped: self.clipped || other.clipped,
        }
    }

    fn column(self, frames: u64) -> Column {
        Column {
            min: self.min,
            max: self.max,
            rms: (self.squares / frames as f64).sqrt() as f32,
            clipped: self.clipped,
        }
    }
}

impl Default for WaveBuilder {
    fn default() -> WaveBuilder {
        WaveBuilder {
            columns: Vec::with_capacity(MAX_COLUMNS),
            frames_a_column: 1,
            current: NOTHING,
            filled: 0,
        }
    }
}

impl WaveBuilder {
    pub(super) fn push(&mut self, sample: f32, clipped: bool) {
        self.current = self.current.and(Sum {
            min: sample,
            max: sample,
            squares: f64::from(sample) * f64::from(sample),
            clipped,
        });
        self.filled += 1;
        if self.filled < self.frames_a_column {
            return;
        }
        if self.columns.len() == MAX_COLUMNS {
            for at in 0..MAX_COLUMNS / 2 {
                self.columns[at] = self.columns[2 * at].and(self.columns[2 * at + 1]);
            }
            self.columns.truncate(MAX_COLUMNS / 2);
            self.frames_a_column *= 2;
            // What was a whole column is the first half of one now.
            return;
        }
        self.columns.push(self.current);
        (self.current, self.filled) = (NOTHING, 0);
    }

    /// The columns, and the frames of each but the last.
    pub(super) fn finish(self) -> (Vec<Column>, u64) {
        let frames = self.frames_a_column;
        let mut columns: Vec<Column> = self.columns.iter().map(|sum| sum.column(frames)).collect();
        if self.filled > 0 {
            if columns.len() == MAX_COLUMNS {
                // One more than there may be: the rest joins the last one, a fraction longer.
                let last = self.columns[MAX_COLUMNS - 1].and(self.current);
                columns[MAX_COLUMNS - 1] = last.column(frames + self.filled);
            } else {
                columns.push(self.current.column(self.filled));
            }
        }
        (columns, frames)
    }
}
