//! Tests of the state that DevActor publishes; the rest is driven through messages in
//! `actors/tests/dev`.

use actoreum_primitives::Address;

use super::*;

#[test]
fn an_account_is_impersonated_alone_or_with_all_others() {
    let control = DevControl::new(B256::ZERO, 1);
    let (listed, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
    control.update(|state| state.impersonated.insert(listed));
    assert!(control.impersonates(&listed) && !control.impersonates(&other));
    control.update(|state| state.impersonates_all = true);
    assert!(control.impersonates(&other));
}
