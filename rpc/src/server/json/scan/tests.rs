use proptest::prelude::*;

use super::*;

fn error(text: &str) -> String {
    first_value(text).expect_err(text).to_string()
}

#[test]
fn errors_read_as_in_geth() {
    assert_eq!(error(""), "EOF");
    assert_eq!(error("  \n"), "EOF");
    assert_eq!(error("{\"jsonrpc\":\"2.0\",\"id\":1"), "unexpected EOF");
    assert_eq!(error("["), "unexpected EOF");
    assert_eq!(
        error("{bad"),
        "invalid character 'b' looking for beginning of object key string"
    );
    assert_eq!(
        error("bad"),
        "invalid character 'b' looking for beginning of value"
    );
    assert_eq!(
        error("[1,]"),
        "invalid character ']' looking for beginning of value"
    );
    assert_eq!(error("{\"a\" 1}"), "invalid character '1' after object key");
    assert_eq!(
        error("{\"a\":1 \"b\"}"),
        "invalid character '\"' after object key:value pair"
    );
    assert_eq!(error("[1 2]"), "invalid character '2' after array element");
    assert_eq!(
        error("\"a\nb\""),
        "invalid character '\\n' in string literal"
    );
    assert_eq!(
        error("\"\\q\""),
        "invalid character 'q' in string escape code"
    );
    assert_eq!(
        error("\"\\u12x4\""),
        "invalid character 'x' in \\u hexadecimal character escape"
    );
    assert_eq!(error("-x"), "invalid character 'x' in numeric literal");
    assert_eq!(
        error("1.x"),
        "invalid character 'x' after decimal point in numeric literal"
    );
    assert_eq!(
        error("1ex"),
        "invalid character 'x' in exponent of numeric literal"
    );
    assert_eq!(
        error("nul!"),
        "invalid character '!' in literal null (expecting 'l')"
    );
    assert_eq!(
        error("[tru\u{1}]"),
        "invalid character '\\x01' in literal true (expecting 'e')"
    );
    assert_eq!(
        error("'"),
        "invalid character '\\'' looking for beginning of value"
    );
}

#[test]
fn nesting_beyond_the_limit_is_refused() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(first_value(&nested(MAX_JSON_DEPTH)).is_ok());
    assert_eq!(error(&nested(MAX_JSON_DEPTH + 2)), "exceeded max depth");
    assert_eq!(error(&"[".repeat(1_000_000)), "exceeded max depth");
}

#[test]
fn the_text_after_the_first_value_is_returned() {
    assert_eq!(first_value(" {} x"), Ok(("{}", " x")));
    assert_eq!(first_value("[1][2]"), Ok(("[1]", "[2]")));
}

#[test]
fn elements_and_members_are_iterated() {
    let found: Vec<_> = elements("[ 1 , \"a,]\" , {\"x\":[2]} ]").collect();
    assert_eq!(found, ["1", "\"a,]\"", "{\"x\":[2]}"]);
    assert_eq!(elements("[]").count(), 0);
    assert_eq!(elements("{}").count(), 0);
    let found: Vec<_> = members("{ \"a\" : 1 , \"b\\u0063\" : [ ] }").collect();
    assert_eq!(found, [(Cow::from("a"), "1"), (Cow::from("bc"), "[ ]")]);
}

#[test]
fn escapes_and_lone_surrogates_are_resolved() {
    assert_eq!(unquote(r#""plain""#), "plain");
    assert_eq!(unquote(r#""a\n\u0041\ud83d\ude00""#), "a\nA😀");
    assert_eq!(unquote(r#""x\ud83dy""#), "x\u{fffd}y");
    assert_eq!(unquote(r#""\ude00""#), "\u{fffd}");
    assert_eq!(unquote(r#""\ud83d""#), "\u{fffd}");
    for raw in [
        r#""plain""#,
        r#""""#,
        r#""\"\\\/\b\f\n\r\t\u20ac\ud83d\ude00é""#,
        r#""\ud83d\ud83d\ude00\ude00""#,
    ] {
        let secret = unquote_secret(raw);
        assert_eq!(secret.as_str(), unquote(raw));
        assert_eq!(
            secret.capacity(),
            raw.len() - 2,
            "the secret was not reallocated"
        );
    }
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\0-9.eE+\\-truefalsn u\n]{0,24}") {
        let ours = first_value(&text).ok().filter(|(_, rest)| rest.trim().is_empty());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        // serde_json refuses numbers beyond f64 and lone surrogates, which are valid JSON.
        let lenient = text.contains(['e', 'E']) || text.contains("\\u");
        if !lenient {
            prop_assert_eq!(ours.is_some(), theirs.is_ok(), "{:?}", text);
        } else if theirs.is_ok() {
            prop_assert!(ours.is_some(), "{:?}", text);
        }
    }

    #[test]
    fn no_text_makes_the_scanner_panic(text in any::<String>()) {
        let _ = first_value(&text);
        prop_assert!(elements(&text).count() <= text.len());
        prop_assert!(members(&text).count() <= text.len());
        let _ = unquote(&text);
    }

    #[test]
    fn elements_equal_those_of_serde_json(values in proptest::collection::vec(any::<u32>(), 0..20)) {
        let text = serde_json::to_string(&values).unwrap();
        let found: Vec<u32> = elements(&text).map(|raw| raw.parse().unwrap()).collect();
        prop_assert_eq!(found, values);
    }
}
