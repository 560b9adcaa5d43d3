//! Signing of messages.

use actoreum_primitives::{Address, B256, Signature, U256, keccak256};

/// Returns the hash of a personal message (EIP-191, version 0x45) that `personal_sign` and
/// `eth_sign` sign. The prefix ensures that it is not a transaction.
pub fn personal_message_hash(message: &[u8]) -> B256 {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak256([prefix.as_bytes(), message].concat())
}

/// Returns the signature of `hash` by `signer` with this r and s; `None` if another key signed.
pub fn signature_by(signer: Address, hash: B256, r: U256, s: U256) -> Option<Signature> {
    let candidates = [false, true].map(|y_parity| Signature { y_parity, r, s });
    let is_theirs =
        |signature: &Signature| signature.recover_address(hash).is_ok_and(|by| by == signer);
    candidates.into_iter().find(is_theirs)
}

#[cfg(test)]
mod tests {
    use actoreum_primitives::b256;

    use super::*;

    #[test]
    fn vectors_personal_message() {
        // From the documentation of `web3.eth.accounts.hashMessage`.
        assert_eq!(
            personal_message_hash(b"Hello World"),
            b256!("a1de988600a42c4b4ab089b619297c17d53cffae5d5120d82d8a92d0bb3b78f2")
        );
    }
}
