//! Time as a value: seconds since 1970, given by the caller, never read here.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How far ahead another node's clock may be, in seconds: what it dated in the future by at most this much is taken as it is. Expiry has no
/// leeway, so a skew never lengthens a life.
pub const CLOCK_SKEW: u64 = 60;

/// A point in time in whole seconds since 1970-01-01T00:00:00Z (`NumericDate` of RFC 7519 §2, integers only).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `seconds` after 1970-01-01T00:00:00Z.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The point `seconds` later.
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// The point `seconds` earlier, not before 1970.
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to here; zero where `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `2026-11-20T18:00:00Z`, as the admin API writes times (RFC 3339).
    pub fn rfc3339(self) -> String {
        self.date_time().format(&Rfc3339).unwrap_or_default()
    }

    /// Reads an RFC 3339 time; `None` where it is none or lies before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let seconds = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp();
        u64::try_from(seconds).ok().map(Self)
    }

    /// `2026-11-20`: the UTC day that this point lies in.
    pub fn day(self) -> String {
        let mut text = self.rfc3339();
        text.truncate(10);
        text
    }

    fn date_time(self) -> OffsetDateTime {
        let seconds = i64::try_from(self.0).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_as_rfc_3339() {
        let time = Timestamp::from_unix(1_795_197_600);
        assert_eq!(time.rfc3339(), "2026-11-20T18:00:00Z");
        assert_eq!(time.day(), "2026-11-20");
        assert_eq!(Timestamp::parse_rfc3339("2026-11-20T19:00:00+01:00"), Some(time));
        assert_eq!(Timestamp::parse_rfc3339("1960-01-01T00:00:00Z"), None);
        assert_eq!(Timestamp::from_unix(u64::MAX).rfc3339(), "1970-01-01T00:00:00Z", "no panic beyond the calendar");
    }
}
