//! Every instruction set that this processor has, against sums in double precision and against the
//! portable loops.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::Precision;
use super::affine::{Affine, Norm};
use super::kernels::{Activation, Function, Kernels, Narrowed, bfloat16};
use super::linear::Linear;
use super::matrix::Matrix;

/// Rows, inputs and outputs: whole tiles and vectors, and what is left over of each.
const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 96, 48),
    (3, 7, 5),
    (8, 16, 96),
    (9, 33, 17),
    (12, 24, 64),
    (13, 50, 100),
    (64, 96, 288),
    (70, 130, 129),
];

fn random(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn matrix(rows: usize, width: usize, mut number: impl FnMut() -> f32) -> Matrix {
    let mut x = Matrix::default();
    x.shape(rows, width);
    // What lies between the rows must not matter.
    x.numbers_mut().fill(1e20);
    for row in 0..rows {
        x.row_mut(row).fill_with(&mut number);
    }
    x
}

fn numbers(x: &Matrix) -> Vec<f32> {
    (0..x.rows()).flat_map(|row| x.row(row).to_vec()).collect()
}

/// A random layer and rows for it.
fn example(seed: u64, (rows, inputs, outputs): (usize, usize, usize)) -> (Matrix, Affine) {
    let mut random = random(seed);
    let mut number = || random.random_range(-1.0f32..1.0);
    let x = matrix(rows, inputs, &mut number);
    let weight = (0..inputs * outputs).map(|_| number()).collect();
    let bias = (0..outputs).map(|_| number()).collect();
    (x, Affine { weight, bias })
}

/// `x Wᵀ + b` in double precision, `number` applied to each factor first, and for each result the
/// sum of the magnitudes that went into it, which bounds its rounding.
fn exact(x: &Matrix, affine: &Affine, number: impl Fn(f32) -> f32) -> Vec<(f64, f64)> {
    let inputs = x.width();
    let mut results = Vec::new();
    for row in 0..x.rows() {
        for (weights, bias) in affine.weight.chunks(inputs).zip(&affine.bias) {
            let products = x.row(row).iter().zip(weights);
            let products = products.map(|(&x, &w)| f64::from(number(x)) * f64::from(number(w)));
            let products: Vec<f64> = products.chain([f64::from(*bias)]).collect();
            let size = products.iter().map(|p| p.abs()).sum();
            results.push((products.iter().sum(), size));
        }
    }
    results
}

fn copy(affine: &Affine) -> Affine {
    Affine {
        weight: affine.weight.clone(),
        bias: affine.bias.clone(),
    }
}

fn apply(
    kernels: &Kernels,
    x: &Matrix,
    affine: &Affine,
    precision: Precision,
    activation: Activation,
) -> Vec<f32> {
    let layer = Linear::pack(kernels, affine, precision, activation);
    let mut to = Matrix::default();
    layer.apply(kernels, x, &mut Narrowed::default(), &mut to);
    numbers(&to)
}

/// erf by its series, whose terms all have one sign in this form: erf(x) = 2/√π e^(-x²)
/// Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 · … · (2n + 1)).
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..400 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

fn gelu(x: f64) -> f64 {
    // The series is of no use far out, where erf is ±1 to more digits than are compared.
    let erf = if x.abs() > 9.0 {
        x.signum()
    } else {
        erf(x / std::f64::consts::SQRT_2)
    };
    0.5 * x * (1.0 + erf)
}

#[test]
fn products_of_floats_equal_sums_in_double_precision() {
    for kernels in Kernels::available() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, affine) = example(seed as u64, shape);
            let found = apply(kernels, &x, &affine, Precision::F32, Activation::None);
            for (found, (exact, size)) in found.iter().zip(exact(&x, &affine, |x| x)) {
                // A sum of n terms is off by less than n roundings of its size; far fewer in fact.
                let tolerance = 8.0 * f64::from(f32::EPSILON) * size;
                let off = (f64::from(*found) - exact).abs();
                assert!(off <= tolerance, "{}, {shape:?}: {off}", kernels.name);
            }
        }
    }
}

