//! What keeps a signer from signing two blocks of one height.
//!
//! A height is reserved before it is signed, and a signed block is on disk before anybody else
//! sees it. So after a crash at any moment either nothing of the height was given away, or the
//! block itself is there to be given away again.

use actoreum_primitives::{B256, Block, rlp};
use actoreum_storage::{Commit, StorageError, Store};
use parking_lot::Mutex;
use tracing::debug;

/// Under this name the store keeps the last signed block, in RLP.
const LAST_SIGNED: &str = "last signed block";

/// The memory of one signer. It outlives the generations of its actor.
pub struct SealGuard {
    store: Store,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last: Option<Block>,
    reserved: Option<Reservation>,
    /// Counts the actor's generations: what an earlier one left under way comes to nothing.
    generation: u64,
}

/// The right to sign one height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservation {
    number: u64,
    generation: u64,
}

/// Why a height may not be signed.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is being signed.
    Reserved,
    /// This block of the same height or of a higher one was signed.
    Signed(Box<Block>),
}

/// Why a signed block was not remembered, and so must not be given away.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    /// The actor that reserved the height is gone.
    #[error("the reservation is no longer valid")]
    Outdated,
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl SealGuard {
    /// Reads what was signed last.
    pub fn open(store: Store) -> Result<Self, StorageError> {
        let last = match store.meta(LAST_SIGNED)? {
            Some(record) => Some(rlp::decode_exact(&record).map_err(|_| {
                StorageError::Corrupt("the last signed block is not readable".to_owned())
            })?),
            None => None,
        };
        let state = State {
            last,
            ..State::default()
        };
        Ok(Self {
            store,
            state: Mutex::new(state),
        })
    }

    /// A new generation begins: reservations of earlier ones are void.
    pub fn begin_generation(&self) {
        let mut state = self.state.lock();
        state.generation += 1;
        state.reserved = None;
    }

    /// The last block that was signed.
    pub fn last(&self) -> Option<Block> {
        self.state.lock().last.clone()
    }

    /// The last signed block, where it is of this height or of a higher one.
    pub fn signed(&self, number: u64) -> Option<Block> {
        let state = self.state.lock();
        let last = state.last.as_ref();
        last.filter(|last| last.header.number >= number).cloned()
    }

    /// Reserves a height, where nothing of it or above it was signed.
    pub fn reserve(&self, number: u64) -> Result<Reservation, Refusal> {
        let mut state = self.state.lock();
        if state.reserved.is_some() {
            return Err(Refusal::Reserved);
        }
        if let Some(last) = &state.last
            && last.header.number >= number
        {
            return Err(Refusal::Signed(Box::new(last.clone())));
        }
        let generation = state.generation;
        let reservation = Reservation { number, generation };
        state.reserved = Some(reservation);
        Ok(reservation)
    }

    /// Gives a height back, of which nothing was signed.
    pub fn release(&self, reservation: Reservation) {
        let mut state = self.state.lock();
        if state.reserved == Some(reservation) {
            state.reserved = None;
        }
    }

    /// Writes a signed block to disk. After an error it must not be given away.
    pub fn remember(&self, reservation: Reservation, block: &Block) -> Result<(), RememberError> {
        let mut state = self.state.lock();
        if state.reserved != Some(reservation) || block.header.number != reservation.number {
            return Err(RememberError::Outdated);
        }
        state.reserved = None;
        let mut commit = Commit::new();
        commit.put_meta(LAST_SIGNED, &rlp::encode(block));
        self.store.commit(commit)?;
        debug!(number = reservation.number, hash = %block.hash(), "signed a block");
        state.last = Some(block.clone());
        Ok(())
    }

    /// Forgets the last signed block, where it is the one with this hash: it can never become
    /// part of a chain.
    pub fn withdraw(&self, hash: B256) -> Result<(), StorageError> {
        self.forget_if(|last| last.hash() == hash)
    }

    /// Forgets the last signed block, where it is above `number`.
    pub fn rewind(&self, number: u64) -> Result<(), StorageError> {
        self.forget_if(|last| last.header.number > number)
    }

    fn forget_if(&self, is_void: impl FnOnce(&Block) -> bool) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        if !state.last.as_ref().is_some_and(is_void) {
            return Ok(());
        }
        let mut commit = Commit::new();
        commit.remove_meta(LAST_SIGNED);
        self.store.commit(commit)?;
        state.last = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::{Body, Header};

    use super::*;

    fn block(number: u64, extra: u8) -> Block {
        let header = Header {
            number,
            extra_data: vec![extra].into(),
            ..Header::default()
        };
        Block {
            header,
            body: Body::default(),
        }
    }

    #[test]
    fn a_height_is_signed_once_also_after_a_restart_of_the_process() {
        let store = Store::memory();
        let guard = SealGuard::open(store.clone()).unwrap();
        let reservation = guard.reserve(5).unwrap();
        assert_eq!(guard.reserve(5), Err(Refusal::Reserved));
        assert_eq!(guard.reserve(6), Err(Refusal::Reserved));
        guard.remember(reservation, &block(5, 1)).unwrap();
        for guard in [guard, SealGuard::open(store).unwrap()] {
            for number in [4, 5] {
                let refused = guard.reserve(number).unwrap_err();
                assert_eq!(refused, Refusal::Signed(Box::new(block(5, 1))));
            }
            let next = guard.reserve(6).unwrap();
            guard.release(next);
        }
    }

    #[test]
    fn what_an_earlier_generation_began_comes_to_nothing() {
        let guard = SealGuard::open(Store::memory()).unwrap();
        let old = guard.reserve(5).unwrap();
        guard.begin_generation();
        let new = guard.reserve(5).unwrap();
        assert!(matches!(
            guard.remember(old, &block(5, 1)),
            Err(RememberError::Outdated)
        ));
        guard.release(old);
        guard.remember(new, &block(5, 2)).unwrap();
        assert_eq!(guard.last(), Some(block(5, 2)));
    }

    #[test]
    fn a_withdrawn_block_and_a_rewound_chain_free_the_height() {
        let store = Store::memory();
        let guard = SealGuard::open(store.clone()).unwrap();
        guard
            .remember(guard.reserve(5).unwrap(), &block(5, 1))
            .unwrap();
        guard.withdraw(block(5, 2).hash()).unwrap();
        guard.rewind(5).unwrap();
        assert!(guard.reserve(5).is_err(), "neither was meant");
        guard.withdraw(block(5, 1).hash()).unwrap();
        guard
            .remember(guard.reserve(5).unwrap(), &block(5, 2))
            .unwrap();
        guard.rewind(3).unwrap();
        assert_eq!(guard.last(), None);
        assert_eq!(SealGuard::open(store).unwrap().last(), None);
    }
}
