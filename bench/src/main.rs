//! `make bench`: what the functions cost, in one run beside what they cannot cost less than.
//!
//! The release binaries run as processes behind a Lambda Runtime API, one event at a time, with a stand-in for DynamoDB in
//! this process that replays what an embedded engine answered. CPU is what the kernel booked on the function's process
//! alone. Goals are ratios inside the run: a slow or noisy machine moves both sides. Nothing fails here.
//!
//! `bench --quick` runs a tenth of the events: enough to see that all works, too few to judge by.
//! `bench --floors` leaves our functions out, `bench --routes` all but the route gate. `bench timing` and `bench cold` ask other
//! questions (see there).

mod cold;
mod cpu;
mod floors;
mod function;
mod raw;
mod replay;
mod report;
mod routes;
mod seed;
mod store;
mod subject;
mod timing;

use function::Plan;
use report::Report;

/// What can go wrong here ends the run with its sentence.
type Error = Box<dyn std::error::Error>;

// One thread: the Runtime API, the store and the driver on one core, the function alone on the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tokio::task::LocalSet::new().run_until(run()).await
}

async fn run() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [raw::FIRST_RANDOM | raw::FIRST_SIGNATURE] = arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        return raw::first_use(&arguments.concat());
    }
    if let Some(("timing", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return timing::run(&rest.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    if arguments == ["cold"] {
        return cold::run().await;
    }
    if let Some(unknown) = arguments.iter().find(|argument| !["--quick", "--floors", "--routes"].contains(&argument.as_str())) {
        return Err(format!("unknown argument `{unknown}`; usage: bench [--quick] [--floors | --routes], bench timing [--quick], bench cold").into());
    }
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let plan = if given("--quick") { Plan::QUICK } else { Plan::FULL };

    let raw = raw::measure()?;
    let routes = if given("--floors") { Vec::new() } else { routes::measure(plan.turn)? };
    let functions = if given("--routes") { Vec::new() } else { functions(given("--floors"), &plan).await? };

    let report = Report { raw, routes, functions };
    print!("{}", report.table()?);
    // This program is `target/release/bench`.
    std::fs::write(function::binary("../bench.json")?, format!("{:#}\n", report.json()))?;
    Ok(())
}

/// The floors, and our functions unless the floors are all that is wanted.
async fn functions(floors_alone: bool, plan: &Plan) -> Result<Vec<function::Figures>, Error> {
    let engine = store::start().await?;
    let endpoint = replay::start(&engine).await?;
    let floors = floors::subjects(&endpoint);
    let mut groups = Vec::new();
    if floors_alone {
        groups.push(floors);
    } else {
        let setup = seed::seed(&engine, &endpoint, plan.long).await?;
        groups.push(floors.into_iter().chain(subject::subjects(&setup)).collect());
        // Alone: it kills the tokens that the others use, and the authorizers would hear of it.
        groups.push(vec![subject::revoke(&setup)]);
    }
    let mut functions = Vec::new();
    for group in &groups {
        functions.extend(function::measure(group, plan).await?);
    }
    Ok(functions)
}
