//! Arguments: parsed from the raw JSON of a request into typed values, with geth's error texts.

use std::borrow::Cow;

use actoreum_primitives::alloy_primitives::hex;
use actoreum_primitives::{Address, B64, B256, Bytes, U256};

use crate::error::RpcError;
use crate::hexutil::{self, HexError};
use crate::server::json::scan::{self, Kind};

/// The reason for which an argument is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamError {
    /// The value does not fit the type.
    Mistyped {
        /// The value that was found.
        found: Cow<'static, str>,
        /// The type, by its name in geth.
        wanted: &'static str,
        /// The field inside an object, as `Struct.field`.
        field: Option<String>,
    },
    /// Any other error, by its text.
    Text(Cow<'static, str>),
}

impl ParamError {
    /// Creates the error of a value of the wrong kind.
    pub fn mistyped(found: impl Into<Cow<'static, str>>, wanted: &'static str) -> Self {
        Self::Mistyped {
            found: found.into(),
            wanted,
            field: None,
        }
    }

    /// Creates an error with a text of its own.
    pub fn text(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Text(text.into())
    }

    /// Adds the field of an object in which the error was found.
    pub fn in_field(self, object: &str, name: &str) -> Self {
        match self {
            Self::Mistyped {
                found,
                wanted,
                field: None,
            } => Self::Mistyped {
                found,
                wanted,
                field: Some(format!("{object}.{name}")),
            },
            other => other,
        }
    }
}

impl std::fmt::Display for ParamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Mistyped {
                found,
                wanted,
                field: None,
            } => {
                write!(
                    f,
                    "json: cannot unmarshal {found} into Go value of type {wanted}"
                )
            }
            Self::Mistyped {
                found,
                wanted,
                field: Some(field),
            } => {
                write!(
                    f,
                    "json: cannot unmarshal {found} into Go struct field {field} of type {wanted}"
                )
            }
        }
    }
}

/// A type that an argument can have.
pub trait FromParam: Sized {
    /// The type as a JSON schema, for `rpc.discover`.
    const SCHEMA: &'static str;

    /// Whether the argument is required.
    const REQUIRED: bool = true;

    /// Reads a valid JSON value that is not null.
    fn from_raw(raw: &str) -> Result<Self, ParamError>;

    /// Returns the value of an argument that is absent or null; `None` if the argument is required.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: FromParam> FromParam for Option<T> {
    const SCHEMA: &'static str = T::SCHEMA;
    const REQUIRED: bool = false;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        T::from_raw(raw).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromParam> FromParam for Vec<T> {
    const SCHEMA: &'static str = r#"{"type":"array"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        if Kind::of(raw) != Kind::Array {
            return Err(ParamError::mistyped(Kind::of(raw).name(), "[]string"));
        }
        scan::elements(raw).map(T::from_raw).collect()
    }
}

impl FromParam for bool {
    const SCHEMA: &'static str = r#"{"type":"boolean"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match raw {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(ParamError::mistyped(Kind::of(other).name(), "bool")),
        }
    }
}

impl FromParam for String {
    const SCHEMA: &'static str = r#"{"type":"string"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::String => Ok(scan::unquote(raw).into_owned()),
            other => Err(ParamError::mistyped(other.name(), "string")),
        }
    }
}

/// A plain JSON number (not hex), as in `debug_getBlockRlp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal(pub u64);

impl FromParam for Decimal {
    const SCHEMA: &'static str = r#"{"type":"integer","minimum":0}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        match Kind::of(raw) {
            Kind::Number => raw.parse().map(Decimal).map_err(|_| {
                let shown = crate::error::truncate(raw, crate::server::limits::MAX_ECHOED_NAME);
                ParamError::mistyped(format!("number {shown}"), "uint64")
            }),
            other => Err(ParamError::mistyped(other.name(), "uint64")),
        }
    }
}

/// Returns the text between the quotes of a JSON string, with its escapes unresolved. `wanted` is
/// the name of the type in the error.
pub(crate) fn quoted<'a>(raw: &'a str, wanted: &'static str) -> Result<&'a str, ParamError> {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| ParamError::mistyped("non-string", wanted))
}

fn hex_error(error: HexError, wanted: &'static str) -> ParamError {
    ParamError::mistyped(error.to_string(), wanted)
}

/// Reads the `0x` data of exactly `N` bytes.
fn fixed<const N: usize>(raw: &str, wanted: &'static str) -> Result<[u8; N], ParamError> {
    let text = quoted(raw, wanted)?;
    let digits = hexutil::data_digits(text).map_err(|error| hex_error(error, wanted))?;
    if digits.len() != N * 2 {
        let (length, due) = (digits.len(), N * 2);
        return Err(ParamError::text(format!(
            "hex string has length {length}, want {due} for {wanted}"
        )));
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| hex_error(HexError::Syntax, wanted))?;
    Ok(bytes)
}

