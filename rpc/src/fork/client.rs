//! The JSON-RPC client of a remote chain: blocking requests over HTTP, with retries.
//!
//! A request runs on the thread that asks for it. Its time is bounded, retries included, and so is
//! the size of its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tracing::debug;
use ureq::Agent;

use super::{ForkOptions, RemoteError};
use crate::error::RpcError;
use crate::http_client;

/// Maximum size of the answer to one body, in bytes: that of this node's own answers.
const MAX_ANSWER_BYTES: u64 = crate::server::limits::MAX_RESPONSE_BYTES as u64;
/// Longest pause before a retry.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Compute units of an average request, as providers count them.
const UNITS_PER_REQUEST: u64 = 17;

/// A method and its arguments, as a JSON array.
pub(super) type Call<'a> = (&'a str, Value);

/// A client of one remote node, shared by all threads.
pub(super) struct Client {
    agent: Agent,
    url: ArcSwap<String>,
    options: ForkOptions,
    /// Requests that are under way.
    running: AtomicU64,
    /// Requests that were sent, retries included.
    sent: AtomicU64,
}

/// An answer to one request.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<AnsweredError<'a>>,
}

#[derive(Deserialize)]
struct AnsweredError<'a> {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
}

/// The result of a request that the remote node answered.
pub(super) type Answered = Result<Box<RawValue>, RpcError>;

/// A failed attempt.
struct Failure {
    text: String,
    /// Whether the next attempt may succeed.
    is_passing: bool,
    /// Whether the remote node limits the rate of requests.
    is_limit: bool,
}

impl Failure {
    fn passing(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_passing: true,
            is_limit: false,
        }
    }
}

impl Client {
    /// Creates a client. For https it trusts the authorities that the system trusts.
    ///
    /// # Errors
    /// The address is none of http or https, or no authority is trusted.
    pub(super) fn new(options: ForkOptions) -> Result<Self, String> {
        Ok(Self {
            agent: http_client::agent(&options.url)?,
            url: ArcSwap::from_pointee(options.url.clone()),
            options,
            running: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        })
    }

    pub(super) fn url(&self) -> Arc<String> {
        self.url.load_full()
    }

    pub(super) fn options(&self) -> &ForkOptions {
        &self.options
    }

    /// Sends later requests to another address.
    pub(super) fn set_url(&self, url: String) -> Result<(), String> {
        http_client::check(&url)?;
        let is_tls = |url: &str| url.starts_with("https:");
        if is_tls(&url) && !is_tls(&self.options.url) {
            return Err("the chain was forked over http: https takes a restart".to_owned());
        }
        self.url.store(Arc::new(url));
        Ok(())
    }

    /// Returns the number of requests that were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Calls one method.
    pub(super) fn call(&self, method: &str, params: Value) -> Result<Answered, RemoteError> {
        let answers = self.batch(&[(method, params)])?;
        let missing = || RemoteError(format!("no answer to {method}"));
        answers.into_iter().next().ok_or_else(missing)
    }

    /// Calls methods in one request; returns their results in the same order.
    pub(super) fn batch(&self, calls: &[Call<'_>]) -> Result<Vec<Answered>, RemoteError> {
        let requests: Vec<Value> = calls
            .iter()
            .enumerate()
            .map(|(id, (method, params))| {
                json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
            })
            .collect();
        let body = match requests.as_slice() {
            [one] => one.to_string(),
            all => Value::from(all.to_vec()).to_string(),
        };
        self.running
            .fetch_add(calls.len() as u64, Ordering::Relaxed);
        let answered = self.repeat(&body, calls.len());
        self.running
            .fetch_sub(calls.len() as u64, Ordering::Relaxed);
        let what = calls.first().map_or("", |(method, _)| method);
        answered.map_err(|text| RemoteError(format!("{what}: {text}")))
    }

    /// Sends a body until it is answered, the attempts are used up, or the time is over.
    fn repeat(&self, body: &str, count: usize) -> Result<Vec<Answered>, String> {
        let deadline = Instant::now() + self.options.timeout;
        let mut attempt = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.sent.fetch_add(count as u64, Ordering::Relaxed);
            let failure = match self.send(body, left).and_then(|bytes| read(&bytes, count)) {
                Ok(answers) => return Ok(answers),
                Err(failure) => failure,
            };
            let pause = self.pause(attempt, failure.is_limit);
            let is_late = Instant::now() + pause >= deadline;
            if !failure.is_passing || attempt >= self.options.retries || is_late {
                return Err(failure.text);
            }
            debug!(
                error = failure.text,
                ?pause,
                "request to the remote chain repeated"
            );
            std::thread::sleep(pause);
            attempt += 1;
        }
    }

    /// Returns the time before the next attempt: it doubles, and if the remote node limits the rate,
    /// the requests under way wait for their share of it.
    fn pause(&self, attempt: u32, is_limit: bool) -> Duration {
        let doubled = self.options.backoff.saturating_mul(1 << attempt.min(16));
        let share = match self.options.units_per_second {
            Some(units) if is_limit => {
                let wanted = self.running.load(Ordering::Relaxed) * UNITS_PER_REQUEST;
                Duration::from_millis(wanted * 1_000 / units.max(1))
            }
            _ => Duration::ZERO,
        };
        (doubled + share).min(MAX_PAUSE)
    }

