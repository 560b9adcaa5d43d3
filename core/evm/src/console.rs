//! Hardhat's `console.log`: calls of an address without code, whose input is the text.
//!
//! `console.sol` has a function for each list of up to four types of `uint256`, `string`, `bool` and
//! `address`, and some for single values of other types. Its first versions computed the selectors
//! with `uint` and `int`, the short names, which contracts that are deployed still call.

use std::collections::HashMap;
use std::sync::LazyLock;

use actoreum_primitives::alloy_primitives::{I256, address};
use actoreum_primitives::{Address, Bytes, U256, keccak256};
use revm::interpreter::FrameInput;

use crate::context::EvmContext;
use crate::limits::{MAX_CONSOLE_BYTES, MAX_CONSOLE_CALLS};

/// The address that `console.sol` calls: the end of it reads `console.log` in ASCII.
pub const CONSOLE_ADDRESS: Address = address!("000000000000000000636f6e736f6c652e6c6f67");

/// The calls of the console in a block, or in a call.
#[derive(Debug, Default)]
pub(crate) struct ConsoleCalls {
    inputs: Vec<Bytes>,
    bytes: usize,
}

impl ConsoleCalls {
    /// Keeps the input of a frame that calls the console. Beyond the limits it is dropped.
    pub(crate) fn note(&mut self, frame: &FrameInput, context: &mut EvmContext<'_>) {
        let FrameInput::Call(inputs) = frame else {
            return;
        };
        if inputs.bytecode_address != CONSOLE_ADDRESS || self.inputs.len() >= MAX_CONSOLE_CALLS {
            return;
        }
        let input = inputs.input.bytes(context);
        if self.bytes + input.len() <= MAX_CONSOLE_BYTES {
            self.bytes += input.len();
            self.inputs.push(input);
        }
    }

    /// Returns the inputs so far, and begins anew.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.inputs)
    }
}

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uint,
    Int,
    Bool,
    Address,
    Text,
    Bytes,
    /// The number of bytes.
    FixedBytes(usize),
}

/// The types of the arguments by selector.
static FUNCTIONS: LazyLock<HashMap<[u8; 4], Vec<Kind>>> = LazyLock::new(functions);

fn functions() -> HashMap<[u8; 4], Vec<Kind>> {
    const COMBINED: [(&str, Kind); 4] = [
        ("uint256", Kind::Uint),
        ("string", Kind::Text),
        ("bool", Kind::Bool),
        ("address", Kind::Address),
    ];
    let mut functions = HashMap::new();
    let mut add = |arguments: &[(&str, Kind)]| {
        let names: Vec<&str> = arguments.iter().map(|(name, _)| *name).collect();
        let kinds: Vec<Kind> = arguments.iter().map(|(_, kind)| *kind).collect();
        let signature = format!("log({})", names.join(","));
        for signature in [signature.replace("int256", "int"), signature] {
            let [a, b, c, d, ..] = keccak256(signature).0;
            functions.insert([a, b, c, d], kinds.clone());
        }
    };
    let mut lists: Vec<Vec<(&str, Kind)>> = vec![Vec::new()];
    for _ in 0..=4 {
        let mut longer = Vec::new();
        for list in lists {
            add(&list);
            longer.extend(COMBINED.map(|argument| {
                let mut list = list.clone();
                list.push(argument);
                list
            }));
        }
        lists = longer;
    }
    add(&[("int256", Kind::Int)]);
    add(&[("string", Kind::Text), ("int256", Kind::Int)]);
    add(&[("bytes", Kind::Bytes)]);
    for size in 1..=32 {
        add(&[(&format!("bytes{size}"), Kind::FixedBytes(size))]);
    }
    functions
}

/// Returns the text that a call of the console prints; `None` if the input is no such call.
///
/// A first argument that is a string may have the directives of Node's `util.format`: `%s`, `%d`,
/// `%i`, `%f`, `%o`, `%O`, `%j`, `%c` and `%%`. Control characters except line feeds and tabs are
/// escaped.
pub fn text(input: &[u8]) -> Option<String> {
    let (selector, arguments) = input.split_first_chunk::<4>()?;
    let kinds = FUNCTIONS.get(selector)?;
    let values: Option<Vec<String>> = kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| value(*kind, index, arguments))
        .collect();
    let text = match (kinds.as_slice(), values?.as_slice()) {
        ([Kind::Text, _, ..], [format, values @ ..]) => formatted(format, values),
        (_, values) => values.join(" "),
    };
    Some(escaped(&text))
}

/// Decodes the argument at an index, by the contract ABI.
fn value(kind: Kind, index: usize, arguments: &[u8]) -> Option<String> {
    let word = word(arguments, 32 * index)?;
    Some(match kind {
        Kind::Uint => U256::from_be_bytes(*word).to_string(),
        Kind::Int => I256::from_be_bytes(*word).to_string(),
        Kind::Bool => word.iter().any(|byte| *byte != 0).to_string(),
        Kind::Address => Address::from_slice(word.get(12..)?).to_checksum(None),
        Kind::FixedBytes(size) => Bytes::copy_from_slice(word.get(..size)?).to_string(),
        Kind::Text => String::from_utf8_lossy(tail(arguments, word)?).into_owned(),
        Kind::Bytes => Bytes::copy_from_slice(tail(arguments, word)?).to_string(),
    })
}

fn word(arguments: &[u8], offset: usize) -> Option<&[u8; 32]> {
    arguments.get(offset..)?.first_chunk()
}

