#![no_main]

use actoreum_rpc_fuzz::server::scan::{Kind, ScanError, elements, first_value, members, unquote};
use actoreum_rpc_fuzz::unescape;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let reference = serde_json::from_str::<&RawValue>(text);
    match first_value(text) {
        Ok((value, rest)) => {
            let alone = rest.bytes().all(|byte| b" \t\n\r".contains(&byte));
            assert_eq!(alone, reference.is_ok(), "{text:?}");
            if let Ok(reference) = reference {
                assert_eq!(value, reference.get());
            }
            take_apart(value);
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(error == ScanError::TooDeep || reference.is_err(), "{text:?}");
        }
    }
});

/// Checks the parts of a valid value, one level deep: the fuzzer finds deeper ones as inputs.
fn take_apart(value: &str) {
    match Kind::of(value) {
        Kind::Array => {
            let reference: Vec<&RawValue> = serde_json::from_str(value).expect("a valid array");
            assert!(elements(value).eq(reference.iter().map(|element| element.get())));
        }
        Kind::Object => {
            for (_, member) in members(value) {
                assert_eq!(first_value(member), Ok((member, "")));
            }
            if let Ok(reference) = serde_json::from_str::<serde_json::Value>(value) {
                let reference = reference.as_object().expect("a valid object");
                assert!(members(value).all(|(key, _)| reference.contains_key(&*key)));
                assert!(reference.is_empty() == (members(value).count() == 0));
            }
        }
        Kind::String => {
            let own = unescape(value);
            assert_eq!(unquote(value), own);
            if let Ok(reference) = serde_json::from_str::<String>(value) {
                assert_eq!(own, reference);
            }
        }
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
}
