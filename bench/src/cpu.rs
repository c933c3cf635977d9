//! What the kernel booked: CPU time and resident memory.

use std::fs;
use std::time::Duration;

use crate::Error;

/// CPU time of all threads of a process. Exact while the process sleeps.
pub fn of_process(pid: u32) -> Result<Duration, Error> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        total += booked(&fs::read_to_string(task?.path().join("schedstat"))?)?;
    }
    Ok(total)
}

/// CPU time of this thread.
pub fn of_this_thread() -> Result<Duration, Error> {
    // The kernel books a running thread's time at the next tick, or when it yields.
    std::thread::yield_now();
    booked(&fs::read_to_string("/proc/thread-self/schedstat")?)
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64, Error> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS in /proc/PID/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// The first field of a `schedstat`: nanoseconds on the CPU.
fn booked(schedstat: &str) -> Result<Duration, Error> {
    let nanoseconds = schedstat.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