/// Returns the bytes of a dynamic argument, whose offset is in its word.
fn tail<'a>(arguments: &'a [u8], offset: &[u8; 32]) -> Option<&'a [u8]> {
    let number = |word: &[u8; 32]| usize::try_from(U256::from_be_bytes(*word)).ok();
    let offset = number(offset)?;
    let length = number(word(arguments, offset)?)?;
    arguments.get(offset.checked_add(32)?..)?.get(..length)
}

/// Puts values into the directives of a format; the others follow, separated by spaces.
fn formatted(format: &str, values: &[String]) -> String {
    let mut values = values.iter();
    let mut text = String::with_capacity(format.len());
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        let directive = match characters.peek() {
            Some(directive) if character == '%' => *directive,
            _ => {
                text.push(character);
                continue;
            }
        };
        match directive {
            '%' => text.push('%'),
            's' | 'd' | 'i' | 'f' | 'o' | 'O' | 'j' | 'c' => match values.next() {
                Some(value) if directive != 'c' => text.push_str(value),
                Some(_) => {}
                None => text.extend([character, directive]),
            },
            _ => {
                text.push(character);
                continue;
            }
        }
        characters.next();
    }
    for value in values {
        text.push(' ');
        text.push_str(value);
    }
    text
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !matches!(character, '\n' | '\t') {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes a call; a string that starts with a quotation mark is a dynamic argument, and any
    /// other is a number.
    fn call(signature: &str, arguments: &[&str]) -> Vec<u8> {
        let selector = keccak256(signature);
        let (mut head, mut tail) = (selector[..4].to_vec(), Vec::new());
        for argument in arguments {
            match argument.strip_prefix('"') {
                Some(text) => {
                    let offset = 32 * arguments.len() + tail.len();
                    head.extend(U256::from(offset).to_be_bytes::<32>());
                    tail.extend(U256::from(text.len()).to_be_bytes::<32>());
                    tail.extend(text.as_bytes());
                    tail.resize(tail.len().next_multiple_of(32), 0);
                }
                None => {
                    let number: U256 = argument.parse().unwrap();
                    head.extend(number.to_be_bytes::<32>());
                }
            }
        }
        [head, tail].concat()
    }

    fn printed(signature: &str, arguments: &[&str]) -> String {
        text(&call(signature, arguments)).unwrap()
    }

    #[test]
    fn values_of_each_type_are_printed() {
        let minus_one = U256::MAX.to_string();
        assert_eq!(printed("log()", &[]), "");
        assert_eq!(printed("log(string)", &["\"100%"]), "100%");
        assert_eq!(printed("log(uint256)", &["42"]), "42");
        assert_eq!(printed("log(int256)", &[&minus_one]), "-1");
        assert_eq!(printed("log(string,int256)", &["\"n", &minus_one]), "n -1");
        assert_eq!(printed("log(bytes)", &["\"AB"]), "0x4142");
        let word: U256 = U256::from(0x4142) << 240;
        assert_eq!(printed("log(bytes2)", &[&word.to_string()]), "0x4142");
        let printed = printed("log(bool,address,string,uint256)", &["1", "1", "\"x", "7"]);
        assert_eq!(
            printed,
            "true 0x0000000000000000000000000000000000000001 x 7"
        );
    }

    #[test]
    fn the_selectors_of_the_first_versions_are_known() {
        // `log(uint)` and `log(string,uint)` of the first console.sol.
        assert_eq!(keccak256("log(uint)")[..4], [0xf5, 0xb1, 0xbb, 0xa9]);
        assert_eq!(printed("log(uint)", &["42"]), "42");
        assert_eq!(printed("log(string,uint)", &["\"n", "42"]), "n 42");
        assert_eq!(printed("log(int)", &["42"]), "42");
        // All lists of up to four types, the other functions, and the short names of those with
        // numbers.
        let combined: usize = (0..=4).map(|count| 4usize.pow(count)).sum();
        let short: usize = (1..=4)
            .map(|count| 4usize.pow(count) - 3usize.pow(count))
            .sum();
        assert_eq!(FUNCTIONS.len(), combined + short + 4 + 33);
    }

    #[test]
    fn a_format_takes_the_values_in_their_order() {
        let log = |format: &str, values: &[&str]| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            formatted(format, &values)
        };
        assert_eq!(log("%s has %d", &["a", "7"]), "a has 7");
        assert_eq!(log("100%% of %i", &["7", "8"]), "100% of 7 8");
        assert_eq!(log("%s %s", &["7"]), "7 %s");
        assert_eq!(log("%q %", &["7"]), "%q % 7");
        assert_eq!(log("%c-%o", &["red", "7"]), "-7");
    }

    #[test]
    fn malformed_calls_print_nothing() {
        let whole = call("log(string,string)", &["\"a", "\"b"]);
        assert_eq!(text(&whole).unwrap(), "a b");
        for length in 0..whole.len() - 31 {
            assert_eq!(text(&whole[..length]), None, "{length}");
        }
        assert_eq!(text(&[1, 2, 3, 4]), None);
        let mut far = call("log(string)", &["\"a"]);
        far[4..36].fill(0xff);
        assert_eq!(text(&far), None);
        assert_eq!(
            text(&call("log(string)", &["\"\u{1b}[2J\n"])).unwrap(),
            "\\u{1b}[2J\n"
        );
    }
}