impl FromParam for Address {
    const SCHEMA: &'static str =
        r#"{"title":"address","type":"string","pattern":"^0x[0-9a-fA-F]{40}$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        fixed(raw, "common.Address").map(Address::new)
    }
}

impl FromParam for B256 {
    const SCHEMA: &'static str =
        r#"{"title":"32 bytes","type":"string","pattern":"^0x[0-9a-fA-F]{64}$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        fixed(raw, "common.Hash").map(B256::new)
    }
}

impl FromParam for B64 {
    const SCHEMA: &'static str =
        r#"{"title":"8 bytes","type":"string","pattern":"^0x[0-9a-fA-F]{16}$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        fixed(raw, "types.BlockNonce").map(B64::new)
    }
}

impl FromParam for Bytes {
    const SCHEMA: &'static str =
        r#"{"title":"bytes","type":"string","pattern":"^0x([0-9a-fA-F]{2})*$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = quoted(raw, "hexutil.Bytes")?;
        hexutil::data(text)
            .map(Bytes::from)
            .map_err(|error| hex_error(error, "hexutil.Bytes"))
    }
}

impl FromParam for u64 {
    const SCHEMA: &'static str =
        r#"{"title":"quantity","type":"string","pattern":"^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = quoted(raw, "hexutil.Uint64")?;
        if text.is_empty() {
            return Ok(0);
        }
        hexutil::number(text).map_err(|error| hex_error(error, "hexutil.Uint64"))
    }
}

impl FromParam for U256 {
    const SCHEMA: &'static str =
        r#"{"title":"quantity","type":"string","pattern":"^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})$"}"#;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = quoted(raw, "*hexutil.Big")?;
        if text.is_empty() {
            return Ok(Self::ZERO);
        }
        hexutil::number256(text).map_err(|error| hex_error(error, "*hexutil.Big"))
    }
}

/// A position in a list. geth's errors name its type `hexutil.Uint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index(pub usize);

impl FromParam for Index {
    const SCHEMA: &'static str = u64::SCHEMA;

    fn from_raw(raw: &str) -> Result<Self, ParamError> {
        let text = quoted(raw, "hexutil.Uint")?;
        let number = if text.is_empty() {
            Ok(0)
        } else {
            hexutil::number(text)
        };
        // A position that does not fit a usize is past the end of every list.
        number
            .map(|index| Index(usize::try_from(index).unwrap_or(usize::MAX)))
            .map_err(|error| hex_error(error, "hexutil.Uint"))
    }
}

/// The arguments of a method: a tuple of [`FromParam`] types.
pub trait FromParams: Sized {
    /// The number of arguments.
    const COUNT: usize;

    /// The number of required arguments.
    const REQUIRED: usize;

    /// Reads the elements of the `params` array.
    fn read(raw: &mut dyn Iterator<Item = &str>) -> Result<Self, RpcError>;

