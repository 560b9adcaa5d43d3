use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc};

use actoreum_consensus::clique::{SEAL_BYTES, VANITY_BYTES, put_seal, seal_hash};
use actoreum_primitives::{Address, B256, Block, Body, Header, SecretKey};
use proptest::prelude::*;

use super::*;

/// Outcome of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Done,
    /// It fails, and nothing is on disk.
    Lost,
    /// It fails although everything is on disk.
    Late,
}

#[derive(Debug)]
pub(crate) struct Failed;

/// The files of one machine, which survive the process.
#[derive(Debug)]
pub(crate) struct Files {
    last: Option<Block>,
    records: BTreeMap<Address, SigningRecord>,
    /// Outcome of the next writes of the database and of the record.
    next: [Write; 2],
}

#[derive(Debug, Clone)]
pub(crate) struct Disk(Rc<RefCell<Files>>);

impl Disk {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(Files {
            last: None,
            records: BTreeMap::new(),
            next: [Write::Done; 2],
        })))
    }

    /// Starts a process on these files.
    pub(crate) fn open(&self) -> Guard<Self> {
        let mut guard = Guard::new(self.clone(), self.0.borrow().last.clone());
        guard.begin_generation();
        guard
    }

    fn lose_database(&self) {
        self.0.borrow_mut().last = None;
    }

    fn write(&self, place: usize, write: impl FnOnce(&mut Files)) -> Result<(), Failed> {
        let mut files = self.0.borrow_mut();
        let outcome = std::mem::replace(&mut files.next[place], Write::Done);
        if outcome != Write::Lost {
            write(&mut files);
        }
        if outcome == Write::Done {
            Ok(())
        } else {
            Err(Failed)
        }
    }
}

impl SigningStore for Disk {
    type StoreError = Failed;
    type RecordError = Failed;

    fn write_last(&mut self, block: Option<&Block>) -> Result<(), Failed> {
        self.write(0, |files| files.last = block.cloned())
    }

    fn keeps_records(&self) -> bool {
        true
    }

    fn open_record(&mut self, signer: Address) -> Result<SigningRecord, Failed> {
        let files = self.0.borrow();
        let record = files.records.get(&signer).copied();
        Ok(record.unwrap_or(SigningRecord::new(signer)))
    }

    fn write_record(&mut self, record: &SigningRecord) -> Result<(), Failed> {
        self.write(1, |files| {
            files.records.insert(record.signer, *record);
        })
    }

    fn close_record(&mut self) {}

    fn record_files(&self) -> Vec<PathBuf> {
        vec![PathBuf::from("record")]
    }
}

fn key(of: u8) -> SecretKey {
    SecretKey::from_bytes(&[of + 1; 32]).unwrap()
}

/// Returns a block of this number that the key signed; `content` tells it from others.
fn block(number: u64, of: u8, content: u8) -> Block {
    let mut extra = vec![content; VANITY_BYTES];
    extra.resize(VANITY_BYTES + SEAL_BYTES, 0);
    let mut header = Header {
        number,
        extra_data: extra.into(),
        ..Header::default()
    };
    let hash = seal_hash(&header).unwrap();
    put_seal(&mut header, &key(of).sign(hash)).unwrap();
    Block {
        header,
        body: Body::default(),
    }
}

fn is_by(block: &Block, of: u8) -> bool {
    recover_signer(&block.header).ok() == Some(key(of).address())
}

/// Returns a height of a chain with several signers.
fn shared(number: u64, of: u8) -> Height {
    Height {
        number,
        signer: key(of).address(),
        is_shared: true,
    }
}

fn sign(guard: &mut Guard<Disk>, number: u64, of: u8, content: u8) -> Option<Block> {
    let reservation = guard.reserve(shared(number, of)).ok()?;
    let block = block(number, of, content);
    guard.remember(reservation, &block).ok()?;
    Some(block)
}

