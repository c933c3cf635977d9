//! Functions, measured side by side: cold starts, young processes, old ones.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use local::runtime_api::Function;

use crate::{Error, cpu};

/// A function to measure.
pub struct Subject {
    pub name: &'static str,
    /// Its binary's name.
    pub file: &'static str,
    pub env: Vec<(String, String)>,
    /// Its nth event.
    pub event: Box<dyn Fn(usize) -> Bytes>,
    /// What each answer contains. A fast refusal is no result.
    pub expect: &'static str,
}

/// How many processes and events.
pub struct Plan {
    cold_starts: usize,
    /// Events before a process counts as warm.
    warm_up: usize,
    batches: usize,
    batch: usize,
    /// Events after which memory is looked at again. It should not have grown since the last batch.
    pub long: usize,
    /// How long a batch of what is measured in this process takes, about.
    pub turn: Duration,
}

/// Events that show a young process.
const YOUNG: usize = 100;

impl Plan {
    pub const FULL: Self = Self { cold_starts: 21, warm_up: 2_000, batches: 20, batch: 150, long: 20_000, turn: Duration::from_millis(20) };
    pub const QUICK: Self = Self { cold_starts: 5, warm_up: 200, batches: 20, batch: 15, long: 2_000, turn: Duration::from_millis(4) };
}

/// What one function costs.
pub struct Figures {
    pub name: &'static str,
    /// CPU of a fresh process until it waits for its second event: median over processes.
    pub first_answer: Duration,
    /// CPU per event from the second to the hundredth: median over processes.
    pub young: Duration,
    /// CPU per event after the warm-up: median over batches.
    pub warm: Duration,
    /// The round trip, from this process and back.
    pub wall_p50: Duration,
    pub wall_p99: Duration,
    /// Resident memory after the last batch (5,000 events in the full plan), and after the long run.
    pub resident: u64,
    pub resident_long: u64,
    /// Size of the stripped binary.
    pub size: u64,
}

/// Measures the subjects in turns, batch by batch, so that a noisy moment of the machine meets all of them.
pub async fn measure(subjects: &[Subject], plan: &Plan) -> Result<Vec<Figures>, Error> {
    let mut runs = Vec::new();
    progress(&subjects.iter().map(|subject| subject.name).collect::<Vec<_>>().join(", "));
    for subject in subjects {
        runs.push(Run::start(subject).await?);
    }
    progress("cold starts");
    for _ in 0..plan.cold_starts {
        for run in &mut runs {
            run.cold_start().await?;
        }
    }
    progress("warm-up");
    for run in &mut runs {
        run.until(plan.warm_up).await?;
    }
    progress("batches");
    for _ in 0..plan.batches {
        for run in &mut runs {
            run.batch(plan.batch).await?;
        }
    }
    progress("long runs");
    let mut figures = Vec::new();
    for mut run in runs {
        let resident = cpu::resident(run.pid)?;
        run.until(plan.long).await?;
        figures.push(Figures {
            name: run.subject.name,
            first_answer: percentile(&mut run.cold, 50)?,
            young: percentile(&mut run.young, 50)?,
            warm: percentile(&mut run.warm, 50)?,
            wall_p50: percentile(&mut run.walls, 50)?,
            wall_p99: percentile(&mut run.walls, 99)?,
            resident,
            resident_long: cpu::resident(run.pid)?,
            size: fs::metadata(binary(run.subject.file)?)?.len(),
        });
        run.function.stop().await;
    }
    Ok(figures)
}

/// One process of a function, and what was measured of it and of the fresh ones beside it.
struct Run<'a> {
    subject: &'a Subject,
    function: Function,
    pid: u32,
    sent: usize,
    cold: Vec<Duration>,
    young: Vec<Duration>,
    warm: Vec<Duration>,
    walls: Vec<Duration>,
}

impl<'a> Run<'a> {
    async fn start(subject: &'a Subject) -> Result<Self, Error> {
        let file = binary(subject.file)?;
        let function = Function::start(subject.name, &file, &subject.env, 1).await;
        let function = function.map_err(|error| format!("`{}`: {error}", file.display()))?;
        let pid = *function.pids().first().ok_or("no process")?;
        Ok(Self { subject, function, pid, sent: 0, cold: Vec::new(), young: Vec::new(), warm: Vec::new(), walls: Vec::new() })
    }

    async fn cold_start(&mut self) -> Result<(), Error> {
        let mut fresh = Self::start(self.subject).await?;
        fresh.until(1).await?;
        let first = fresh.cpu().await?;
        fresh.until(YOUNG).await?;
        self.young.push((fresh.cpu().await? - first) / u32::try_from(YOUNG - 1)?);
        self.cold.push(first);
        fresh.function.stop().await;
        Ok(())
    }

    async fn batch(&mut self, events: usize) -> Result<(), Error> {
        let before = self.cpu().await?;
        let walls = self.until(self.sent + events).await?;
        self.warm.push((self.cpu().await? - before) / u32::try_from(events)?);
        self.walls.extend(walls);
        Ok(())
    }

    /// Sends events until `total` are sent, and returns how long each took.
    async fn until(&mut self, total: usize) -> Result<Vec<Duration>, Error> {
        let mut walls = Vec::new();
        while self.sent < total {
            let event = (self.subject.event)(self.sent);
            let handed = Instant::now();
            let answer = self.function.invoke(event).await;
            walls.push(handed.elapsed());
            let answer = answer.map_or_else(|error| error.to_string(), |answer| String::from_utf8_lossy(&answer).into_owned());
            if !answer.contains(self.subject.expect) {
                return Err(format!("{}, event {}: {answer}\n{}", self.subject.name, self.sent, self.function.output()).into());
            }
            self.sent += 1;
        }
        Ok(walls)
    }

    /// CPU so far, once the process waits for its next event.
    async fn cpu(&self) -> Result<Duration, Error> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        cpu::of_process(self.pid)
    }
}

/// A binary of the same build: beside this one.
pub fn binary(file: &str) -> Result<PathBuf, Error> {
    Ok(std::env::current_exe()?.with_file_name(file))
}

pub fn percentile(values: &mut [Duration], percent: usize) -> Result<Duration, Error> {
    values.sort_unstable();
    Ok(*values.get(values.len() * percent / 100).ok_or("nothing was measured")?)
}

/// For the person who waits; the figures go to stdout.
fn progress(step: &str) {
    eprintln!("{step} ...");
}
