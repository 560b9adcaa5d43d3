//! Arguments in the forms that tools of development chains use.

use std::time::Duration;

use actoreum_messages::worker::SetInterval;
use actoreum_primitives::{B256, U256};

use crate::hexutil;
use crate::server::json::scan::{self, Kind};
use crate::server::object::Object;
use crate::server::param::{FromParam, ParamError};

/// An amount of up to 256 bits: a JSON integer, or a string with a hex number, which may have
/// leading zeros, or with a decimal one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Amount(pub U256);

impl FromParam for Amount {
    const SCHEMA: &'static str = r#"{"title":"number","type":["integer","string"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = match Kind::of(raw) {
            Kind::Number => raw.into(),
            Kind::String => scan::unquote(raw),
            // Foundry's tools send a number as the only element of an array, too.
            Kind::Array => return Self::from_elements(raw),
            other => return Err(ParamError::mistyped(other.name(), "hexutil.Big")),
        };
        let number = match hexutil::strip_prefix(&text) {
            Some(digits) => parse(digits, 16),
            None => parse(&text, 10),
        };
        number
            .map(Self)
            .ok_or_else(|| ParamError::mistyped("invalid number", "hexutil.Big"))
    }
}

impl Amount {
    fn from_elements(raw: &str) -> Result<Self, ParamError> {
        let mut elements = scan::elements(raw);
        match (elements.next(), elements.next()) {
            (Some(one), None) if Kind::of(one) != Kind::Array => Self::from_raw(one),
            _ => Err(ParamError::mistyped("array", "hexutil.Big")),
        }
    }
}

/// Parses digits alone: without a sign or separators.
fn parse(digits: &str, radix: u64) -> Option<U256> {
    let is_digit = |digit: char| digit.is_digit(radix as u32);
    let are_digits = !digits.is_empty() && digits.chars().all(is_digit);
    are_digits
        .then(|| U256::from_str_radix(digits, radix).ok())
        .flatten()
}

/// A number of up to 64 bits, in the forms of [`Amount`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Number(pub u64);

impl FromParam for Number {
    const SCHEMA: &'static str = Amount::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let Amount(number) = Amount::from_raw(raw)?;
        let number = u64::try_from(number);
        number
            .map(Self)
            .map_err(|_| ParamError::mistyped("number > 64 bits", "hexutil.Uint64"))
    }
}

/// 32 bytes as a hex string, which may be shorter, or as a number in the forms of [`Amount`].
pub(super) struct Word(pub U256);

impl FromParam for Word {
    const SCHEMA: &'static str = Amount::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        Amount::from_raw(raw).map(|amount| Self(amount.0))
    }
}

impl Word {
    /// Returns the bytes, big-endian.
    pub(super) fn bytes(&self) -> B256 {
        B256::from(self.0.to_be_bytes::<32>())
    }
}

/// An interval: a number, or Hardhat's `[min, max]`, in which each interval is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IntervalArg {
    min: u64,
    max: u64,
}

impl FromParam for IntervalArg {
    const SCHEMA: &'static str = r#"{"title":"interval","type":["integer","string","array"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Array {
            return Number::from_raw(raw).map(|Number(one)| Self { min: one, max: one });
        }
        let bounds: Result<Vec<Number>, _> = scan::elements(raw).map(Number::from_raw).collect();
        match bounds?.as_slice() {
            [Number(one)] => Ok(Self {
                min: *one,
                max: *one,
            }),
            [Number(min), Number(max)] if min <= max => Ok(Self {
                min: *min,
                max: *max,
            }),
            _ => Err(ParamError::text(
                "an interval is a number, or the array [min, max]",
            )),
        }
    }
}

impl IntervalArg {
    /// Returns the shortest and the longest interval: `unit` is [`Duration::from_secs`] or
    /// [`Duration::from_millis`].
    pub(super) fn of(self, unit: fn(u64) -> Duration) -> SetInterval {
        SetInterval {
            shortest: unit(self.min),
            longest: unit(self.max),
        }
    }
}

/// The argument of `evm_mine`: a number is the time of the block; `{"timestamp": …, "blocks": …}`
/// are anvil's and ganache's options.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MineArgs {
    pub timestamp: Option<u64>,
    pub blocks: Option<u64>,
}

impl FromParam for MineArgs {
    const SCHEMA: &'static str = r#"{"title":"options","type":["integer","string","object"]}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Object {
            let timestamp = Some(Number::from_raw(raw)?.0);
            return Ok(Self {
                timestamp,
                blocks: None,
            });
        }
        let object = Object::new(raw, "evm.MineOptions")?;
        let number = |name| Ok(object.get::<Number>(name)?.map(|number| number.0));
        Ok(Self {
            timestamp: number("timestamp")?,
            blocks: number("blocks")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_many_forms() {
        let number = |raw| Number::from_raw(raw).map(|number| number.0);
        for raw in [
            "16",
            "\"0x10\"",
            "\"0x0010\"",
            "\"16\"",
            "[\"0x10\"]",
            "[16]",
        ] {
            assert_eq!(number(raw), Ok(16), "{raw}");
        }
        for raw in [
            "-1",
            "1.5",
            "\"\"",
            "\"0x\"",
            "\"0xg\"",
            "\"+1\"",
            "\"1_0\"",
            "[]",
            "[1,2]",
            "[[1]]",
            "{}",
            "true",
            "\"0x10000000000000000\"",
        ] {
            assert!(number(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn an_amount_has_up_to_256_bits() {
        let ether = "10000000000000000000000";
        let expected = Ok(Amount(U256::from(10).pow(U256::from(22))));
        assert_eq!(Amount::from_raw(ether), expected);
        assert_eq!(Amount::from_raw(&format!("\"{ether}\"")), expected);
        let digits = "f".repeat(64);
        assert_eq!(
            Amount::from_raw(&format!("\"0x{digits}\"")),
            Ok(Amount(U256::MAX))
        );
        assert!(Amount::from_raw(&format!("\"0x1{digits}\"")).is_err());
    }

    #[test]
    fn an_interval_is_a_number_or_a_range() {
        let interval =
            |raw| IntervalArg::from_raw(raw).map(|interval| (interval.min, interval.max));
        assert_eq!(interval("1000"), Ok((1_000, 1_000)));
        assert_eq!(interval("[1000,2000]"), Ok((1_000, 2_000)));
        assert_eq!(interval("[7]"), Ok((7, 7)));
        for raw in ["[2000,1000]", "[]", "[1,2,3]", "{}"] {
            assert!(interval(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_block_is_mined_at_a_time_or_with_options() {
        let args = |raw| MineArgs::from_raw(raw).unwrap();
        let expected = |timestamp, blocks| MineArgs { timestamp, blocks };
        assert_eq!(args("7"), expected(Some(7), None));
        assert_eq!(args("{}"), expected(None, None));
        assert_eq!(args("{\"blocks\":3}"), expected(None, Some(3)));
        assert_eq!(
            args("{\"timestamp\":\"0x07\",\"blocks\":null}"),
            expected(Some(7), None)
        );
    }
}
