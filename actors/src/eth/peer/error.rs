//! Errors of requests to a peer.

/// Reason why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There was no answer in time; counted against the peer.
    #[error("timeout")]
    Timeout,
    /// The connection has ended.
    #[error("the peer is gone")]
    Gone,
    /// The negotiated version has no such request.
    #[error("eth/{0} has no such request")]
    NotSpoken(u64),
    /// Too many requests to this peer wait for their answers.
    #[error("too many requests wait for this peer")]
    Busy,
    /// The answer does not fit the request; counted against the peer.
    #[error("wrong answer: {0}")]
    Wrong(String),
}
