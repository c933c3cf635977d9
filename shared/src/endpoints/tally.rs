//! Counting without writing: counts are added up in memory and go to the table on a request that finds them a minute old.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::oauth::ids::ClientId;
use crate::oauth::time::Timestamp;
use crate::store::{Count, Store};

/// How old counts may become before a request takes them along, in seconds.
const FLUSH_AFTER: u64 = 60;

/// The counts that this instance has not written yet.
///
/// An instance that is recycled takes what it has not written with it: the counts are for reports, and no request pays for them.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Vec<Day>>);

#[derive(Debug)]
struct Day {
    since: Timestamp,
    server: Counts,
    clients: HashMap<ClientId, Counts>,
}

type Counts = BTreeMap<Count, u64>;

impl Tally {
    /// Counts one `count` of this client, if one is known, and of the server.
    pub fn add(&self, client_id: Option<&ClientId>, count: Count, now: Timestamp) {
        let mut days = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_today = |day: &Day| day.since.unix() / 86_400 == now.unix() / 86_400;
        if !days.last().is_some_and(is_today) {
            days.push(Day { since: now, server: Counts::new(), clients: HashMap::new() });
        }
        let Some(today) = days.last_mut() else { return };
        *today.server.entry(count).or_default() += 1;
        if let Some(client_id) = client_id {
            match today.clients.get_mut(client_id) {
                Some(counts) => *counts.entry(count).or_default() += 1,
                None => drop(today.clients.insert(client_id.clone(), Counts::from([(count, 1)]))),
            }
        }
    }

    /// Writes the counts if they are due. A failure is logged and the counts are lost: they must not fail a request.
    pub async fn flush_if_due(&self, store: &Store, now: Timestamp) {
        let oldest = self.0.lock().unwrap_or_else(PoisonError::into_inner).first().map(|day| day.since);
        if oldest.is_some_and(|since| now.since(since) >= FLUSH_AFTER) {
            self.flush(store).await;
        }
    }

    /// Writes the counts.
    pub async fn flush(&self, store: &Store) {
        let days = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for Day { since, server, clients } in days {
            let clients = clients.iter().map(|(client_id, counts)| (Some(client_id), counts));
            for (client_id, counts) in clients.chain([(None, &server)]) {
                if let Err(error) = store.add_counts(client_id, &since.day(), counts).await {
                    log::warn!(reason = error.to_string(); "counts were lost");
                }
            }
        }
    }
}
