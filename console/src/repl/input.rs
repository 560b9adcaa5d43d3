//! Rules about input: where it ends, what leaves the console, what the history keeps.

/// Returns the number of `{` and `(` that are not closed. Brackets in strings do not count; comments and
/// regular expressions are not understood, as in geth.
pub fn open_brackets(input: &str) -> i64 {
    let (mut open, mut quote, mut is_escaped) = (0, None, false);
    for character in input.chars() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (quote, character) {
            (Some(_), '\\') => is_escaped = true,
            (Some(mark), it) if it == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '{' | '(') => open += 1,
            (None, '}' | ')') => open -= 1,
            (None, _) => {}
        }
    }
    open
}

/// Returns true for `exit`, with or without semicolons.
pub fn is_exit(line: &str) -> bool {
    line.trim_start()
        .strip_prefix("exit")
        .is_some_and(|rest| rest.trim_start().trim_start_matches(';').trim().is_empty())
}

/// Returns true if the history keeps the input: not if it begins with a blank, or may contain a password
/// or a key. geth leaves out all that contains `personal.` and then n, u or s (new accounts, unlocking,
/// signing, sending); here also imported keys and opened wallets.
pub fn is_kept(input: &str) -> bool {
    const SECRET: [char; 5] = ['n', 'u', 's', 'i', 'o'];
    let mut rest = input;
    while let Some(at) = rest.find("personal") {
        rest = &rest[at + "personal".len()..];
        // One character stands between, whatever it is: `personal["sign"]` has two.
        let mut characters = rest
            .chars()
            .filter(|it| !matches!(it, '[' | '"' | '\'' | ' '));
        let first = characters.next();
        let second = characters.next();
        if first.is_some_and(|it| SECRET.contains(&it)) && !rest.starts_with(char::is_alphabetic)
            || second.is_some_and(|it| SECRET.contains(&it))
        {
            return false;
        }
    }
    !input.starts_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_outside_of_strings() {
        for (input, open) in [
            ("", 0),
            ("f(", 1),
            ("function (a) {", 1),
            ("({a: (", 3),
            ("[1,", 0),
            ("'({' + \"((\"", 0),
            (r#""a\"(" + ("#, 1),
            ("}", -1),
            ("a = 'it\\'s' (", 1),
        ] {
            assert_eq!(open_brackets(input), open, "{input}");
        }
    }

    #[test]
    fn exit_may_have_blanks_and_semicolons() {
        for line in ["exit", "  exit ;; ", "exit;"] {
            assert!(is_exit(line), "{line}");
        }
        for line in ["exit()", "exits", "x exit", "exit; 1"] {
            assert!(!is_exit(line), "{line}");
        }
    }

    #[test]
    fn input_with_secrets_is_not_kept() {
        for input in [
            "personal.newAccount('x')",
            "personal.unlockAccount(eth.coinbase, 'x')",
            "a = personal.sign(1)",
            "personal.sendTransaction({}, 'x')",
            "personal.importRawKey('1', 'x')",
            "personal.openWallet('ledger://')",
            "web3.personal['newAccount']('x')",
            "personal . unlockAccount(1)",
            " eth.accounts",
        ] {
            assert!(!is_kept(input), "{input}");
        }
        for input in [
            "eth.accounts",
            "personal.listAccounts",
            "personal",
            "personal.lockAccount(1)",
        ] {
            assert!(is_kept(input), "{input}");
        }
    }
}
