//! Compares the JSON writer with `serde_json::to_writer` and the scanner with `serde_json` reading raw
//! values. Before anything is measured, the bytes written and the values found are asserted to be the
//! same on both sides. The figures are processor time.

#![allow(missing_docs, reason = "criterion's macros write public functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by its panic")]

use criterion::{Criterion, criterion_group, criterion_main};
use thread_time::ThreadTime;

mod scan;
#[path = "../../../tests/bench/thread_time.rs"]
mod thread_time;
mod values;
mod write;

criterion_group!(
    name = benches;
    config = Criterion::default().with_measurement(ThreadTime);
    targets = write::answers, scan::requests
);
criterion_main!(benches);
