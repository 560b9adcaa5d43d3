//! The methods that change rules of the chain. Each change is a block of its own, like an edit of the
//! state, and holds from that block on: what is executed again has the rules of its block.

use std::sync::Arc;

use actoreum_chain::{AccountEdit, Edit};
use actoreum_primitives::config::SignatureBytes;
use actoreum_primitives::{Address, Bytes};

use super::args::Number;
use super::state::edit_all;
use super::{Answer, done};
use crate::error::RpcError;
use crate::node::Node;
use crate::server::json::scan::{self, Kind};
use crate::server::limits::MAX_IMPERSONATED_SIGNATURES;
use crate::server::method::Method;
use crate::server::param::{FromParam, ParamError};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("anvil_setChainId", &["chainId"], set_chain_id),
        Method::actor(
            "anvil_impersonateSignature",
            &["signature", "signer"],
            impersonate_signature,
        ),
    ]
}

async fn set_chain_id(node: Arc<Node>, (Number(chain_id),): (Number,)) -> Answer {
    let edit = AccountEdit {
        address: Address::ZERO,
        change: Edit::ChainId(chain_id),
    };
    edit_all(&node, vec![edit]).await?;
    done(&node)
}

/// A signature, or an array of the signature and its signer: anvil 1.7.1 takes all arguments as one.
struct SignatureArg(SignatureBytes, Option<Address>);

impl FromParam for SignatureArg {
    const SCHEMA: &'static str = r#"{"title":"signature","type":["string","array"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) == Kind::Array {
            let mut elements = scan::elements(raw);
            return match (elements.next(), elements.next(), elements.next()) {
                (Some(signature), Some(signer), None) => {
                    let signer = Address::from_raw(signer)?;
                    Ok(Self(Self::signature(signature)?, Some(signer)))
                }
                _ => Err(ParamError::text("a signature and its signer are wanted")),
            };
        }
        Ok(Self(Self::signature(raw)?, None))
    }
}

impl SignatureArg {
    fn signature(raw: &str) -> Result<SignatureBytes, ParamError> {
        let bytes = Bytes::from_raw(raw)?;
        let bytes: &[u8] = bytes.as_ref();
        let signature = SignatureBytes::try_from(bytes);
        signature.map_err(|_| ParamError::text("a signature has 65 bytes: r, s and v"))
    }
}

/// Has ECRECOVER return an account for a signature, whatever was signed.
async fn impersonate_signature(
    node: Arc<Node>,
    (SignatureArg(signature, nested), signer): (SignatureArg, Option<Address>),
) -> Answer {
    let Some(address) = signer.or(nested) else {
        return Err(RpcError::invalid_params(
            "missing value for required argument 1",
        ));
    };
    let rules = node.chain_reader.config().dev_rules.as_ref();
    let held = rules.map_or(0, |rules| rules.schedule().signers());
    if held >= MAX_IMPERSONATED_SIGNATURES {
        let text = format!("{MAX_IMPERSONATED_SIGNATURES} are held already");
        return Err(RpcError::server(text));
    }
    let change = Edit::Signer(signature);
    edit_all(&node, vec![AccountEdit { address, change }]).await?;
    done(&node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_alone_or_with_its_signer() {
        let signature = format!("\"0x{}\"", "1b".repeat(65));
        let signer = format!("\"0x{}\"", "22".repeat(20));
        let read = |raw: &str| SignatureArg::from_raw(raw).map(|SignatureArg(_, signer)| signer);
        assert_eq!(read(&signature), Ok(None));
        let both = format!("[{signature},{signer}]");
        assert_eq!(read(&both), Ok(Some(Address::repeat_byte(0x22))));
        for malformed in ["\"0x1234\"", "[]", "7", &format!("[{signature}]")] {
            assert!(read(malformed).is_err(), "{malformed}");
        }
    }
}