#[test]
fn activations_finish_a_product_and_residuals_are_added_where_they_belong() {
    for kernels in Kernels::available() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, affine) = example(seed as u64, shape);
            let plain = apply(kernels, &x, &affine, Precision::F32, Activation::None);
            let relu = apply(kernels, &x, &affine, Precision::F32, Activation::Relu);
            let expected: Vec<f32> = plain.iter().map(|x| x.max(0.0)).collect();
            assert_eq!(relu, expected, "{}, {shape:?}", kernels.name);
            let smooth = apply(kernels, &x, &affine, Precision::F32, Activation::Gelu);
            for (found, x) in smooth.iter().zip(&plain) {
                let off = (f64::from(*found) - gelu(f64::from(*x))).abs();
                assert!(off <= 3e-7 * f64::from(x.abs().max(1.0)), "{x}: {off}");
            }
            // Rows in reverse order, each result on top of a row's number.
            let (rows, _, outputs) = shape;
            let mut to = Matrix::default();
            to.shape(rows, outputs);
            for row in 0..rows {
                to.row_mut(row).fill(row as f32);
            }
            let at: Vec<usize> = (0..rows).rev().map(|row| row * to.stride()).collect();
            let layer = Linear::pack(kernels, &affine, Precision::F32, Activation::None);
            layer.add(kernels, &x, &mut Narrowed::default(), &mut to, &at);
            for row in 0..rows {
                let expected = plain[(rows - 1 - row) * outputs..][..outputs].iter();
                let expected: Vec<f32> = expected.map(|x| x + row as f32).collect();
                assert_eq!(to.row(row), expected, "{}, {shape:?}", kernels.name);
            }
        }
    }
}

#[test]
fn products_of_halves_equal_exact_sums_of_the_rounded_numbers() {
    let rounded = |x| f32::from_bits(u32::from(bfloat16(x)) << 16);
    for kernels in Kernels::available().iter().filter(|k| k.halves.is_some()) {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, affine) = example(seed as u64, shape);
            let found = apply(kernels, &x, &affine, Precision::Bf16, Activation::None);
            let bias = copy(&affine).bias;
            // The bias stays a float.
            let product = Affine {
                weight: affine.weight,
                bias: vec![0.0; bias.len()],
            };
            let exact = exact(&x, &product, rounded);
            for (i, (found, (exact, size))) in found.iter().zip(exact).enumerate() {
                let exact = exact + f64::from(bias[i % bias.len()]);
                let tolerance = 8.0 * f64::from(f32::EPSILON) * (size + 1.0);
                let off = (f64::from(*found) - exact).abs();
                assert!(off <= tolerance, "{}, {shape:?}: {off}", kernels.name);
            }
        }
    }
}

#[test]
fn bfloat16_is_the_nearest_with_ties_to_even() {
    let rounded = |x| f32::from_bits(u32::from(bfloat16(x)) << 16);
    assert_eq!(rounded(1.0), 1.0);
    // One is followed by 1 + 2^-7; half way lies 1 + 2^-8.
    assert_eq!(rounded(1.0 + 2f32.powi(-8)), 1.0);
    assert_eq!(rounded(1.0 + 3.0 * 2f32.powi(-8)), 1.0 + 2f32.powi(-6));
    assert_eq!(
        rounded(1.0 + 2f32.powi(-8) + f32::EPSILON),
        1.0 + 2f32.powi(-7)
    );
    // Half a step of 8 bits is 2^-9 of a number at most.
    assert!((rounded(-3.0e38) / -3.0e38 - 1.0).abs() <= 2f32.powi(-9));
    assert!(rounded(f32::INFINITY).is_infinite());
    // All that are no numbers, among them those whose bits a rounding up would carry through.
    for bits in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff, 0xff80_8000] {
        assert!(rounded(f32::from_bits(bits)).is_nan(), "{bits:x}");
    }
}

