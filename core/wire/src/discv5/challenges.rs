//! The WHOAREYOU challenges of this node that wait for a handshake.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use actoreum_primitives::PublicKey;

use super::session::Contact;
use crate::discv4::limiter::Source;
use crate::limits::{
    CHALLENGE_LIFETIME, MAX_CHALLENGES, MAX_CHALLENGES_PER_SOURCE, MAX_HANDSHAKE_ATTEMPTS,
};

/// A challenge.
#[derive(Debug, Clone)]
pub(super) struct Challenge {
    /// IV and header of the packet, which the answer's signature covers.
    pub data: Vec<u8>,
    /// The packet, to be repeated for further messages of the same node.
    pub datagram: Vec<u8>,
    /// The node's key, if it is known: the answer may come without a record.
    pub key: Option<PublicKey>,
}

struct Waiting {
    challenge: Challenge,
    expires_at: Instant,
    attempts: u32,
}

/// The challenges, bounded in all and for each source.
#[derive(Default)]
pub(super) struct Challenges {
    waiting: HashMap<Contact, Waiting>,
    /// Challenges in the order of their expiry; those that were answered stay until then.
    order: VecDeque<(Instant, Contact)>,
    by_source: HashMap<Source, usize>,
}

impl Challenges {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the challenge that a node has not answered yet.
    pub(super) fn current(&mut self, contact: &Contact, now: Instant) -> Option<&Challenge> {
        self.expire(now);
        self.waiting.get(contact).map(|waiting| &waiting.challenge)
    }

    /// Returns true if one more challenge of a node may be sent.
    pub(super) fn has_room(&mut self, contact: &Contact, now: Instant) -> bool {
        self.expire(now);
        let of_source = self.by_source.get(&Source::of(contact.address));
        self.waiting.len() < MAX_CHALLENGES
            && of_source.is_none_or(|count| *count < MAX_CHALLENGES_PER_SOURCE)
    }

    pub(super) fn insert(&mut self, contact: Contact, challenge: Challenge, now: Instant) {
        let expires_at = now + CHALLENGE_LIFETIME;
        let waiting = Waiting {
            challenge,
            expires_at,
            attempts: 0,
        };
        self.remove(&contact);
        self.waiting.insert(contact, waiting);
        self.order.push_back((expires_at, contact));
        *self
            .by_source
            .entry(Source::of(contact.address))
            .or_insert(0) += 1;
    }

    /// Returns the challenge to which a handshake packet may be the answer, and counts the attempt.
    /// `None` without a challenge, or after [`MAX_HANDSHAKE_ATTEMPTS`].
    pub(super) fn attempt(&mut self, contact: &Contact, now: Instant) -> Option<(Challenge, u32)> {
        self.expire(now);
        let waiting = self.waiting.get_mut(contact)?;
        waiting.attempts += 1;
        (waiting.attempts <= MAX_HANDSHAKE_ATTEMPTS)
            .then(|| (waiting.challenge.clone(), waiting.attempts))
    }

    pub(super) fn remove(&mut self, contact: &Contact) {
        if self.waiting.remove(contact).is_none() {
            return;
        }
        let source = Source::of(contact.address);
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((expires_at, contact)) = self.order.front().copied()
            && expires_at <= now
        {
            self.order.pop_front();
            let is_same = |waiting: &Waiting| waiting.expires_at == expires_at;
            if self.waiting.get(&contact).is_some_and(is_same) {
                self.remove(&contact);
            }
        }
    }
}
