//! `personal_*`: signing for whoever has the password, or the key lies open for.

use std::sync::Arc;

use actoreum_primitives::{Address, Bytes, Signature};
use actoreum_wallet::{Password, signing};

use crate::error::RpcError;
use crate::eth::accounts;
use crate::method::Method;
use crate::node::Node;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("personal_ecRecover", &["data", "signature"], ec_recover),
        Method::actor("personal_listAccounts", &[], accounts::accounts),
        Method::actor("personal_sign", &["data", "address", "password"], sign),
    ]
}

async fn sign(
    node: Arc<Node>,
    (data, address, password): (Bytes, Address, Option<String>),
) -> Result<Bytes, RpcError> {
    // Wallets send an empty password, or none, for a key that lies open.
    let password = password.filter(|password| !password.is_empty());
    let password = password.map(|password| Password::from(password.as_str()));
    accounts::sign_message(&node, address, &data, password).await
}

/// Who signed a message.
fn ec_recover(_: &Node, (data, signature): (Bytes, Bytes)) -> Result<Address, RpcError> {
    let mut bytes: [u8; 65] = signature
        .as_ref()
        .try_into()
        .map_err(|_| RpcError::server("signature must be 65 bytes long"))?;
    let [.., v] = &mut bytes;
    *v = v
        .checked_sub(27)
        .filter(|parity| *parity <= 1)
        .ok_or_else(|| RpcError::server("invalid Ethereum signature (V is not 27 or 28)"))?;
    let signature = Signature::from_bytes(&bytes);
    let hash = signing::personal_message_hash(&data);
    signature
        .and_then(|signature| signature.recover_address(hash))
        .map_err(|error| RpcError::server(error.to_string()))
}
