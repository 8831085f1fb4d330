//! Learning an adapter: the symmetric contrastive loss that the model itself was trained with, on the
//! library's own pairs, with the model held still.
//!
//! In every batch each sound is to be told from the other descriptions, and each description from the
//! other sounds (Radford et al. 2021, section 2.3; Wu et al. 2023, section 3.2), except that sounds of
//! one description are right answers to each other. The maps start as nothing: the up-projections are
//! zero.
//!
//! **What is held out** ([`Lesson`]). The pairs are parted by description, a fifth of the sounds to stop by and
//! another fifth to judge by. Takes, velocities and copies of a sound share their description, numbers
//! aside, so near-copies never lie on both sides, and no description that is asked for has been seen:
//! a gain is not learned by heart. Parting by folder instead would let every "snare" of one kit be
//! practised on those of the others, and libraries in one folder could not be parted at all. The
//! learning stops when the loss on the first fifth gets no less, which is steadier than recall; what comes of it is then asked of the second,
//! which decided nothing, and is kept only when its gain there is larger than chance makes plausible.
//!
//! **Settings**, measured with the built-in model on 1,789 sounds of Debian packages with captions from
//! their names, as the gain of the mean of recall@1, 5 and 10 over several partings (each differs from
//! the next by .01 to .02): stopping by loss .054, by recall .048; other phrasings in four of ten cases
//! .054, always the bare name .054, any phrasing as often .042; rank 32 .054, rank 128 .057, of which the
//! smaller makes the smaller file; half the model's own scale .008. On the fifth that is stopped by, the
//! form that normalises both sides gained .083 against .073 with rank 32 and batches of 256, .072 against
//! .075 in batches of 64, .073 against .073 in batches of 1,024: no difference that could be seen.
//!
//! It stands apart from the adapter because only here are tensors and gradients.

use anyhow::Result;
use candle_core::{D, Device, Tensor, Var};
use candle_nn::ops::log_softmax;
use candle_nn::optim::{AdamW, Optimizer, ParamsAdamW};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::Adapter;
use super::lesson::Lesson;

/// The rank of both maps.
const RANK: usize = 32;

/// How many pairs make a batch.
const BATCH: usize = 256;

/// How many sounds, or texts, that are held out are compared at once, which bounds the memory.
const HELD_OUT_BATCH: usize = 1024;

/// How often all pairs are gone through at most.
const MOST_EPOCHS: usize = 60;

/// The learning ends when so many epochs in a row were no better than the best.
const PATIENCE: usize = 8;

/// The rate of AdamW; its other settings are the usual ones.
const RATE: f64 = 5e-4;

/// How often a description is put as it stands while learning, and not in one of its other phrasings.
const AS_IT_STANDS: f64 = 0.6;

/// A gain is kept when it is this many times its standard error: what chance alone exceeds in one case
/// of twenty.
const LEAST_STANDING: f64 = 1.64;

/// How the learning is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainOptions {
    /// Decides the parts, the order and the start; the same one gives the same adapter.
    pub seed: u64,
}

/// In which share of cases a sound of the description asked for is among the first few of those held
/// out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recalls {
    /// The first.
    pub at_1: f64,
    /// The first five.
    pub at_5: f64,
    /// The first ten.
    pub at_10: f64,
}

/// An adapter, and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// The adapter.
    pub adapter: Adapter,
    /// Without it.
    pub before: Recalls,
    /// With it.
    pub after: Recalls,
    /// The sounds that were learned from, stopped by, and judged by.
    pub sounds: [usize; 3],
    /// The different descriptions that were judged by.
    pub asked: usize,
    /// How often all pairs were gone through until it was best.
    pub epochs: usize,
    /// True when it finds more, by more than chance makes plausible.
    pub improves: bool,
}