#[test]
fn products_of_bytes_equal_sums_of_integers() {
    for kernels in Kernels::available() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, affine) = example(seed as u64, shape);
            let found = apply(kernels, &x, &affine, Precision::Int8, Activation::None);
            let (rows, inputs, outputs) = shape;
            let mut room = Narrowed::default();
            let words = room.bytes(kernels, &x);
            let (steps, zeros) = words.levels.unwrap();
            for row in 0..rows {
                let bytes: Vec<u8> = words.words[row * words.stride..][..words.stride]
                    .iter()
                    .flat_map(|word| word.to_le_bytes())
                    .collect();
                for (&byte, &x) in bytes.iter().zip(x.row(row)) {
                    // Half a step, and the rounding of a number of up to 255 steps.
                    let off = (f32::from(byte) - zeros[row] as f32) * steps[row] - x;
                    assert!(off.abs() <= 0.5001 * steps[row], "{}: {off}", kernels.name);
                }
                for output in 0..outputs {
                    let weights = &affine.weight[output * inputs..][..inputs];
                    let step = weights.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
                    let products = weights.iter().zip(&bytes).map(|(w, &byte)| {
                        let level = i64::from(byte) - i64::from(zeros[row]);
                        level * (w / step).round_ties_even() as i64
                    });
                    let sum = products.sum::<i64>() as f64;
                    let exact = sum * f64::from(steps[row]) * f64::from(step);
                    let expected = exact + f64::from(affine.bias[output]);
                    // The sum is exact; it becomes a float, is multiplied twice and added once.
                    let tolerance = 4.0 * f64::from(f32::EPSILON) * (exact.abs() + 1.0);
                    let off = (f64::from(found[row * outputs + output]) - expected).abs();
                    assert!(off <= tolerance, "{}, {shape:?}: {off}", kernels.name);
                }
            }
        }
    }
}

#[test]
fn parts_of_a_layer_make_the_whole() {
    for kernels in Kernels::available() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, affine) = example(seed as u64, shape);
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let layer = Linear::pack(kernels, &affine, precision, Activation::Gelu);
                let whole = apply(kernels, &x, &affine, precision, Activation::Gelu);
                let (mut to, mut room) = (Matrix::default(), Narrowed::default());
                to.shape(shape.0, shape.2);
                let (words, ends) = (layer.narrow(kernels, &x, &mut room), layer.ends(4));
                let divided = to.divided(&ends);
                for part in 0..ends.len() {
                    let to = &mut divided.part(part);
                    layer.apply_part(kernels, &words, (part, ends.len()), &[], to);
                }
                assert_eq!(numbers(&to), whole, "{}, {shape:?}", kernels.name);
            }
        }
    }
}

#[test]
fn extreme_bytes_do_not_overflow() {
    for kernels in Kernels::available() {
        // All bytes at their ends: 255 · 127 in each term, at a depth where 16 bits overflow.
        let x = matrix(2, 3072, || 1.0);
        let affine = Affine {
            weight: vec![-0.5; 3072 * 3],
            bias: vec![0.0; 3],
        };
        for found in apply(kernels, &x, &affine, Precision::Int8, Activation::None) {
            assert!((found + 1536.0).abs() < 1e-3, "{}: {found}", kernels.name);
        }
    }
}

#[test]
fn what_is_no_number_stays_none_in_every_format() {
    for kernels in Kernels::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            for bad in [f32::NAN, f32::INFINITY] {
                let (mut x, affine) = example(1, (9, 40, 20));
                x.row_mut(4)[7] = bad;
                for activation in [Activation::None, Activation::Gelu, Activation::Relu] {
                    let found = apply(kernels, &x, &affine, precision, activation);
                    let finite = |row: usize| found[row * 20..][..20].iter().all(|x| x.is_finite());
                    assert!(finite(3) && finite(5));
                    let spoilt = found[4 * 20..][..20].iter().any(|x| !x.is_finite());
                    assert!(spoilt, "{}, {precision}, {activation:?}", kernels.name);
                }
            }
        }
    }
}

#[test]
fn functions_are_within_their_stated_errors() {
    let mut x: Vec<f32> = (-40_000..=40_000).map(|i| i as f32 / 1000.0).collect();
    x.extend([0.0, -0.0, 1e-30, -1e30, 1e30]);
    for kernels in Kernels::available() {
        let of = |function| {
            let mut y = x.clone();
            kernels.apply(function, &mut y);
            y
        };
        for (&x, y) in x.iter().zip(of(Function::Gelu)) {
            let off = (f64::from(y) - gelu(f64::from(x))).abs();
            assert!(off <= 3e-7 * f64::from(x.abs().max(1.0)), "gelu {x}: {off}");
        }
        for (&x, y) in x.iter().zip(of(Function::Sigmoid)) {
            let off = (f64::from(y) - 1.0 / (1.0 + (-f64::from(x)).exp())).abs();
            assert!(off <= 2e-7, "sigmoid {x}: {off}");
        }
        for (&x, y) in x.iter().zip(of(Function::Relu)) {
            assert_eq!(y, x.max(0.0));
        }
    }
}