    fn send(&self, body: &str, timeout: Duration) -> Result<Vec<u8>, Failure> {
        let url = self.url();
        let request = self
            .agent
            .post(url.as_str())
            .config()
            .timeout_global(Some(timeout.max(Duration::from_millis(1))))
            .build()
            .header("content-type", "application/json");
        let mut response = request
            .send(body)
            .map_err(|error| Failure::passing(error.to_string()))?;
        let status = response.status().as_u16();
        let bytes = response.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        let bytes = bytes.read_to_vec().map_err(|error| Failure {
            is_passing: !matches!(error, ureq::Error::BodyExceedsLimit(_)),
            ..Failure::passing(error.to_string())
        });
        match status {
            200..=299 => bytes,
            // Some nodes answer errors of JSON-RPC with such a status.
            400..=499 if status != 429 => match bytes {
                Ok(bytes) if bytes.first().is_some_and(|byte| b"{[".contains(byte)) => Ok(bytes),
                _ => Err(Failure {
                    is_passing: false,
                    ..Failure::passing(format!("status {status}"))
                }),
            },
            _ => Err(Failure {
                is_passing: status >= 400,
                is_limit: status == 429,
                text: format!("status {status}"),
            }),
        }
    }
}

/// Reads the answers to `count` requests, in the order of the requests.
fn read(bytes: &[u8], count: usize) -> Result<Vec<Answered>, Failure> {
    let unreadable = |error: serde_json::Error| Failure::passing(format!("no JSON-RPC: {error}"));
    let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let answers: Vec<Answer<'_>> = if is_list {
        serde_json::from_slice(bytes).map_err(unreadable)?
    } else {
        vec![serde_json::from_slice(bytes).map_err(unreadable)?]
    };
    if let Some(error) = answers.iter().find_map(|answer| answer.error.as_ref())
        && is_rate_limit(error.code, &error.message)
    {
        return Err(Failure {
            text: error.message.clone(),
            is_passing: true,
            is_limit: true,
        });
    }
    if !is_list && count > 1 {
        let error = answers.into_iter().find_map(|answer| answer.error);
        let text = error.map_or("a batch was not answered".to_owned(), |error| error.message);
        return Err(Failure {
            is_passing: false,
            ..Failure::passing(text)
        });
    }
    let mut sorted: Vec<Option<Answered>> = Vec::new();
    sorted.resize_with(count, || None);
    for answer in answers {
        let id = if count == 1 { Some(0) } else { answer.id };
        let place = id.and_then(|id| sorted.get_mut(usize::try_from(id).ok()?));
        if let Some(place) = place {
            *place = Some(result(answer));
        }
    }
    let all: Option<Vec<Answered>> = sorted.into_iter().collect();
    all.ok_or_else(|| Failure::passing("an answer of a batch is missing"))
}

fn result(answer: Answer<'_>) -> Answered {
    match (answer.error, answer.result) {
        (Some(error), _) => {
            let mut answered = RpcError::new(error.code, error.message);
            if let Some(data) = error.data {
                answered = answered.with_data(data.get());
            }
            Err(answered)
        }
        (None, Some(result)) => Ok(result.to_owned()),
        (None, None) => Ok(RawValue::NULL.to_owned()),
    }
}

/// Returns whether an error says that there were too many requests, in the ways of providers.
fn is_rate_limit(code: i64, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    let says = [
        "rate limit",
        "too many requests",
        "compute units",
        "exceeded its throughput",
    ];
    code == 429 || code == -32_016 || says.iter().any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(answers: Vec<Answered>) -> Vec<String> {
        let text =
            |answer: Answered| answer.map_or_else(|it| it.message.into(), |it| it.get().into());
        answers.into_iter().map(text).collect()
    }

    #[test]
    fn answers_of_a_batch_are_put_in_order() {
        let body = br#"[{"id":1,"result":"b"},{"id":0,"result":null},{"id":7,"result":1}]"#;
        let Ok(answers) = read(body, 2) else {
            panic!("the batch is readable");
        };
        assert_eq!(texts(answers), ["null", "\"b\""]);
        assert!(read(br#"[{"id":1,"result":1}]"#, 2).is_err());
        assert!(read(br#"{"id":1,"result":1}"#, 2).is_err());
    }

    #[test]
    fn arbitrary_answers_do_not_panic() {
        for body in [
            "",
            "[",
            "{}",
            "[[]]",
            "\"\"",
            "[{\"id\":-1}]",
            "{\"error\":{\"code\":\"x\"}}",
        ] {
            for count in 1..3 {
                let _ = read(body.as_bytes(), count);
            }
        }
    }

    #[test]
    fn a_rate_limit_is_worth_a_retry_and_a_refusal_is_not() {
        let limit = br#"{"id":0,"error":{"code":-32005,"message":"Rate limit exceeded"}}"#;
        let Err(failure) = read(limit, 1) else {
            panic!("a rate limit is no answer");
        };
        assert!(failure.is_passing && failure.is_limit);
        let refusal = br#"{"id":0,"error":{"code":-32000,"message":"missing trie node"}}"#;
        let Ok(answers) = read(refusal, 1) else {
            panic!("a refusal is an answer");
        };
        assert_eq!(texts(answers), ["missing trie node"]);
    }
}
