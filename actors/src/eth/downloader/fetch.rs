//! One request to a peer, from the query to the answer that the state machine takes.

use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{Body, Header};
use actoreum_sync::downloader::{Query, RequestFailure};
use actoreum_sync::state::HashedValue;
use actoreum_sync::{HashedHeader, RawBody, RawReceipts};
use actoreum_wire::eth::{HashOrNumber, LazyList, WireItem};
use tokio::time::Instant;

use crate::eth::{EthPeer, RequestError};
use actoreum_supervision::{JobError, Pool};

/// Answer of a peer.
#[derive(Debug)]
pub(super) enum Answer {
    Headers(Vec<HashedHeader>),
    Bodies(Vec<RawBody>),
    Receipts(Vec<RawReceipts>),
    Values(Vec<HashedValue>),
}

/// Sends a query, waits for the answer, and computes hashes and roots on the thread pool.
pub(super) async fn fetch(
    peer: EthPeer,
    query: Query,
    deadline: Instant,
    threads: Pool,
) -> Result<Answer, RequestFailure> {
    match query {
        Query::Header(hash) => {
            let origin = HashOrNumber::Hash(hash);
            let list = peer.raw_headers(origin, 1, 0, false, deadline).await;
            read_headers(list, &threads).await
        }
        Query::Headers(query) => {
            let origin = HashOrNumber::Number(query.first);
            let asked = peer.raw_headers(origin, query.amount, query.skip, query.reverse, deadline);
            read_headers(asked.await, &threads).await
        }
        Query::Bodies(hashes) => {
            let list = peer
                .raw_bodies(hashes, deadline)
                .await
                .map_err(request_failure)?;
            let read = move || -> Result<Vec<RawBody>, DecodeError> {
                list.raw()
                    .map(|raw| {
                        Body::check(raw)?;
                        RawBody::read(raw)
                    })
                    .collect()
            };
            decoded(threads.job("ReadBodies").run(read).await).map(Answer::Bodies)
        }
        Query::Receipts(hashes) => {
            let lists = peer
                .raw_receipts(hashes, deadline)
                .await
                .map_err(request_failure)?;
            let read = move || -> Result<Vec<RawReceipts>, DecodeError> {
                let blocks = lists.encoded()?;
                blocks.iter().map(|raw| RawReceipts::read(raw)).collect()
            };
            decoded(threads.job("ReadReceipts").run(read).await).map(Answer::Receipts)
        }
        Query::Values(hashes) => {
            let values = peer
                .node_data(hashes, deadline)
                .await
                .map_err(request_failure)?;
            let read = move || Ok(values.into_iter().map(HashedValue::new).collect());
            decoded(threads.job("ReadValues").run(read).await).map(Answer::Values)
        }
    }
}

async fn read_headers(
    list: Result<LazyList<Header>, RequestError>,
    threads: &Pool,
) -> Result<Answer, RequestFailure> {
    let list = list.map_err(request_failure)?;
    let read = move || -> Result<Vec<HashedHeader>, DecodeError> {
        list.raw()
            .map(|raw| {
                Header::check(raw)?;
                HashedHeader::read(raw)
            })
            .collect()
    };
    decoded(threads.job("ReadHeaders").run(read).await).map(Answer::Headers)
}

fn decoded<T>(read: Result<Result<T, DecodeError>, JobError>) -> Result<T, RequestFailure> {
    match read {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) => Err(RequestFailure::Malformed),
        // Failure of this node: it stops, or is overloaded. The peer is asked again.
        Err(_) => Err(RequestFailure::Unreadable),
    }
}

fn request_failure(error: RequestError) -> RequestFailure {
    match error {
        RequestError::Timeout | RequestError::Busy => RequestFailure::Expired,
        RequestError::Gone | RequestError::NotSpoken(_) => RequestFailure::Disconnected,
        RequestError::Wrong(_) => RequestFailure::Malformed,
    }
}
