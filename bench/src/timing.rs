//! `make bench-timing`: whether the clock tells what an answer does not (CWE-208), measured after dudect (Reparaz, Balasch, Verbauwhede, 2017).
//!
//! Two classes of input meet the same code in random order; Welch's t says whether their times have the same mean. Times are of the wall, so
//! a busy machine hides small differences and makes up others: the slowest are cut off, and two controls show what this run can see.
//! Nothing fails here.

mod classes;
mod over_http;
mod welch;

use std::hint::black_box;
use std::time::{Duration, Instant};

use welch::Samples;

use crate::Error;

/// How many samples.
struct Plan {
    /// Of each pair of classes that costs next to nothing.
    cheap: usize,
    /// Of each pair that hashes a password.
    passwords: usize,
    /// Of each pair of requests.
    requests: usize,
}

const FULL: Plan = Plan { cheap: 2_000_000, passwords: 300, requests: 20_000 };
const QUICK: Plan = Plan { cheap: 100_000, passwords: 20, requests: 1_000 };

/// What was measured of two classes.
struct Row {
    name: &'static str,
    classes: [&'static str; 2],
    samples: Samples,
}

pub async fn run(arguments: &[&str]) -> Result<(), Error> {
    let plan = match arguments {
        [] => FULL,
        ["--quick"] => QUICK,
        _ => return Err("usage: bench timing [--quick]".into()),
    };
    let rows = classes::measure(&plan)?.into_iter().chain(over_http::measure(&plan).await?);
    println!("{:<68}{:>9}{:>22}{:>8}{:>9}{:>9}{:>9}", "first class / second class", "samples", "medians", "ratio", "t", "t 90 %", "largest");
    for mut row in rows {
        println!("{}", row.line()?);
    }
    println!("\nt: Welch's t of all samples, without the slowest tenth, and the largest of dudect's 100 cuts. Beyond 4.5 is a difference.");
    Ok(())
}

impl Row {
    fn line(&mut self) -> Result<String, Error> {
        let figures = self.samples.figures().ok_or("too few samples")?;
        let [first, second] = figures.medians;
        Ok(format!(
            "{:<68}{:>9}{:>11}{:>11}{:>8.3}{:>9.1}{:>9.1}{:>9.1}",
            format!("{}: {} / {}", self.name, self.classes[0], self.classes[1]),
            figures.number,
            shown(first),
            shown(second),
            first / second,
            figures.all,
            figures.without_slowest,
            figures.largest,
        ))
    }
}

fn shown(nanoseconds: f64) -> String {
    match nanoseconds {
        short if short < 10_000.0 => format!("{short:.0} ns"),
        long if long < 10_000_000.0 => format!("{:.1} us", long / 1_000.0),
        very_long => format!("{:.1} ms", very_long / 1_000_000.0),
    }
}

/// Whose turn it is: xorshift64*, which no branch predictor and no cache follows.
struct Order(u64);

impl Order {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// Fewer than `2^32`.
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        usize::try_from(high).unwrap_or_default() % below
    }
}

/// Times `work` with inputs of both classes. What `prepare` makes of a class and a number before is not timed, and neither is its end; each
/// input is used once, because the place of a value in memory shows in its times: inputs that are used again differ by where they lie.
fn compare<P, R>(
    (name, classes): (&'static str, [&'static str; 2]),
    number: usize,
    prepare: impl Fn(usize, u64) -> Option<P>,
    work: impl Fn(&mut P) -> R,
) -> Result<Row, Error> {
    eprintln!("{name} ...");
    let mut order = Order::new();
    let mut samples = Samples::with_capacity(number);
    // The first are slow for reasons of their own.
    let warm_up = number / 50;
    for at in 0..number + warm_up {
        let class = order.next(2);
        let mut input = black_box(prepare(class, u64::try_from(at)?).ok_or("an input does not have the shape of one")?);
        // What was written for the input is on its way to the cache until here.
        (0..16).for_each(|_| std::hint::spin_loop());
        let begun = Instant::now();
        let result = black_box(work(black_box(&mut input)));
        let taken = begun.elapsed();
        drop(result);
        if at >= warm_up {
            samples.add(class, taken);
        }
    }
    Ok(Row { name, classes, samples })
}

fn nanoseconds(taken: Duration) -> u32 {
    u32::try_from(taken.as_nanos()).unwrap_or(u32::MAX)
}
