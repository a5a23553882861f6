//! Sums and logarithms of sums, in an order that is fixed.

/// Number of partial sums of a long sum.
const N_LANES: usize = 8;

/// Exponentials of logarithms, with sum 1.
pub(super) fn scaled_to_one(logs: &[f64]) -> Vec<f64> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut found: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let total: f64 = found.iter().sum();
    found.iter_mut().for_each(|value| *value /= total);
    found
}

/// Logarithm of the sum of exponentials of logarithms.
pub(super) fn ln_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY { most } else { most + logs.map(|log| (log - most).exp()).sum::<f64>().ln() }
}

/// A sum that keeps the digits that adding loses (Neumaier 1974, Z Angew Math Mech 54:39).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() { (self.sum - sum) + value } else { (value - sum) + self.sum };
        self.sum = sum;
    }

    pub(super) fn value(&self) -> f64 {
        self.sum + self.lost
    }
}
/// Makes `values` `n` zeros.
pub(super) fn clear(values: &mut Vec<f64>, n: usize) {
    values.clear();
    values.resize(n, 0.0);
}

/// `sums += factor x values`.
pub(super) fn add_scaled(sums: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// Sum of products, as [`N_LANES`] partial sums.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; N_LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(N_LANES), b.chunks_exact(N_LANES));
    let rest: f64 = a_lanes.remainder().iter().zip(b_lanes.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}
