//! Conversions of the web3 object, and numbers.

use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::json;

use crate::node::{Node, result};

#[test]
fn conversions_give_the_results_of_web3() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let console = node.console();
    for (code, expected) in [
        ("web3.toWei(1)", "\"1000000000000000000\""),
        ("web3.toWei('1.5', 'gwei')", "\"1500000000\""),
        (
            "web3.toWei(1000000, 'ether')",
            "\"1000000000000000000000000\"",
        ),
        (
            "web3.toWei(web3.toBigNumber(2), 'finney')",
            "2000000000000000",
        ),
        ("web3.fromWei('1', 'ether')", "\"0.000000000000000001\""),
        ("web3.fromWei(21000000000000, 'ether')", "\"0.000021\""),
        (
            "web3.fromWei(web3.toBigNumber('1234567890123456789'), 'kwei')",
            "1234567890123456.789",
        ),
        ("web3.toHex(255)", "\"0xff\""),
        ("web3.toHex('255')", "\"0xff\""),
        ("web3.toHex(-1)", "\"-0x1\""),
        ("web3.toHex('abc')", "\"0x616263\""),
        ("web3.toHex(true)", "\"0x1\""),
        ("web3.toHex('é')", "\"0xe9\""),
        ("web3.toHex({a: 1})", "\"0x7b2261223a317d\""),
        ("web3.toDecimal('0x15')", "21"),
        ("web3.fromDecimal('21')", "\"0x15\""),
        (
            "web3.toAscii('0x657468657265756d000000')",
            "\"ethereum\\x00\\x00\\x00\"",
        ),
        ("web3.toUtf8('0x657468657265756d000000')", "\"ethereum\""),
        ("web3.fromAscii('ethereum')", "\"0x657468657265756d\""),
        ("web3.fromUtf8('é')", "\"0xc3a9\""),
        ("web3.toUtf8('0xc3a9')", "\"é\""),
        (
            "web3.sha3('')",
            "\"0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470\"",
        ),
        (
            "web3.sha3('Transfer(address,address,uint256)')",
            "\"0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef\"",
        ),
        (
            "web3.sha3('0x80', {encoding: 'hex'})",
            "\"0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421\"",
        ),
        (
            "web3.isAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')",
            "true",
        ),
        (
            "web3.isAddress('0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')",
            "false",
        ),
        (
            "web3.isAddress('5aaeb6053f3e94c9b9a09f33669435e7ef1beaed')",
            "true",
        ),
        ("web3.isAddress('0x12')", "false"),
        (
            "web3.toChecksumAddress('0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed')",
            "\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"",
        ),
        ("web3.padLeft('1', 4)", "\"0001\""),
        ("web3.padRight('1', 4, 'x')", "\"1xxx\""),
        ("web3.isIBAN('XE81ETHXREGGAVOFYORK')", "true"),
        ("web3.isIBAN('XE82ETHXREGGAVOFYORK')", "false"),
        (
            "web3.fromICAP('XE7338O073KYGTWWZN0F2WZ0R8PX5ZPPZS')",
            "\"00c5496aee77c1ba1f0854206a26dda82a81d6d8\"",
        ),
        (
            "eth.iban.fromAddress('0x00c5496aee77c1ba1f0854206a26dda82a81d6d8').toString()",
            "\"XE7338O073KYGTWWZN0F2WZ0R8PX5ZPPZS\"",
        ),
        ("web3.version.api", "\"0.20.1\""),
        (
            "typeof require('web3') + typeof require('bignumber.js')",
            "\"functionfunction\"",
        ),
    ] {
        assert_eq!(result(&console, code), expected, "{code}");
    }
}