/// Learns an adapter, and judges it. After each epoch `go_on` is told its number and the loss by which
/// the learning stops; false ends it.
///
/// # Errors
///
/// [`super::TrainError::TooFew`], or when the arithmetic fails.
pub fn learn(
    lesson: &Lesson,
    options: TrainOptions,
    go_on: &dyn Fn(usize, f64) -> bool,
) -> Result<Learned> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let [learning, stopping, judging] = lesson.parts(&mut rng)?;
    let data = Data::new(lesson)?;
    let maps = Maps::new(data.dimension, &mut rng)?;
    let settings = ParamsAdamW {
        lr: RATE,
        ..ParamsAdamW::default()
    };
    let mut optimiser = AdamW::new(maps.0.to_vec(), settings)?;
    let judge = data.question(lesson, &judging)?;
    let nothing = maps.matrices()?;
    let before = judge.ask(&maps)?;
    let mut best = (data.held_out_loss(lesson, &stopping, &maps)?, 0, nothing);
    let mut order = learning.clone();
    for epoch in 1..=MOST_EPOCHS {
        order.shuffle(&mut rng);
        for batch in order.chunks(BATCH) {
            let texts = data.phrasings(lesson, batch, &mut rng);
            let loss = data.loss(lesson, batch, texts, &maps)?;
            optimiser.backward_step(&loss)?;
        }
        let found = data.held_out_loss(lesson, &stopping, &maps)?;
        if found < best.0 {
            best = (found, epoch, maps.matrices()?);
        }
        if !go_on(epoch, found) || epoch - best.1 >= PATIENCE {
            break;
        }
    }
    let (_, epochs, matrices) = best;
    maps.set(&matrices, data.dimension)?;
    let after = judge.ask(&maps)?;
    Ok(Learned {
        adapter: Adapter::new(lesson.base.clone(), data.dimension, RANK, matrices),
        improves: epochs > 0 && is_more(&before, &after),
        before: recalls(&before),
        after: recalls(&after),
        sounds: [learning.len(), stopping.len(), judging.len()],
        asked: before.len(),
        epochs,
    })
}

/// The vectors as tensors.
struct Data {
    dimension: usize,
    /// (sounds, dimension)
    sounds: Tensor,
    /// (phrasings of all descriptions, dimension)
    texts: Tensor,
    /// The row of each description's first phrasing, and one past the last row of all.
    rows: Vec<u32>,
}

impl Data {
    fn new(lesson: &Lesson) -> Result<Data> {
        let dimension = lesson
            .sounds
            .first()
            .map_or(0, |(sound, _)| sound.dimension());
        let mut rows = vec![0];
        let mut texts = Vec::new();
        for phrasings in &lesson.texts {
            for vector in phrasings {
                texts.extend_from_slice(vector.as_slice());
            }
            rows.push((texts.len() / dimension) as u32);
        }
        let sounds: Vec<f32> = lesson
            .sounds
            .iter()
            .flat_map(|(vector, _)| vector.as_slice())
            .copied()
            .collect();
        Ok(Data {
            dimension,
            sounds: Tensor::from_vec(sounds, (lesson.sounds.len(), dimension), &Device::Cpu)?,
            texts: Tensor::from_vec(
                texts,
                (rows[rows.len() - 1] as usize, dimension),
                &Device::Cpu,
            )?,
            rows,
        })
    }

    /// For each sound one of the phrasings of its description, mostly the first.
    fn phrasings(&self, lesson: &Lesson, batch: &[usize], rng: &mut StdRng) -> Vec<u32> {
        let mut phrasing = |sound: &usize| {
            let text = lesson.sounds[*sound].1;
            let (first, end) = (self.rows[text], self.rows[text + 1]);
            match end - first > 1 && !rng.random_bool(AS_IT_STANDS) {
                true => rng.random_range(first + 1..end),
                false => first,
            }
        };
        batch.iter().map(&mut phrasing).collect()
    }

