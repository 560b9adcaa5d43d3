//! Properties of snapshots under random votes.

use std::collections::{BTreeMap, BTreeSet};

use actoreum_primitives::{Address, B64, B256, Header};
use proptest::prelude::*;

use crate::clique::{NONCE_AUTHORIZE, NONCE_DROP, Snapshot, Tally};

const EPOCH: u64 = 40;

#[derive(Debug, Clone)]
struct Step {
    signer: u8,
    candidate: u8,
    authorize: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..7_u8, 0..7_u8, any::<bool>()).prop_map(|(signer, candidate, authorize)| Step {
        signer,
        candidate,
        authorize,
    });
    prop::collection::vec(step, 1..120)
}

fn account(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

fn hash_of(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn start(signers: u8) -> Snapshot {
    Snapshot::at_checkpoint(0, hash_of(0), (0..signers).map(account))
}

fn header(number: u64, step: &Step) -> Header {
    let is_checkpoint = number.is_multiple_of(EPOCH);
    let nonce: B64 = if step.authorize && !is_checkpoint {
        NONCE_AUTHORIZE
    } else {
        NONCE_DROP
    };
    let beneficiary = if is_checkpoint {
        Address::ZERO
    } else {
        account(step.candidate)
    };
    Header {
        number,
        nonce,
        beneficiary,
        ..Header::default()
    }
}

/// Returns the snapshots after each step that the rules allow; other steps are skipped.
fn run(signers: u8, steps: &[Step]) -> Vec<Snapshot> {
    let mut snapshots = vec![start(signers)];
    for step in steps {
        let last = snapshots
            .last()
            .expect("because there is one from the start");
        let number = last.number + 1;
        let signer = account(step.signer);
        let allowed = last.signers.contains(&signer) && !last.signed_recently(number, &signer);
        let mut next = last.clone();
        let applied = next.apply(&header(number, step), hash_of(number), signer, EPOCH);
        assert_eq!(applied.is_ok(), allowed, "the check and the count agree");
        if allowed {
            snapshots.push(next);
        }
    }
    snapshots
}

proptest! {
    #[test]
    fn prop_votes_and_tally_agree(signers in 1..7_u8, steps in steps()) {
        for snapshot in run(signers, &steps) {
            let mut counted = BTreeMap::<Address, Tally>::new();
            let mut seen = BTreeSet::new();
            for vote in &snapshot.votes {
                let opening = Tally { authorize: vote.authorize, votes: 0 };
                counted.entry(vote.address).or_insert(opening).votes += 1;
                prop_assert!(seen.insert((vote.signer, vote.address)), "once a signer");
                prop_assert!(snapshot.signers.contains(&vote.signer), "voters are signers");
                prop_assert!(snapshot.is_valid_vote(&vote.address, vote.authorize));
            }
            prop_assert_eq!(&counted, &snapshot.tally);
        }
    }

    #[test]
    fn prop_signers_change_one_at_a_time(signers in 1..7_u8, steps in steps()) {
        for pair in run(signers, &steps).windows(2) {
            let changed = pair[0].signers.symmetric_difference(&pair[1].signers).count();
            prop_assert!(changed <= 1);
        }
    }

    #[test]
    fn prop_recents_stay_short_and_a_signer_is_always_free(
        signers in 1..7_u8, steps in steps(),
    ) {
        for snapshot in run(signers, &steps) {
            let number = snapshot.number + 1;
            // One more right after a signer was dropped.
            prop_assert!(snapshot.recents.len() <= snapshot.signers.len() / 2 + 2);
            let free = snapshot.signers.iter().any(|signer| {
                !snapshot.signed_recently(number, signer)
            });
            prop_assert!(free || snapshot.signers.is_empty() || signers_just_changed(&snapshot));
        }
    }

    #[test]
    fn prop_exactly_one_signer_is_in_turn(signers in 1..7_u8, steps in steps(), number: u64) {
        for snapshot in run(signers, &steps) {
            let in_turn = snapshot.signers.iter().filter(|signer| {
                snapshot.is_in_turn(number, signer)
            });
            prop_assert_eq!(in_turn.count(), usize::from(!snapshot.signers.is_empty()));
        }
    }

    #[test]
    fn prop_snapshots_depend_on_the_headers_only(signers in 1..7_u8, steps in steps()) {
        prop_assert_eq!(run(signers, &steps), run(signers, &steps));
    }

    #[test]
    fn prop_a_gap_is_refused(signers in 1..7_u8, ahead in 2..100_u64) {
        let step = Step { signer: 0, candidate: 1, authorize: true };
        let mut snapshot = start(signers);
        let applied = snapshot.apply(&header(ahead, &step), hash_of(ahead), account(0), EPOCH);
        prop_assert_eq!(applied, Err(crate::CliqueError::InvalidVotingChain));
    }

    #[test]
    fn prop_json_round_trip(signers in 1..7_u8, steps in steps()) {
        for snapshot in run(signers, &steps) {
            let blob = serde_json::to_vec(&snapshot).expect("because it is plain data");
            let back: Snapshot = serde_json::from_slice(&blob).expect("because it was written so");
            prop_assert_eq!(back, snapshot);
        }
    }
}

/// Returns true in the block after a signer was dropped. EIP-225 lets the recents of the smaller
/// set block every signer then: with two signers left of three, both may have signed just before.
fn signers_just_changed(snapshot: &Snapshot) -> bool {
    snapshot.recents.len() > snapshot.signers.len() / 2
}
