//! Completion with the tab key.

use rustyline::{
    Context, Helper, completion::Completer, completion::Pair, highlight::Highlighter, hint::Hinter,
    validate::Validator,
};

use crate::{engine::Worker, limits::COMPLETION_TIMEOUT};

/// Helper of the line editor that asks the engine for names.
pub struct Assistant {
    worker: Worker,
}

impl Assistant {
    /// Creates a helper that asks the engine of `worker`.
    pub fn new(worker: Worker) -> Self {
        Self { worker }
    }
}

impl Helper for Assistant {}
impl Highlighter for Assistant {}
impl Hinter for Assistant {
    type Hint = String;
}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let start = word_start(&line[..position]);
        let word = &line[start..position];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let names = self.worker.complete(word, COMPLETION_TIMEOUT);
        let pair = |name: String| Pair {
            display: name.clone(),
            replacement: name,
        };
        Ok((start, names.into_iter().map(pair).collect()))
    }
}

/// Returns the start of the word that ends a line: letters and dots, and the word `web3`.
fn word_start(line: &str) -> usize {
    let bytes = line.as_bytes();
    let mut start = bytes.len();
    while start > 0 {
        let byte = bytes[start - 1];
        let is_web3 = byte == b'3' && line[..start - 1].ends_with("web");
        if !byte.is_ascii_alphabetic() && byte != b'.' && !is_web3 {
            break;
        }
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_the_cursor_is_completed() {
        for (line, word) in [
            ("eth.get", "eth.get"),
            ("eth.getBalance(eth.coinb", "eth.coinb"),
            ("x = web3.eth.", "web3.eth."),
            ("a1b", "b"),
            ("é.a", ".a"),
            ("1 + ", ""),
            ("", ""),
        ] {
            assert_eq!(&line[word_start(line)..], word);
        }
    }
}