    /// The loss on sounds that are not learned from, asked for as people do.
    fn held_out_loss(&self, lesson: &Lesson, sounds: &[usize], maps: &Maps) -> Result<f64> {
        let mut sum = 0.0;
        for batch in sounds.chunks(HELD_OUT_BATCH) {
            let first = |sound: &usize| self.rows[lesson.sounds[*sound].1];
            let texts = batch.iter().map(first).collect();
            let loss = self.loss(lesson, batch, texts, maps)?;
            sum += f64::from(loss.to_scalar::<f32>()?) * batch.len() as f64;
        }
        Ok(sum / sounds.len() as f64)
    }

    /// The symmetric contrastive loss of sounds with the rows of their texts.
    fn loss(
        &self,
        lesson: &Lesson,
        batch: &[usize],
        texts: Vec<u32>,
        maps: &Maps,
    ) -> Result<Tensor> {
        let description = |sound: &usize| lesson.sounds[*sound].1;
        let described: Vec<usize> = batch.iter().map(description).collect();
        let sounds: Vec<u32> = batch.iter().map(|&sound| sound as u32).collect();
        let (sounds, texts) = (select(&self.sounds, sounds)?, select(&self.texts, texts)?);
        // Row by row the right answers, which share what is right.
        let mut right = Vec::with_capacity(batch.len() * batch.len());
        for one in &described {
            let same = described.iter().filter(|other| *other == one).count() as f32;
            let share = |other| if other == one { 1.0 / same } else { 0.0 };
            right.extend(described.iter().map(share));
        }
        let right = Tensor::from_vec(right, (batch.len(), batch.len()), &Device::Cpu)?;
        let cosines = maps.sounds(&sounds)?.matmul(&maps.texts(&texts)?.t()?)?;
        let [for_sounds, for_texts] = lesson.scales;
        let by_sound = log_softmax(&(&cosines * for_sounds)?, D::Minus1)?;
        let by_text = log_softmax(&(cosines.t()? * for_texts)?, D::Minus1)?;
        let likely = ((right.mul(&by_sound)? + right.mul(&by_text)?)?.sum_all()? / 2.0)?;
        Ok((likely / -(batch.len() as f64))?)
    }

    /// A part of the sounds, asked for by each of its descriptions.
    fn question(&self, lesson: &Lesson, part: &[usize]) -> Result<Question> {
        let mut asked: Vec<usize> = part.iter().map(|&sound| lesson.sounds[sound].1).collect();
        let described = asked.clone();
        asked.sort_unstable();
        asked.dedup();
        let texts = asked.iter().map(|&text| self.rows[text]).collect();
        let sounds = part.iter().map(|&sound| sound as u32).collect();
        Ok(Question {
            texts: select(&self.texts, texts)?,
            sounds: select(&self.sounds, sounds)?,
            asked,
            described,
        })
    }
}

fn select(rows: &Tensor, numbers: Vec<u32>) -> Result<Tensor> {
    let count = numbers.len();
    let numbers = Tensor::from_vec(numbers, count, &Device::Cpu)?;
    Ok(rows.index_select(&numbers, 0)?)
}

/// D, U, E, V while they are learned.
struct Maps([Var; 4]);

impl Maps {
    /// Down-projections of normal numbers with the variance 1 / dimension, and up-projections of zeros,
    /// so that nothing is changed yet.
    fn new(dimension: usize, rng: &mut StdRng) -> Result<Maps> {
        let deviation = (dimension as f32).powf(-0.5);
        let mut down = || {
            let numbers: Vec<f32> = (0..dimension * RANK)
                .map(|_| {
                    // Twelve uniform numbers have the variance 1, and their sum is nearly normal.
                    let sum: f32 = (0..12).map(|_| rng.random_range(-0.5..0.5f32)).sum();
                    sum * deviation
                })
                .collect();
            Var::from_vec(numbers, (dimension, RANK), &Device::Cpu)
        };
        let up = || Var::zeros((RANK, dimension), candle_core::DType::F32, &Device::Cpu);
        Ok(Maps([down()?, up()?, down()?, up()?]))
    }

