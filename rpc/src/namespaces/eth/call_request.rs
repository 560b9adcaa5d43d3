//! The arguments of `eth_call` and the related methods.

use actoreum_evm::{AccountOverride, BlockOverrides, CallRequest, StateOverrides};
use actoreum_primitives::{AccessListItem, Address, Authorization, B256, Bytes, U256};
use std::collections::BTreeMap;

use crate::server::json::scan::{self, Kind};
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

/// The arguments of a call, as geth takes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallArgs(pub CallRequest);

impl FromParam for CallArgs {
    const SCHEMA: &'static str = r#"{"title":"call","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.CallArgs")?;
        let request = CallRequest {
            from: object.get("from")?,
            to: object.get("to")?,
            // Zero means that the caller sets no limit, as in geth.
            gas: object.get::<u64>("gas")?.filter(|gas| *gas > 0),
            gas_price: object.get("gasPrice")?,
            max_fee_per_gas: object.get("maxFeePerGas")?,
            max_priority_fee_per_gas: object.get("maxPriorityFeePerGas")?,
            value: object.get("value")?.unwrap_or_default(),
            input: input(&object)?.bytes,
            access_list: object.get("accessList")?.unwrap_or_default(),
            max_fee_per_blob_gas: object.get("maxFeePerBlobGas")?,
            blob_hashes: object.get("blobVersionedHashes")?.unwrap_or_default(),
            authorization_list: object.get("authorizationList")?.unwrap_or_default(),
        };
        let names_tip =
            request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
        if request.gas_price.is_some() && names_tip {
            return Err(ParamError::text(
                "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
            ));
        }
        Ok(Self(request))
    }
}

/// The data of a call or a transaction.
pub(crate) struct Input {
    /// The member `input` or, if absent, `data`, the name that older clients use.
    pub(crate) bytes: Bytes,
    /// Whether both members are present and differ. A call then uses `input`, as in geth; a
    /// transaction is refused.
    pub(crate) is_ambiguous: bool,
}

/// Reads the members `input` and `data`.
pub(crate) fn input(object: &Object<'_>) -> Result<Input, ParamError> {
    let input: Option<Bytes> = object.get("input")?;
    let data: Option<Bytes> = object.get("data")?;
    let is_ambiguous = input.is_some() && data.is_some() && input != data;
    Ok(Input {
        bytes: input.or(data).unwrap_or_default(),
        is_ambiguous,
    })
}

impl FromParam for AccessListItem {
    const SCHEMA: &'static str = r#"{"title":"access list item","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "types.AccessTuple")?;
        Ok(Self {
            address: object.get("address")?.unwrap_or_default(),
            storage_keys: object.get("storageKeys")?.unwrap_or_default(),
        })
    }
}

impl FromParam for Authorization {
    const SCHEMA: &'static str = r#"{"title":"authorization","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "types.SetCodeAuthorization")?;
        let y_parity = object.get::<u64>("yParity")?.unwrap_or_default();
        Ok(Self {
            chain_id: object.get("chainId")?.unwrap_or_default(),
            address: object.get("address")?.unwrap_or_default(),
            nonce: object.get("nonce")?.unwrap_or_default(),
            y_parity: u8::try_from(y_parity)
                .map_err(|_| ParamError::text("yParity of an authorization is above 255"))?,
            r: object.get("r")?.unwrap_or_default(),
            s: object.get("s")?.unwrap_or_default(),
        })
    }
}

/// The accounts that are overridden for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateOverrideArgs(pub StateOverrides);

impl FromParam for StateOverrideArgs {
    const SCHEMA: &'static str = r#"{"title":"state overrides","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        Object::new(raw, "ethapi.StateOverride")?;
        let mut overrides = StateOverrides::new();
        for (key, value) in scan::members(raw) {
            let address = Address::from_raw(&format!("\"{key}\""))?;
            let account = account_override(value)?;
            if account.state.is_some() && account.state_diff.is_some() {
                return Err(ParamError::text(format!(
                    "account {} has both 'state' and 'stateDiff'",
                    address.to_checksum(None)
                )));
            }
            overrides.insert(address, account);
        }
        Ok(Self(overrides))
    }
}