#[test]
fn a_crash_between_the_two_writes_loses_no_height() {
    let disk = Disk::new();
    disk.0.borrow_mut().next[1] = Write::Lost;
    assert_eq!(sign(&mut disk.open(), 5, 0, 1), None);
    let mut guard = disk.open();
    assert_eq!(guard.last(), Some(&block(5, 0, 1)), "it is published again");
    guard.check(shared(6, 0)).unwrap();
    disk.lose_database();
    let refused = disk.open().check(shared(5, 0));
    assert!(matches!(
        refused,
        Err(Refusal::SignedElsewhere { highest: 5, .. })
    ));
}

/// The block is answered for publication although its record failed: it is recorded before that.
#[test]
fn a_failed_record_is_written_before_its_block_is_named() {
    let disk = Disk::new();
    let mut guard = disk.open();
    disk.0.borrow_mut().next[1] = Write::Lost;
    assert_eq!(sign(&mut guard, 5, 0, 1), None);
    disk.0.borrow_mut().next[1] = Write::Lost;
    let refused = guard.check(shared(5, 0));
    assert!(matches!(refused, Err(Refusal::Record(Failed))));
    let refused = guard.check(shared(5, 0));
    assert!(matches!(refused, Err(Refusal::Signed(before)) if *before == block(5, 0, 1)));
    disk.lose_database();
    assert!(disk.open().check(shared(5, 0)).is_err());
}

/// A rewind takes the chain for one of a single signer, and so records a block that it finds in the
/// database as one that may be freed.
#[test]
fn a_rewind_frees_no_height_that_was_named_later() {
    let disk = Disk::new();
    let mut guard = disk.open();
    disk.0.borrow_mut().next[1] = Write::Lost;
    assert_eq!(sign(&mut guard, 5, 0, 1), None);
    let signer = Some(key(0).address());
    guard.rewind(2, 3, signer).unwrap();
    let refused = guard.check(shared(5, 0));
    assert!(matches!(refused, Err(Refusal::Signed(_))));
    guard.rewind(2, 5, signer).unwrap();
    assert!(guard.reserve(shared(5, 0)).is_err());
}

/// The etherbase is changed while the key signs.
#[test]
fn a_block_is_recorded_for_the_key_that_signed_it() {
    let disk = Disk::new();
    let mut guard = disk.open();
    let reservation = guard.reserve(shared(5, 0)).unwrap();
    guard.check(shared(5, 1)).unwrap();
    guard.remember(reservation, &block(5, 0, 1)).unwrap();
    let records = &disk.0.borrow().records;
    let highest = |of| records.get(&key(of).address()).map(|record| record.highest);
    assert_eq!((highest(0), highest(1)), (Some(5), None));
}

#[test]
fn a_failed_write_of_the_database_records_nothing() {
    for outcome in [Write::Lost, Write::Late] {
        let disk = Disk::new();
        let mut guard = disk.open();
        disk.0.borrow_mut().next[0] = outcome;
        assert_eq!(sign(&mut guard, 5, 0, 1), None);
        assert_eq!(disk.0.borrow().records.len(), 0);
        assert_eq!(sign(&mut guard, 5, 0, 2), Some(block(5, 0, 2)));
    }
}

#[test]
fn a_block_of_another_number_is_not_remembered() {
    let mut guard = Disk::new().open();
    let reservation = guard.reserve(shared(5, 0)).unwrap();
    let outcome = guard.remember(reservation, &block(6, 0, 1));
    assert!(matches!(outcome, Err(RememberError::Outdated)));
}

#[test]
fn a_key_that_is_signing_keeps_its_record() {
    let mut guard = Disk::new().open();
    let reservation = guard.reserve(shared(5, 0)).unwrap();
    guard.release_key();
    assert_eq!(guard.highest(key(0).address()), Some(0));
    guard.release(reservation);
    guard.release_key();
    assert_eq!(guard.highest(key(0).address()), None);
}

