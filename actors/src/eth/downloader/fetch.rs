//! One request to a peer, from the question to what the rules can use.

use actoreum_primitives::rlp::DecodeError;
use actoreum_primitives::{Body, Header};
use actoreum_sync::downloader::{Query, Unanswered};
use actoreum_sync::state::HashedValue;
use actoreum_sync::{BodyParcel, HashedHeader, ReceiptsParcel};
use actoreum_wire::eth::{BlockOrigin, BlockReceipts, LazyList, WireItem};
use tokio::time::Instant;

use crate::eth::{EthPeer, RequestError};
use crate::supervision::{JobError, Pool};

/// What a peer sent.
#[derive(Debug)]
pub(super) enum Answer {
    Headers(Vec<HashedHeader>),
    Bodies(Vec<BodyParcel>),
    Receipts(Vec<ReceiptsParcel>),
    Values(Vec<HashedValue>),
}

/// Asks, waits, and takes hashes and roots on the pool.
pub(super) async fn fetch(
    peer: EthPeer,
    query: Query,
    deadline: Instant,
    pool: Pool,
) -> Result<Answer, Unanswered> {
    match query {
        Query::Header(hash) => {
            let origin = BlockOrigin::Hash(hash);
            let list = peer.raw_headers(origin, 1, 0, false, deadline).await;
            read_headers(list, &pool).await
        }
        Query::Headers(query) => {
            let origin = BlockOrigin::Number(query.first);
            let asked = peer.raw_headers(origin, query.amount, query.skip, query.reverse, deadline);
            read_headers(asked.await, &pool).await
        }
        Query::Bodies(hashes) => {
            let list = peer.raw_bodies(hashes, deadline).await.map_err(why)?;
            let read = move || -> Result<Vec<BodyParcel>, DecodeError> {
                list.raw()
                    .map(|raw| {
                        Body::check(raw)?;
                        BodyParcel::read(raw)
                    })
                    .collect()
            };
            readable(pool.run(read).await).map(Answer::Bodies)
        }
        Query::Receipts(hashes) => {
            let list = peer.raw_receipts(hashes, deadline).await.map_err(why)?;
            let read = move || -> Result<Vec<ReceiptsParcel>, DecodeError> {
                list.raw()
                    .map(|raw| {
                        BlockReceipts::check(raw)?;
                        ReceiptsParcel::read(raw)
                    })
                    .collect()
            };
            readable(pool.run(read).await).map(Answer::Receipts)
        }
        Query::Values(hashes) => {
            let values = peer.node_data(hashes, deadline).await.map_err(why)?;
            let read = move || Ok(values.into_iter().map(HashedValue::new).collect());
            readable(pool.run(read).await).map(Answer::Values)
        }
    }
}

async fn read_headers(
    list: Result<LazyList<Header>, RequestError>,
    pool: &Pool,
) -> Result<Answer, Unanswered> {
    let list = list.map_err(why)?;
    let read = move || -> Result<Vec<HashedHeader>, DecodeError> {
        list.raw()
            .map(|raw| {
                Header::check(raw)?;
                HashedHeader::read(raw)
            })
            .collect()
    };
    readable(pool.run(read).await).map(Answer::Headers)
}

fn readable<T>(read: Result<Result<T, DecodeError>, JobError>) -> Result<T, Unanswered> {
    match read {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(_)) => Err(Unanswered::Garbage),
        // Of this node: it stops, or has too much to do. The peer is asked again.
        Err(_) => Err(Unanswered::Unread),
    }
}

fn why(error: RequestError) -> Unanswered {
    match error {
        RequestError::Timeout | RequestError::Busy => Unanswered::Expired,
        RequestError::Gone | RequestError::NotSpoken(_) => Unanswered::Gone,
        RequestError::Wrong(_) => Unanswered::Garbage,
    }
}
