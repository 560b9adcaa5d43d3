//! Report of a run: counts, and differences from the expected results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Instant;

/// Maximum number of failures that are printed in full; the rest are counted.
const MAX_PRINTED_FAILURES: usize = 200;

/// The first field in which a result differs from the vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the field, such as `block 3: state_root`.
    pub field: String,
    /// Value in the vector.
    pub expected: String,
    /// Value of the run.
    pub got: String,
}

impl Difference {
    /// Creates a difference in `field`.
    pub fn new(field: impl Into<String>, expected: impl ToString, got: impl ToString) -> Self {
        Self {
            field: field.into(),
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    /// Prefixes the field's name with the place that it is inside of.
    pub fn inside(mut self, place: &str) -> Self {
        self.field = format!("{place}: {}", self.field);
        self
    }
}

/// Compares two values.
///
/// # Errors
/// A [`Difference`] in `field` where they are not equal.
pub fn same<T: PartialEq + std::fmt::Debug>(
    field: &str,
    expected: &T,
    got: &T,
) -> Result<(), Difference> {
    if expected == got {
        return Ok(());
    }
    Err(Difference::new(
        field,
        format!("{expected:?}"),
        format!("{got:?}"),
    ))
}

#[derive(Default)]
struct Counts {
    passed: usize,
    failed: usize,
}

#[derive(Default)]
struct Tables {
    counts: BTreeMap<(String, String), Counts>,
    failures: Vec<String>,
    exceptions: BTreeMap<String, (usize, String)>,
    unknown: BTreeMap<String, usize>,
}

/// Results of one or more suites. Shared by the threads that run them.
pub struct Report {
    title: &'static str,
    started: Instant,
    tables: Mutex<Tables>,
}

impl Report {
    /// Creates an empty report.
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            started: Instant::now(),
            tables: Mutex::default(),
        }
    }

    /// Counts a vector under its suite and fork.
    pub fn record(&self, suite: &str, fork: &str, name: &str, outcome: Result<(), Difference>) {
        let mut tables = self
            .tables
            .lock()
            .expect("no thread panics while it holds the report");
        let counts = tables
            .counts
            .entry((suite.to_owned(), fork.to_owned()))
            .or_default();
        match outcome {
            Ok(()) => counts.passed += 1,
            Err(difference) => {
                counts.failed += 1;
                let Difference {
                    field,
                    expected,
                    got,
                } = difference;
                tables.failures.push(format!(
                    "{suite} [{fork}] {name}\n    {field}\n      expected {}\n      got      {}",
                    shortened(&expected),
                    shortened(&got)
                ));
            }
        }
    }

    /// Counts a vector that is deliberately skipped, under a name of
    /// [`crate::exceptions::SKIPPED_VECTORS`].
    pub fn except(&self, name: &str, reason: &str) {
        let mut tables = self
            .tables
            .lock()
            .expect("no thread panics while it holds the report");
        tables
            .exceptions
            .entry(name.to_owned())
            .or_insert((0, reason.to_owned()))
            .0 += 1;
    }

    /// Counts an exception's name that stands for no class of reasons: any refusal is accepted for
    /// it.
    pub fn note_exception(&self, exception: &str) {
        if !crate::exceptions::classes(exception).is_empty() {
            return;
        }
        let mut tables = self
            .tables
            .lock()
            .expect("no thread panics while it holds the report");
        *tables.unknown.entry(exception.to_owned()).or_default() += 1;
    }

    /// Prints the counts, the exceptions and the failures.
    ///
    /// # Panics
    /// A vector failed, or none ran.
    pub fn finish(self) {
        let tables = self
            .tables
            .into_inner()
            .expect("no thread panicked with the report");
        let (mut passed, mut failed) = (0, 0);
        let mut text = String::new();
        for ((suite, fork), counts) in &tables.counts {
            passed += counts.passed;
            failed += counts.failed;
            let failures = match counts.failed {
                0 => String::new(),
                failures => format!("  {failures} FAILED"),
            };
            let _ = writeln!(
                text,
                "  {suite:<44} {fork:<32} {:>6}{failures}",
                counts.passed
            );
        }
        for (name, (count, reason)) in &tables.exceptions {
            let _ = writeln!(text, "  not held to: {name} ({count}): {reason}");
        }
        for (exception, count) in &tables.unknown {
            let _ = writeln!(
                text,
                "  refused, for whatever reason: {exception} ({count}) is no exception known here"
            );
        }
        for failure in tables.failures.iter().take(MAX_PRINTED_FAILURES) {
            let _ = writeln!(text, "  FAILED {failure}");
        }
        if tables.failures.len() > MAX_PRINTED_FAILURES {
            let _ = writeln!(
                text,
                "  and {} more",
                tables.failures.len() - MAX_PRINTED_FAILURES
            );
        }
        let seconds = self.started.elapsed().as_secs_f64();
        print(&format!(
            "{}: {passed} passed, {failed} failed in {seconds:.1} s\n{text}",
            self.title
        ));
        assert_eq!(failed, 0, "{}: vectors failed", self.title);
        assert!(
            passed > 0,
            "{}: no vector ran: is the archive empty?",
            self.title
        );
    }
}

/// Writes to standard error past the capture of the test harness, so that counts are visible when
/// tests pass, too.
pub fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 600;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}... ({} bytes)", text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_first_difference() {
        assert_eq!(same("gas", &1, &1), Ok(()));
        let difference = same("gas", &1, &2).unwrap_err().inside("block 3");
        assert_eq!(difference, Difference::new("block 3: gas", 1, 2));
    }

    #[test]
    #[should_panic(expected = "vectors failed")]
    fn fails_where_a_vector_failed() {
        let report = Report::new("report's own test");
        report.record("suite", "fork", "good", Ok(()));
        report.record(
            "suite",
            "fork",
            "bad",
            Err(Difference::new("field", "a", "b")),
        );
        report.finish();
    }

    #[test]
    #[should_panic(expected = "no vector ran")]
    fn fails_where_nothing_ran() {
        Report::new("report's own empty test").finish();
    }
}
