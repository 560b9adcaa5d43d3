//! Prediction of the local node's external endpoint from what other nodes report (geth's
//! `netutil.IPTracker`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Time after which a statement no longer counts.
const STATEMENT_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Minimum number of hosts that must agree: an attacker needs as many networks.
const MIN_STATEMENTS: usize = 10;

/// Maximum number of statements that are remembered; the oldest is dropped.
const MAX_STATEMENTS: usize = 512;

/// Collects what nodes state about the local endpoint in their pings and pongs. One host has one
/// vote, the latest.
#[derive(Debug, Default)]
pub struct EndpointPredictor {
    statements: HashMap<IpAddr, (SocketAddr, Instant)>,
}

impl EndpointPredictor {
    /// Adds a statement: the node at `host` sees the local node at `endpoint`.
    pub fn add_statement(&mut self, host: IpAddr, endpoint: SocketAddr, now: Instant) {
        self.statements
            .retain(|_, (_, said_at)| now.saturating_duration_since(*said_at) < STATEMENT_LIFETIME);
        if self.statements.len() >= MAX_STATEMENTS && !self.statements.contains_key(&host) {
            let oldest = self
                .statements
                .iter()
                .min_by_key(|(_, (_, said_at))| *said_at);
            let Some(oldest) = oldest.map(|(host, _)| *host) else {
                return;
            };
            self.statements.remove(&oldest);
        }
        self.statements.insert(host, (endpoint, now));
    }

    /// Returns the endpoint that most hosts state, if enough of them do.
    pub fn predict(&self, now: Instant) -> Option<SocketAddr> {
        let mut votes: HashMap<SocketAddr, usize> = HashMap::new();
        for (endpoint, said_at) in self.statements.values() {
            if now.saturating_duration_since(*said_at) < STATEMENT_LIFETIME {
                *votes.entry(*endpoint).or_insert(0) += 1;
            }
        }
        let (endpoint, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
        (count >= MIN_STATEMENTS).then_some(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> IpAddr {
        IpAddr::from([8, 8, number, 1])
    }

    #[test]
    fn ten_hosts_must_agree_and_each_has_one_vote() {
        let now = Instant::now();
        let ours: SocketAddr = "9.9.9.9:30303".parse().unwrap();
        let wrong: SocketAddr = "6.6.6.6:30303".parse().unwrap();
        let mut predictor = EndpointPredictor::default();
        for _ in 0..100 {
            predictor.add_statement(host(200), wrong, now);
        }
        for number in 0..9 {
            predictor.add_statement(host(number), ours, now);
        }
        assert_eq!(predictor.predict(now), None);
        predictor.add_statement(host(9), ours, now);
        assert_eq!(predictor.predict(now), Some(ours));
        assert_eq!(predictor.predict(now + STATEMENT_LIFETIME), None);
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let ours: SocketAddr = "9.9.9.9:30303".parse().unwrap();
        let mut predictor = EndpointPredictor::default();
        for number in 0..5000u32 {
            predictor.add_statement(IpAddr::from(number.to_be_bytes()), ours, now);
        }
        assert_eq!(predictor.statements.len(), MAX_STATEMENTS);
    }
}
