//! Sessions: the keys that two nodes share at a pair of addresses.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use actoreum_primitives::PeerId;
use lru::LruCache;
use rand::RngCore;
use rand::rngs::StdRng;

use super::crypto::{Key, open};
use super::{Nonce, Packet};
use crate::discv4::limiter::Source;
use crate::limits::{MAX_SESSIONS, MAX_SESSIONS_PER_SOURCE};

/// A node at an address: a session holds for both, so that a node that moves opens another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Contact {
    pub id: PeerId,
    pub address: SocketAddr,
}

struct Session {
    write_key: Key,
    read_key: Key,
    /// Read key of the session that this one replaced. Two nodes that open a session with each
    /// other at the same time may use different ones of the two.
    previous: Option<Key>,
    /// Number of packets encrypted with `write_key`.
    sent: u32,
}

/// The open sessions, bounded in all and for each source.
pub(super) struct Sessions {
    sessions: LruCache<Contact, Session>,
    /// The sessions of each source, the oldest first.
    by_source: HashMap<Source, VecDeque<Contact>>,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let capacity = NonZeroUsize::new(MAX_SESSIONS).unwrap_or(NonZeroUsize::MIN);
        Self {
            sessions: LruCache::new(capacity),
            by_source: HashMap::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn contains(&self, contact: &Contact) -> bool {
        self.sessions.contains(contact)
    }

    /// Opens a session, or replaces its keys. May end the session that was not used for longest,
    /// and the oldest of the same source.
    pub(super) fn insert(&mut self, contact: Contact, write_key: Key, read_key: Key) {
        if let Some(session) = self.sessions.get_mut(&contact) {
            session.previous = Some(std::mem::replace(&mut session.read_key, read_key));
            (session.write_key, session.sent) = (write_key, 0);
            return;
        }
        let of_source = self
            .by_source
            .entry(Source::of(contact.address))
            .or_default();
        of_source.push_back(contact);
        if of_source.len() > MAX_SESSIONS_PER_SOURCE
            && let Some(oldest) = of_source.pop_front()
        {
            self.sessions.pop(&oldest);
        }
        let session = Session {
            write_key,
            read_key,
            previous: None,
            sent: 0,
        };
        if let Some((ended, _)) = self.sessions.push(contact, session) {
            self.forget(&ended);
        }
    }

    fn forget(&mut self, contact: &Contact) {
        let source = Source::of(contact.address);
        if let Some(of_source) = self.by_source.get_mut(&source) {
            of_source.retain(|other| other != contact);
            if of_source.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }

    /// Decrypts the message of a packet; `None` without a session, or if the keys are others.
    pub(super) fn open(&mut self, contact: &Contact, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let session = self.sessions.peek(contact)?;
        let keys = [Some(&session.read_key), session.previous.as_ref()];
        let message = keys
            .into_iter()
            .flatten()
            .find_map(|key| open(key, &packet.nonce, &packet.associated, packet.message))?;
        self.sessions.promote(contact);
        Some(message)
    }

    /// Returns the key and a new nonce for a message; `None` without a session.
    pub(super) fn next_nonce(
        &mut self,
        contact: &Contact,
        random: &mut StdRng,
    ) -> Option<(Key, Nonce)> {
        let session = self.sessions.get_mut(contact)?;
        let mut nonce = [0; 12];
        random.fill_bytes(&mut nonce);
        // A counter before the random bytes, so that no nonce repeats within four billion.
        session.sent = session.sent.wrapping_add(1);
        if let Some(counter) = nonce.first_chunk_mut::<4>() {
            *counter = session.sent.to_be_bytes();
        }
        Some((session.write_key.clone(), nonce))
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::B256;
    use rand::SeedableRng;

    use super::*;

    fn contact(number: u32, address: [u8; 4]) -> Contact {
        let id = PeerId(B256::left_padding_from(&number.to_be_bytes()));
        Contact {
            id,
            address: SocketAddr::new(address.into(), 30303),
        }
    }

    fn insert(sessions: &mut Sessions, contact: Contact) {
        sessions.insert(contact, Key::new([1; 16]), Key::new([2; 16]));
    }

    #[test]
    fn one_source_cannot_replace_the_sessions_of_others() {
        let mut sessions = Sessions::new();
        let honest = contact(0, [8, 8, 8, 8]);
        insert(&mut sessions, honest);
        for number in 1..5_000 {
            insert(&mut sessions, contact(number, [9, 9, 9, 9]));
        }
        assert!(sessions.contains(&honest));
        assert_eq!(sessions.len(), MAX_SESSIONS_PER_SOURCE + 1);
        assert!(sessions.contains(&contact(4_999, [9, 9, 9, 9])));
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let mut sessions = Sessions::new();
        for number in 0..5_000u32 {
            let [.., high, low] = number.to_be_bytes();
            insert(&mut sessions, contact(number, [8, 8, high, low]));
        }
        assert_eq!(sessions.len(), MAX_SESSIONS);
        assert_eq!(sessions.by_source.len(), MAX_SESSIONS);
    }

    #[test]
    fn nonces_do_not_repeat() {
        let mut sessions = Sessions::new();
        let mut random = StdRng::seed_from_u64(1);
        let contact = contact(1, [8, 8, 8, 8]);
        assert!(sessions.next_nonce(&contact, &mut random).is_none());
        insert(&mut sessions, contact);
        let nonces: std::collections::HashSet<_> = (0..1_000)
            .map(|_| sessions.next_nonce(&contact, &mut random).unwrap().1)
            .collect();
        assert_eq!(nonces.len(), 1_000);
    }
}
