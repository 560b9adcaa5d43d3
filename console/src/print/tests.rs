//! The rules of printing, each with a value of the engine.

use rquickjs::{Context, Runtime};

use super::*;

fn shown(code: &str, has_colours: bool) -> String {
    let context = Context::full(&Runtime::new().unwrap()).unwrap();
    context.with(|ctx| match ctx.eval::<Value<'_>, _>(code) {
        Ok(result) => value(&result, has_colours),
        Err(_) => thrown(&ctx.catch(), has_colours),
    })
}

#[test]
fn values_are_printed_as_in_geth() {
    for (code, expected) in [
        ("'a\\n\"b\"'", r#""a\n\"b\"""#),
        ("1", "1"),
        ("-0.5", "-0.5"),
        ("1e21", "1e+21"),
        ("0/0", "NaN"),
        ("true", "true"),
        ("null", "null"),
        ("undefined", "undefined"),
        ("[]", "[]"),
        ("[1, 'a', null]", r#"[1, "a", null]"#),
        ("[1, , 2]", "[1, undefined, 2]"),
        ("({})", "{}"),
        ("({b: 1, a: 'x'})", "{\n  a: \"x\",\n  b: 1\n}"),
        ("({_h: 1, toString: 2})", "{}"),
        ("[{a: 1}]", "[{\n    a: 1\n}]"),
        ("({x: [{a: 1}]})", "{\n  x: [{\n      a: 1\n  }]\n}"),
        ("[[[[[1]]]]]", "[[[[[...]]]]]"),
        ("[[[[[]]]]]", "[[[[[]]]]]"),
        (
            "({a:{b:{c:{d:{e:1}}}}})",
            "{\n  a: {\n    b: {\n      c: {\n        d: {...}\n      }\n    }\n  }\n}",
        ),
        ("(function (a, b) { return a })", "function(a, b)"),
        ("(function named (a) {})", "function named(a)"),
        (
            "({f: function () {}, z: 1})",
            "{\n  z: 1,\n  f: function()\n}",
        ),
        ("/a+/g", "/a+/g"),
        ("new Error('no')", "<Error Error: no>"),
        (
            "({get a() { throw 1 }, b: 2})",
            "{\n  a: undefined,\n  b: 2\n}",
        ),
        (
            "function BigNumber() {}; BigNumber.prototype.toString = function () { return '5' }; new BigNumber()",
            "5",
        ),
        (
            "function T() { this.a = 1 }; T.prototype.m = function () {}; new T()",
            "{\n  a: 1,\n  m: function()\n}",
        ),
        (
            "Object.defineProperty({}, 'hidden', {value: 1})",
            "{\n  hidden: 1\n}",
        ),
        ("var x; x = 1", "1"),
        ("var y = 1", "undefined"),
        ("1;", "1"),
    ] {
        assert_eq!(shown(code, false), expected, "{code}");
    }
}

#[test]
fn an_error_is_its_text_before_its_stack() {
    let text = shown("null.x", false);
    assert!(text.starts_with("TypeError: "), "{text}");
    assert!(text.contains("\n    at "), "{text}");
    assert_eq!(shown("throw 'plain'", false), "plain");
    assert_eq!(shown("throw {a: 1}", false), "[object Object]");
}

#[test]
fn colours_tell_the_types_apart() {
    for (code, expected) in [
        ("1", "\x1b[31m1\x1b[0m"),
        ("'a'", "\x1b[32m\"a\"\x1b[0m"),
        ("true", "\x1b[1mtrue\x1b[0m"),
        ("(function () {})", "\x1b[35mfunction()\x1b[0m"),
        ("throw 'e'", "\x1b[91me\x1b[0m"),
    ] {
        assert_eq!(shown(code, true), expected, "{code}");
    }
}
