//! The figures as a table for people and as JSON for the next run to compare with.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::function::Figures;
use crate::raw::Raw;
use crate::routes;

/// All that was measured.
pub struct Report {
    pub raw: Raw,
    pub routes: Vec<routes::Figures>,
    pub functions: Vec<Figures>,
}

/// A goal: what is compared, how far it may go, how far it went.
struct Goal {
    what: &'static str,
    target: f64,
    reached: f64,
}

impl Report {
    pub fn table(&self) -> Result<String, std::fmt::Error> {
        let mut table = String::new();
        let out = &mut table;
        writeln!(out, "raw cryptography, CPU us")?;
        for (name, duration) in self.raw_rows() {
            writeln!(out, "  {name:<18}{:>9.1}", us(duration))?;
        }
        if !self.routes.is_empty() {
            self.write_routes(out)?;
        }
        writeln!(out, "\n{:<20}{:^20}{:^16}{:>10}{:^18}{:>9}", "", "CPU us/event", "wall us", "CPU ms", "RSS MB", "binary")?;
        writeln!(
            out,
            "{:<20}{:>10}{:>10}{:>8}{:>8}{:>10}{:>9}{:>9}{:>9}",
            "function", "first 100", "warm", "p50", "p99", "1st answ.", "batches", "long", "MB"
        )?;
        for f in &self.functions {
            writeln!(
                out,
                "{:<20}{:>10.1}{:>10.1}{:>8.0}{:>8.0}{:>10.2}{:>9.1}{:>9.1}{:>9.2}",
                f.name,
                us(f.young),
                us(f.warm),
                us(f.wall_p50),
                us(f.wall_p99),
                us(f.first_answer) / 1000.0,
                mb(f.resident),
                mb(f.resident_long),
                mb(f.size),
            )?;
        }
        writeln!(out, "\n{:>8}{:>9}  goal", "target", "reached")?;
        for goal in self.goals() {
            writeln!(out, "{:>8.2}{:>9.2}  {}", goal.target, goal.reached, goal.what)?;
        }
        Ok(table)
    }

    fn write_routes(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{:<20}{:^50}{:>12}{:>12}", "routes of one Api", "CPU ns per match", "CPU us", "CPU us")?;
        writeln!(
            out,
            "{:<20}{:>8}{:>8}{:>8}{:>16}{:>10}{:>12}{:>12}  policy",
            "privileges", "hit", "miss", "deep", "chosen to hurt", "the gate", "compile", "rights"
        )?;
        for r in &self.routes {
            writeln!(
                out,
                "{:<20}{:>8}{:>8}{:>8}{:>16}{:>10}{:>12.1}{:>12.1}  {}",
                r.privileges,
                r.hit.as_nanos(),
                r.miss.as_nanos(),
                r.deep.as_nanos(),
                r.worst.as_nanos(),
                r.gate.as_nanos(),
                us(r.compile),
                us(r.rights),
                if r.listed { "lists them" } else { "names one call" },
            )?;
        }
        Ok(())
    }

    pub fn json(&self) -> Value {
        let raw: Value = self.raw_rows().into_iter().map(|(name, duration)| (name.replace(" ", "_"), json!(us(duration)))).collect();
        let functions: Value = self
            .functions
            .iter()
            .map(|f| {
                let figures = json!({
                    "cpu_us_first_100": us(f.young),
                    "cpu_us": us(f.warm),
                    "wall_p50_us": us(f.wall_p50),
                    "wall_p99_us": us(f.wall_p99),
                    "cpu_ms_first_answer": us(f.first_answer) / 1000.0,
                    "rss_bytes": f.resident,
                    "rss_bytes_long": f.resident_long,
                    "binary_bytes": f.size,
                });
                (f.name.to_owned(), figures)
            })
            .collect();
        let goals: Vec<Value> = self
            .goals()
            .into_iter()
            .map(|goal| json!({"goal": goal.what, "target": goal.target, "reached": (goal.reached * 100.0).round() / 100.0}))
            .collect();
        let routes: Vec<Value> = self
            .routes
            .iter()
            .map(|r| {
                json!({
                    "privileges": r.privileges,
                    "hit_cpu_ns": ns(r.hit),
                    "miss_cpu_ns": ns(r.miss),
                    "deep_cpu_ns": ns(r.deep),
                    "worst_cpu_ns": ns(r.worst),
                    "gate_cpu_ns": ns(r.gate),
                    "compile_cpu_us": us(r.compile),
                    "rights_cpu_us": us(r.rights),
                    "rights_listed": r.listed,
                })
            })
            .collect();
        json!({"raw_cpu_us": raw, "routes": routes, "functions": functions, "goals": goals})
    }

    fn raw_rows(&self) -> [(&'static str, Duration); 6] {
        [
            ("ES256 sign", self.raw.es256_sign),
            ("ES256 verify", self.raw.es256_verify),
            ("RS256 sign", self.raw.rs256_sign),
            ("RS256 verify", self.raw.rs256_verify),
            ("first random", self.raw.first_random),
            ("first signature", self.raw.first_signature),
        ]
    }

    /// The goals whose functions were measured. A floor with a store call contains the empty function.
    fn goals(&self) -> Vec<Goal> {
        let warm = |name| Some(us(self.find(name)?.warm));
        let cold = |name| Some(us(self.find(name)?.first_answer));
        let (sign, verify) = (us(self.raw.es256_sign), us(self.raw.es256_verify));
        let ratio = |what, target, over: Option<f64>, under: Option<f64>| Some(Goal { what, target, reached: over? / under? });
        let batch_read = || Some(warm("sdk_get")? - warm("empty")?);
        let unseen = || Some(warm("authorizer_unseen")? - batch_read()?);
        [
            ratio("authorizer, seen token / empty", 1.5, warm("authorizer_seen"), warm("empty")),
            ratio(
                "(authorizer, unseen token - (sdk_get - empty)) / (empty + ES256 verify)",
                1.35,
                unseen(),
                warm("empty").map(|empty| empty + verify),
            ),
            ratio("token / (sdk_get_put + ES256 sign)", 1.3, warm("token"), warm("sdk_get_put").map(|floor| floor + sign)),
            ratio("cold start, authorizer / sdk_get", 1.3, cold("authorizer_unseen"), cold("sdk_get")),
            ratio("cold start, token / sdk_get", 1.3, cold("token"), cold("sdk_get")),
            ratio("first random number / 0.2 ms", 1.0, Some(us(self.raw.first_random)), Some(200.0)),
            ratio("first signature / 0.2 ms", 1.0, Some(us(self.raw.first_signature)), Some(200.0)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn find(&self, name: &str) -> Option<&Figures> {
        self.functions.iter().find(|figures| figures.name == name)
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Microseconds with one decimal.
fn us(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e7).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "megabytes with one decimal")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
