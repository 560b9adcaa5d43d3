//! Tests of the status.

use actoreum_primitives::config::ForkId;

use super::*;

#[test]
fn a_status_is_checked_in_order() {
    let fork_id = Some(ForkId {
        hash: [1; 4].into(),
        next: 0,
    });
    let ours = Status {
        version: 64,
        network_id: 1,
        total_difficulty: U256::ZERO,
        head: B256::ZERO,
        genesis: B256::repeat_byte(1),
        fork_id,
        range: None,
    };
    let accept = |_: &ForkId| Ok::<(), String>(());
    let refuse = |_: &ForkId| Err("remote needs update".to_owned());
    assert_eq!(ours.check(&ours, accept), Ok(()));
    let mut theirs = ours;
    let error = StatusError::ForkId("remote needs update".to_owned());
    assert_eq!(theirs.check(&ours, refuse), Err(error));
    theirs.total_difficulty = U256::from(1) << 100;
    let error = theirs.check(&ours, refuse).unwrap_err();
    assert_eq!(error.to_string(), "too large total difficulty: bitlen 101");
    theirs.version = 63;
    let error = theirs.check(&ours, refuse).unwrap_err();
    assert_eq!(error.to_string(), "Protocol version mismatch - 63 (!= 64)");
    theirs.network_id = 2;
    let error = theirs.check(&ours, refuse).unwrap_err();
    assert_eq!(error.to_string(), "NetworkId mismatch - 2 (!= 1)");
    theirs.genesis = B256::ZERO;
    assert!(matches!(
        theirs.check(&ours, refuse),
        Err(StatusError::Genesis { .. })
    ));
}