#[test]
fn softmax_equals_its_definition() {
    for kernels in Kernels::available() {
        for tokens in [1, 9, 16, 64] {
            let mut random = random(tokens as u64);
            let mut scores = matrix(tokens, tokens, || random.random_range(-9.0f32..9.0));
            // Whatever lies between the rows must not count; the biases there are far below.
            let stride = scores.stride();
            for at in 0..tokens * stride {
                if at % stride >= tokens {
                    scores.numbers_mut()[at] = f32::NAN;
                }
            }
            let bias: Vec<f32> = (0..tokens * stride)
                .map(|i| {
                    if i % stride < tokens {
                        i as f32 * 1e-3
                    } else {
                        -1e30
                    }
                })
                .collect();
            let mask: Vec<f32> = (0..tokens * stride)
                .map(|i| if i % 3 == 1 { -100.0 } else { 0.0 })
                .collect();
            for mask in [None, Some(&mask[..])] {
                let before = numbers(&scores);
                let exponent = |row: usize, column: usize| {
                    let at = row * stride + column;
                    let score = f64::from(before[row * tokens + column]);
                    score + f64::from(bias[at]) + mask.map_or(0.0, |mask| f64::from(mask[at]))
                };
                let mut found = Matrix::default();
                found.shape(tokens, tokens);
                let length = found.numbers().len();
                found
                    .numbers_mut()
                    .copy_from_slice(&scores.numbers()[..length]);
                kernels.softmax(&mut found, &bias, mask);
                for row in 0..tokens {
                    let greatest = (0..tokens)
                        .map(|c| exponent(row, c))
                        .fold(f64::MIN, f64::max);
                    let weight = |column| (exponent(row, column) - greatest).exp();
                    let sum: f64 = (0..tokens).map(weight).sum();
                    for (column, found) in found.row(row).iter().enumerate() {
                        // The exponent's rounding, at most 2^-20, and that of the sum.
                        let off = (f64::from(*found) - weight(column) / sum).abs();
                        assert!(off <= 4e-6, "{}, {tokens}: {off}", kernels.name);
                    }
                }
            }
        }
    }
}

#[test]
fn normalisation_equals_its_definition_from_anywhere_and_in_place() {
    for kernels in Kernels::available() {
        for width in [1, 8, 48, 100, 769] {
            let mut random = random(width as u64);
            let x = matrix(6, width, || 3.0 + random.random_range(-1.0f32..1.0));
            let norm = Norm {
                factor: (0..width).map(|i| 1.0 + i as f32 * 1e-3).collect(),
                summand: (0..width).map(|i| 0.5 - i as f32 * 1e-3).collect(),
            };
            let expected = |row: &[f32], i: usize| {
                let n = width as f64;
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
                let square = |x: &f32| (f64::from(*x) - mean).powi(2);
                let variance = row.iter().map(square).sum::<f64>() / n;
                (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt()
            };
            let at: Vec<usize> = [5, 0, 3].iter().map(|row| row * x.stride()).collect();
            let mut to = Matrix::default();
            to.shape(3, width);
            kernels.normalise(&x, &at, &mut to, 1e-5);
            let mut in_place = matrix(6, width, || 0.0);
            for row in 0..6 {
                in_place.row_mut(row).copy_from_slice(x.row(row));
            }
            kernels.normalise_in_place(&mut in_place, 1e-5, Some(&norm));
            for i in 0..width {
                // The mean of numbers near 3 is off by 2e-7, and divided by a deviation of 0.6.
                let near = |found: f32, expected: f64| {
                    let off = (f64::from(found) - expected).abs();
                    assert!(off <= 5e-6, "{}, {width}: {off}", kernels.name);
                };
                for (row, from) in [5, 0, 3].into_iter().enumerate() {
                    near(to.row(row)[i], expected(x.row(from), i));
                }
                for row in 0..6 {
                    let plain = expected(x.row(row), i);
                    let (factor, summand) = (f64::from(norm.factor[i]), f64::from(norm.summand[i]));
                    near(in_place.row(row)[i], plain * factor + summand);
                }
            }
        }
    }
}
