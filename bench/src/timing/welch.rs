//! The statistics of dudect: Welch's t over all samples and over those that are faster than a cut.

use std::time::Duration;

use super::nanoseconds;

/// The times of two classes, in nanoseconds, as they came.
pub struct Samples(Vec<(bool, u32)>);

/// What the samples say.
pub struct Figures {
    /// Of both classes together.
    pub number: usize,
    pub medians: [f64; 2],
    /// Welch's t of all of them: positive where the first class is slower.
    pub all: f64,
    /// Without the slowest tenth.
    pub without_slowest: f64,
    /// The t that is farthest from zero among 100 cuts. So many tests find 4.5 by chance more often than one.
    pub largest: f64,
}

/// How many cuts dudect makes.
const CUTS: u32 = 100;

impl Samples {
    pub fn with_capacity(number: usize) -> Self {
        Self(Vec::with_capacity(number))
    }

    pub fn add(&mut self, class: usize, taken: Duration) {
        self.0.push((class == 0, nanoseconds(taken)));
    }

    /// `None` where there are too few samples.
    pub fn figures(&mut self) -> Option<Figures> {
        self.0.sort_unstable_by_key(|(_, taken)| *taken);
        let number = self.0.len();
        let without_slowest = self.t(number * 9 / 10)?;
        let cuts = (1..=CUTS).filter_map(|cut| {
            // dudect's: dense where most samples lie, 1 - 2^(-10 cut / 100).
            let share = 1.0 - 0.5_f64.powf(10.0 * f64::from(cut) / f64::from(CUTS));
            let kept = self.0.get(..(number as f64 * share) as usize)?;
            // Too few for a mean to be normal.
            (kept.len() >= 100).then(|| self.t(kept.len())).flatten()
        });
        let largest = cuts.fold(without_slowest, |largest, t| if t.abs() > largest.abs() { t } else { largest });
        Some(Figures { number, medians: [self.median(true)?, self.median(false)?], all: self.t(number)?, without_slowest, largest })
    }

    fn median(&self, is_first: bool) -> Option<f64> {
        let times: Vec<u32> = self.0.iter().filter(|(class, _)| *class == is_first).map(|(_, taken)| *taken).collect();
        times.get(times.len() / 2).copied().map(f64::from)
    }

    /// Welch's t of the `kept` fastest.
    fn t(&self, kept: usize) -> Option<f64> {
        let mut classes = [Moments::default(); 2];
        for (is_first, taken) in self.0.get(..kept)? {
            let class = classes.get_mut(usize::from(!is_first))?;
            class.add(f64::from(*taken));
        }
        let [first, second] = classes;
        let error = (first.variance()? / first.number + second.variance()? / second.number).sqrt();
        Some(if error == 0.0 { 0.0 } else { (first.mean - second.mean) / error })
    }
}

/// Welford's running mean and variance.
#[derive(Clone, Copy, Default)]
struct Moments {
    number: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.number += 1.0;
        let before = value - self.mean;
        self.mean += before / self.number;
        self.squares += before * (value - self.mean);
    }

    fn variance(&self) -> Option<f64> {
        (self.number >= 2.0).then(|| self.squares / (self.number - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of two classes: the times 0 to 99, the first class by `more` slower.
    fn samples(more: u64) -> Samples {
        let mut samples = Samples::with_capacity(2_000);
        for at in 0..1_000 {
            samples.add(0, Duration::from_nanos(100 + at % 100 + more));
            samples.add(1, Duration::from_nanos(100 + at % 100));
        }
        samples
    }

    #[test]
    fn the_same_is_zero_and_a_difference_is_the_textbooks() {
        let same = samples(0).figures().unwrap();
        assert_eq!((same.number, same.medians, same.all), (2_000, [150.0, 150.0], 0.0));
        // Two samples of 1,000 with the variance 834.08 each: sqrt(2 * 834.08 / 1000) = 1.2916.
        let slower = samples(10).figures().unwrap();
        assert!((slower.all - 10.0 / 1.2916).abs() < 0.01, "{}", slower.all);
        assert!(slower.largest >= slower.all && slower.without_slowest > 3.0);
        assert!(samples(0).0.len() == 2_000 && Samples::with_capacity(0).figures().is_none());
    }
}