fn account_override(raw: &str) -> Result<AccountOverride, ParamError> {
    let object = Object::new(raw, "ethapi.OverrideAccount")?;
    Ok(AccountOverride {
        nonce: object.get("nonce")?,
        balance: object.get("balance")?,
        code: object.get("code")?,
        state: object.get::<Slots>("state")?.map(|slots| slots.0),
        state_diff: object.get::<Slots>("stateDiff")?.map(|slots| slots.0),
        move_precompile_to: object.get("movePrecompileToAddress")?,
    })
}

struct Slots(BTreeMap<B256, B256>);

impl FromParam for Slots {
    const SCHEMA: &'static str = r#"{"type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Object => scan::members(raw)
                .map(|(key, value)| {
                    Ok((
                        B256::from_raw(&format!("\"{key}\""))?,
                        B256::from_raw(value)?,
                    ))
                })
                .collect::<Result<_, _>>()
                .map(Self),
            other => Err(ParamError::mistyped(
                other.name(),
                "map[common.Hash]common.Hash",
            )),
        }
    }
}

/// The fields of the block that are overridden for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockOverrideArgs(pub BlockOverrides);

impl FromParam for BlockOverrideArgs {
    const SCHEMA: &'static str = r#"{"title":"block overrides","type":"object"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let object = Object::new(raw, "ethapi.BlockOverrides")?;
        let blob_base_fee: Option<U256> = object.get("blobBaseFee")?;
        Ok(Self(BlockOverrides {
            number: object.get("number")?,
            difficulty: object.get("difficulty")?,
            time: object.get("time")?,
            gas_limit: object.get("gasLimit")?,
            coinbase: object.get("feeRecipient")?.or(object.get("coinbase")?),
            random: object.get("prevRandao")?.or(object.get("random")?),
            base_fee: object.get("baseFeePerGas")?.or(object.get("baseFee")?),
            blob_base_fee: blob_base_fee.map(|fee| u128::try_from(fee).unwrap_or(u128::MAX)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_arguments_have_geths_names_and_texts() {
        let to = "0x5810c5b4be43d3bf1195392a6a744597fe0fb561";
        let call = CallArgs::from_raw(&format!(
            "{{\"to\":\"{to}\",\"data\":\"0x01\",\"gas\":\"0x0\",\"value\":null}}"
        ));
        let call = call.unwrap().0;
        assert_eq!(call.to, Some(to.parse().unwrap()));
        assert_eq!(
            (call.input.as_ref(), call.gas, call.value),
            (&[1u8][..], None, U256::ZERO)
        );
        let text = |raw: &str| CallArgs::from_raw(raw).unwrap_err().to_string();
        assert_eq!(
            text("{\"to\":\"5810\"}"),
            "json: cannot unmarshal hex string without 0x prefix into Go struct field CallArgs.to of type common.Address"
        );
        assert_eq!(
            text("[]"),
            "json: cannot unmarshal array into Go value of type ethapi.CallArgs"
        );
        let both = CallArgs::from_raw("{\"data\":\"0x02\",\"input\":\"0x01\"}").unwrap();
        assert_eq!(both.0.input.as_ref(), &[1], "`input` takes precedence");
        assert!(text("{\"gasPrice\":\"0x1\",\"maxFeePerGas\":\"0x1\"}").contains("both gasPrice"));
    }

    #[test]
    fn overrides_are_parsed() {
        let (address, word) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let raw = format!(
            "{{\"{address}\":{{\"balance\":\"0x5\",\"stateDiff\":{{\"{word}\":\"{word}\"}}}}}}"
        );
        let overrides = StateOverrideArgs::from_raw(&raw).unwrap().0;
        assert_eq!(overrides[&address].balance, Some(U256::from(5)));
        assert_eq!(
            overrides[&address].state_diff.as_ref().unwrap()[&word],
            word
        );
        let both = format!("{{\"{address}\":{{\"state\":{{}},\"stateDiff\":{{}}}}}}");
        assert!(StateOverrideArgs::from_raw(&both).is_err());
        let block = BlockOverrideArgs::from_raw("{\"number\":\"0x7\",\"baseFee\":\"0x9\"}")
            .unwrap()
            .0;
        assert_eq!(
            (block.number, block.base_fee),
            (Some(U256::from(7)), Some(9))
        );
    }
}
