//! One line per test, and an exit code.

use std::fmt::Display;
use std::process::ExitCode;

/// What a test answers: what was expected and did not come, where it failed.
pub type Outcome = Result<(), String>;

/// The tests so far.
#[derive(Debug, Default)]
pub struct Report {
    failed: usize,
}

impl Report {
    /// Says how a test went.
    pub fn note(&mut self, name: &str, outcome: &Outcome) {
        match outcome {
            Ok(()) => println!("ok      {name}"),
            Err(fault) => {
                self.failed += 1;
                println!("FAILED  {name}: {fault}");
            }
        }
    }

    /// The exit code.
    pub fn end(&self) -> ExitCode {
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Fails unless `holds`.
///
/// # Errors
/// The fault.
pub fn expect(holds: bool, fault: impl Display) -> Outcome {
    if holds { Ok(()) } else { Err(fault.to_string()) }
}

/// A variable of the environment.
///
/// # Errors
/// Where it is missing.
pub fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} must be set, see tests/interop/run.sh"))
}