#[derive(Debug, Clone)]
enum Step {
    Sign(u64, u8, u8, [Write; 2]),
    /// The height is reserved, and the actor restarts before it is signed.
    Abandon(u64, u8),
    Observe(u64, u8, [Write; 2]),
    Withdraw([Write; 2]),
    Rewind(u64, u64, u8, [Write; 2]),
    ReleaseKey,
    RestartActor,
    RestartProcess,
    LoseDatabase,
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        4 => Just(Write::Done),
        1 => Just(Write::Lost),
        1 => Just(Write::Late),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let writes = || [write(), write()];
    prop_oneof![
        8 => (1..8_u64, 0..2_u8, 0..4_u8, writes()).prop_map(|(n, k, c, w)| Step::Sign(n, k, c, w)),
        1 => (1..8_u64, 0..2_u8).prop_map(|(n, k)| Step::Abandon(n, k)),
        1 => (1..8_u64, 0..2_u8, writes()).prop_map(|(n, k, w)| Step::Observe(n, k, w)),
        1 => writes().prop_map(Step::Withdraw),
        1 => (0..8_u64, 0..8_u64, 0..2_u8, writes())
            .prop_map(|(to, from, k, w)| Step::Rewind(to, from, k, w)),
        1 => Just(Step::ReleaseKey),
        1 => Just(Step::RestartActor),
        1 => Just(Step::RestartProcess),
        1 => Just(Step::LoseDatabase),
    ]
}

/// The blocks that left this machine, by key and number.
#[derive(Default)]
struct Published(BTreeMap<(Address, u64), B256>);

impl Published {
    fn add(&mut self, block: &Block) {
        let signer = recover_signer(&block.header).unwrap();
        let number = block.header.number;
        let before = self.0.entry((signer, number)).or_insert(block.hash());
        assert_eq!(*before, block.hash(), "two blocks of number {number}");
    }
}

fn run(steps: Vec<Step>) {
    let disk = Disk::new();
    let mut guard = disk.open();
    let mut published = Published::default();
    let fail = |writes: [Write; 2]| disk.0.borrow_mut().next = writes;
    for step in steps {
        match step {
            Step::Sign(number, of, content, writes) => {
                fail(writes);
                match guard.reserve(shared(number, of)) {
                    Ok(reservation) => {
                        let block = block(number, of, content);
                        if guard.remember(reservation, &block).is_ok() {
                            published.add(&block);
                        }
                    }
                    // The block of another key is published as well. It is on that key's record,
                    // unless the write failed; then a loss of the database on top is not survived.
                    Err(Refusal::Signed(before)) if is_by(&before, of) => published.add(&before),
                    Err(_) => {}
                }
            }
            Step::Abandon(number, of) => {
                let reserved = guard.reserve(shared(number, of));
                guard.begin_generation();
                if let Ok(reservation) = reserved {
                    let late = guard.remember(reservation, &block(number, of, 9));
                    assert!(matches!(late, Err(RememberError::Outdated)));
                }
            }
            Step::Observe(number, of, writes) => {
                fail(writes);
                let _ = guard.observe(shared(number, of), B256::repeat_byte(1));
            }
            Step::Withdraw(writes) => {
                fail(writes);
                if let Some(hash) = guard.last().map(Block::hash) {
                    let _ = guard.withdraw(hash);
                }
            }
            Step::Rewind(to, from, of, writes) => {
                fail(writes);
                let _ = guard.rewind(to, from, Some(key(of).address()));
            }
            Step::ReleaseKey => guard.release_key(),
            Step::RestartActor => guard.begin_generation(),
            Step::RestartProcess => guard = disk.open(),
            Step::LoseDatabase => {
                disk.lose_database();
                guard = disk.open();
            }
        }
        fail([Write::Done; 2]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever fails, restarts or is lost: of a chain with several signers no two blocks of one
    /// number are published.
    #[test]
    fn no_two_blocks_of_one_height_are_published(
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        run(steps);
    }
}