    /// Of (n, dimension) to the same: x + xDU.
    fn sounds(&self, sounds: &Tensor) -> Result<Tensor> {
        let [down, up, ..] = &self.0;
        Ok((sounds + sounds.matmul(down)?.matmul(up)?)?)
    }

    /// Of (n, dimension) to the same: q + qEV, normalised.
    fn texts(&self, texts: &Tensor) -> Result<Tensor> {
        let [.., down, up] = &self.0;
        let mapped = (texts + texts.matmul(down)?.matmul(up)?)?;
        let length = mapped.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        Ok(mapped.broadcast_div(&length)?)
    }

    fn matrices(&self) -> Result<[Vec<f32>; 4]> {
        let mut matrices = [const { Vec::new() }; 4];
        for (matrix, var) in matrices.iter_mut().zip(&self.0) {
            *matrix = var.flatten_all()?.to_vec1()?;
        }
        Ok(matrices)
    }

    fn set(&self, matrices: &[Vec<f32>; 4], dimension: usize) -> Result<()> {
        for (place, (var, matrix)) in self.0.iter().zip(matrices).enumerate() {
            let shape = if place % 2 == 0 {
                (dimension, RANK)
            } else {
                (RANK, dimension)
            };
            var.set(&Tensor::from_slice(matrix, shape, &Device::Cpu)?)?;
        }
        Ok(())
    }
}

struct Question {
    texts: Tensor,
    sounds: Tensor,
    /// The description of each text.
    asked: Vec<usize>,
    /// The description of each sound.
    described: Vec<usize>,
}

impl Question {
    /// For each text the rank of the first right sound, from 1.
    fn ask(&self, maps: &Maps) -> Result<Vec<usize>> {
        let (sounds, texts) = (maps.sounds(&self.sounds)?, maps.texts(&self.texts)?);
        let mut ranks = Vec::with_capacity(self.asked.len());
        for (batch, asked) in self.asked.chunks(HELD_OUT_BATCH).enumerate() {
            let texts = texts.narrow(0, batch * HELD_OUT_BATCH, asked.len())?;
            let scores: Vec<Vec<f32>> = texts.matmul(&sounds.t()?)?.to_vec2()?;
            ranks.extend(scores.iter().zip(asked).map(|(scores, asked)| {
                let right = scores.iter().zip(&self.described);
                let right = right.filter(|(_, described)| *described == asked);
                let best = right.map(|(score, _)| *score).fold(f32::MIN, f32::max);
                1 + scores.iter().filter(|score| **score > best).count()
            }));
        }
        Ok(ranks)
    }
}

fn share_within(ranks: &[usize], k: usize) -> f64 {
    let within = ranks.iter().filter(|rank| **rank <= k).count();
    within as f64 / ranks.len().max(1) as f64
}

fn recalls(ranks: &[usize]) -> Recalls {
    Recalls {
        at_1: share_within(ranks, 1),
        at_5: share_within(ranks, 5),
        at_10: share_within(ranks, 10),
    }
}

/// True when the mean of the recalls has grown by so much that chance alone hardly does it, taken over
/// the differences of the texts.
fn is_more(before: &[usize], after: &[usize]) -> bool {
    let hits = |rank: usize| [1, 5, 10].iter().filter(|k| rank <= **k).count() as f64 / 3.0;
    let gains: Vec<f64> = before
        .iter()
        .zip(after)
        .map(|(before, after)| hits(*after) - hits(*before))
        .collect();
    let n = gains.len().max(2) as f64;
    let mean = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|gain| (gain - mean).powi(2)).sum::<f64>() / (n - 1.0);
    mean > 0.0 && mean >= LEAST_STANDING * (variance / n).sqrt()
}