    /// Returns for each argument whether it is required, and its schema.
    fn schemas() -> Vec<(bool, &'static str)>;
}

/// Reads the argument at `position`.
fn argument<T: FromParam>(
    raw: &mut dyn Iterator<Item = &str>,
    position: usize,
) -> Result<T, RpcError> {
    match raw.next().filter(|value| *value != "null") {
        Some(value) => T::from_raw(value).map_err(|error| {
            RpcError::invalid_params(format!("invalid argument {position}: {error}"))
        }),
        None => T::absent().ok_or_else(|| RpcError::missing_argument(position)),
    }
}

macro_rules! arguments {
    ($count:literal $(, $name:ident $position:literal)*) => {
        impl<$($name: FromParam),*> FromParams for ($($name,)*) {
            const COUNT: usize = $count;
            /// The number of required arguments.
            const REQUIRED: usize = 0 $(+ $name::REQUIRED as usize)*;

            fn read(_raw: &mut dyn Iterator<Item = &str>) -> Result<Self, RpcError> {
                Ok(($(argument::<$name>(_raw, $position)?,)*))
            }

            fn schemas() -> Vec<(bool, &'static str)> {
                vec![$(($name::REQUIRED, $name::SCHEMA)),*]
            }
        }
    };
}

arguments!(0);
arguments!(1, A 0);
arguments!(2, A 0, B 1);
arguments!(3, A 0, B 1, C 2);
arguments!(4, A 0, B 1, C 2, D 3);
arguments!(5, A 0, B 1, C 2, D 3, E 4);

/// Reads the arguments of `method` from the `params` member of a request.
///
/// A method without arguments ignores the member, whatever the member holds. If the member is
/// absent and an argument is required, the text is that of geth 1.8, which shows the method by its
/// name in Go.
pub(crate) fn read<A: FromParams>(method: &str, params: Option<&str>) -> Result<A, RpcError> {
    let Some(raw) = params.filter(|_| A::COUNT > 0) else {
        if A::REQUIRED > 0 {
            let name = go_name(method);
            let count = A::COUNT;
            return Err(RpcError::invalid_params(format!(
                "{name} expects {count} parameters, got 0"
            )));
        }
        return A::read(&mut std::iter::empty());
    };
    if Kind::of(raw) != Kind::Array {
        return Err(RpcError::invalid_params("non-array args"));
    }
    let mut elements = scan::elements(raw);
    let arguments = A::read(&mut elements)?;
    if elements.next().is_some() {
        let count = A::COUNT;
        return Err(RpcError::invalid_params(format!(
            "too many arguments, want at most {count}"
        )));
    }
    Ok(arguments)
}

/// Returns the name of a method in Go: `eth_GetBalance` for `eth_getBalance`.
fn go_name(method: &str) -> String {
    match method.split_once('_') {
        Some((namespace, name)) => {
            let mut letters = name.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            format!(
                "{namespace}_{}{}",
                first.map(String::from).unwrap_or_default(),
                letters.as_str()
            )
        }
        None => method.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure<A: FromParams>(params: Option<&str>) -> String {
        match read::<A>("eth_getBalance", params) {
            Ok(_) => panic!("accepted {params:?}"),
            Err(error) => {
                assert_eq!(error.code, -32602);
                error.message.into_owned()
            }
        }
    }

    #[test]
    fn argument_counts_are_checked_with_geths_texts() {
        type Two = (Address, bool);
        let address = "\"0x5810c5b4be43d3bf1195392a6a744597fe0fb561\"";
        assert_eq!(
            failure::<Two>(None),
            "eth_GetBalance expects 2 parameters, got 0"
        );
        assert_eq!(failure::<Two>(Some("{}")), "non-array args");
        assert_eq!(failure::<Two>(Some("null")), "non-array args");
        assert_eq!(
            failure::<Two>(Some("[]")),
            "missing value for required argument 0"
        );
        assert_eq!(
            failure::<Two>(Some("[null, true]")),
            "missing value for required argument 0"
        );
        assert_eq!(
            failure::<Two>(Some(&format!("[{address}]"))),
            "missing value for required argument 1"
        );
        assert_eq!(
            failure::<Two>(Some(&format!("[{address}, true, 3]"))),
            "too many arguments, want at most 2"
        );
        assert!(read::<()>("net_version", Some("{\"x\":1}")).is_ok());
        assert_eq!(read::<(Option<bool>,)>("x_y", Some("[]")), Ok((None,)));
        assert_eq!(read::<(Option<bool>,)>("x_y", None), Ok((None,)));
        assert_eq!(
            read::<(Option<bool>,)>("x_y", Some("[true]")),
            Ok((Some(true),))
        );
    }

    #[test]
    fn types_are_checked_with_geths_texts() {
        type A = (Address,);
        assert_eq!(
            failure::<A>(Some("[1]")),
            "invalid argument 0: json: cannot unmarshal non-string into Go value of type common.Address"
        );
        assert_eq!(
            failure::<A>(Some("[\"5810c5b4be43d3bf1195392a6a744597fe0fb561\"]")),
            "invalid argument 0: json: cannot unmarshal hex string without 0x prefix into Go value of type common.Address"
        );
        assert_eq!(
            failure::<A>(Some("[\"0x5810c5b4be43d3bf1195392a6a744597fe0fb5\"]")),
            "invalid argument 0: hex string has length 38, want 40 for common.Address"
        );
        assert_eq!(
            failure::<A>(Some("[\"0x5810c5b4be43d3bf1195392a6a744597fe0fb5zz\"]")),
            "invalid argument 0: json: cannot unmarshal invalid hex string into Go value of type common.Address"
        );
        assert_eq!(
            failure::<(bool,)>(Some("[\"x\"]")),
            "invalid argument 0: json: cannot unmarshal string into Go value of type bool"
        );
        assert_eq!(
            failure::<(u64,)>(Some("[\"0x01\"]")),
            "invalid argument 0: json: cannot unmarshal hex number with leading zero digits into Go value of type hexutil.Uint64"
        );
        assert_eq!(
            failure::<(Decimal,)>(Some("[-1]")),
            "invalid argument 0: json: cannot unmarshal number -1 into Go value of type uint64"
        );
        assert_eq!(
            failure::<(Bytes,)>(Some("[\"0x0\"]")),
            "invalid argument 0: json: cannot unmarshal hex string of odd length into Go value of type hexutil.Bytes"
        );
    }
}