#[test]
fn numbers_are_exact_decimals() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let console = node.console();
    for (code, expected) in [
        ("B('999999999999999999999')", "999999999999999999999"),
        ("B('1000000000000000000000')", "1e+21"),
        (
            "B('123456789012345678901234567890')",
            "1.2345678901234567890123456789e+29",
        ),
        ("B('-1e21')", "-1e+21"),
        ("B('0.000001')", "0.000001"),
        ("B('0.0000001')", "1e-7"),
        ("B('1e21').toString(10)", "\"1000000000000000000000\""),
        ("B('ff', 16)", "255"),
        ("B(255).toString(16)", "\"ff\""),
        ("B('-255').toString(16)", "\"-ff\""),
        ("B('0xff')", "255"),
        ("B(0.1).plus(0.2)", "0.3"),
        ("B(1).div(3)", "0.33333333333333333333"),
        ("B(2).div(3)", "0.66666666666666666667"),
        ("B(7).mod(3)", "1"),
        ("B(-7).mod(3)", "-1"),
        ("B(7).divToInt(-2)", "-3"),
        (
            "B(2).pow(256)",
            "1.15792089237316195423570985008687907853269984665640564039457584007913129639936e+77",
        ),
        ("B(2).pow(-2)", "0.25"),
        ("B('1.005').round(2)", "1.01"),
        ("B('-1.5').floor()", "-2"),
        ("B('-1.5').ceil()", "-1"),
        ("B('1.255').toFixed(2)", "\"1.26\""),
        ("B('1').toFixed(2)", "\"1.00\""),
        ("B('12345').toExponential(2)", "\"1.23e+4\""),
        ("B(1).div(0)", "Infinity"),
        ("B(0).div(0)", "NaN"),
        ("B('1e3').eq('1000')", "true"),
        (
            "B(2).gt(1) && B(1).lt(2) && B(1).lte(1) && B(1).gte(1)",
            "true",
        ),
        ("B(1).cmp(2)", "-1"),
        ("B('12.5').toNumber() + 1", "13.5"),
        ("B(1) + 1", "\"11\""),
        ("JSON.stringify({a: B('5')})", "\"{\\\"a\\\":\\\"5\\\"}\""),
        (
            "try { B(1234567890.1234567) } catch (e) { e.message }",
            "\"new BigNumber() number type has more than 15 significant digits: 1234567890.1234567\"",
        ),
        (
            "try { B('x') } catch (e) { e.toString() }",
            "\"BigNumber Error: new BigNumber() not a number: x\"",
        ),
    ] {
        let code = format!("var B = BigNumber; {code}");
        assert_eq!(result(&console, &code), expected, "{code}");
    }
}

#[test]
fn arithmetic_agrees_with_that_of_integers() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let console = node.console();
    let pairs = (
        any::<i64>(),
        any::<i64>().prop_filter("a divisor", |it| *it != 0),
    );
    let compare = |(one, other): (i64, i64)| {
        let code = format!(
            "var a = new BigNumber('{one}'), b = new BigNumber('{other}');\
             [a.plus(b), a.minus(b), a.times(b), a.divToInt(b), a.mod(b), a.div('1e9').times('1e9')]\
             .map(function (it) {{ return it.toString(10) }}).join() + ',' + a.cmp(b)"
        );
        let (a, b) = (i128::from(one), i128::from(other));
        let order = one.cmp(&other) as i8;
        let expected = format!(
            "\"{},{},{},{},{},{a},{order}\"",
            a + b,
            a - b,
            a * b,
            a / b,
            a % b
        );
        prop_assert_eq!(result(&console, &code), expected);
        Ok(())
    };
    TestRunner::default().run(&pairs, compare).unwrap();
}

#[test]
fn numbers_keep_their_value_in_hex() {
    let node = Node::start(|_, _| Ok(json!(null)));
    let console = node.console();
    let compare = |number: u128| {
        let hex = format!("\"{number:#x}\"");
        prop_assert_eq!(
            result(&console, &format!("web3.toHex('{number}')")),
            hex.clone()
        );
        let code = format!("web3.toBigNumber({hex}).toString(10)");
        prop_assert_eq!(result(&console, &code), format!("\"{number}\""));
        Ok(())
    };
    TestRunner::default().run(&any::<u128>(), compare).unwrap();
}
