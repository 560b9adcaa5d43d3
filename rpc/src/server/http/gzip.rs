//! Compression of answers for clients that accept it.

use std::io::{self, Write as _};

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actoreum_supervision::{JobError, Pool};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::response::text;
use crate::server::limits::{MIN_GZIP_BYTES, MIN_GZIP_OFFLOAD_BYTES};

/// Returns whether an answer of `bytes` bytes is to be compressed for this client.
pub(super) fn is_wanted(headers: &HeaderMap, bytes: usize) -> bool {
    bytes >= MIN_GZIP_BYTES && text(headers, &header::ACCEPT_ENCODING).is_some_and(accepts)
}

/// Returns whether a list of encodings contains gzip with a weight above zero.
fn accepts(encodings: &str) -> bool {
    encodings.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let is_refused = weight
            .and_then(|weight| weight.parse::<f32>().ok())
            .is_some_and(|weight| weight <= 0.0);
        is_gzip && !is_refused
    })
}

/// Compresses an answer: a long one on the threads of `pool`. Returns `None` if it is to be sent as it
/// is, because the pool has no room or is not running.
pub(super) async fn compress(answer: &Bytes, pool: Option<&Pool>) -> io::Result<Option<Vec<u8>>> {
    let Some(pool) = pool.filter(|_| answer.len() >= MIN_GZIP_OFFLOAD_BYTES) else {
        return compress_here(answer).map(Some);
    };
    let shared = answer.clone();
    match pool.job("gzip").run(move || compress_here(&shared)).await {
        Ok(compressed) => compressed.map(Some),
        Err(JobError::NotRun(_)) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn compress_here(answer: &[u8]) -> io::Result<Vec<u8>> {
    let compressed = Vec::with_capacity(answer.len() / 4);
    let mut encoder = GzEncoder::new(compressed, Compression::fast());
    encoder.write_all(answer)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[tokio::test]
    async fn a_long_answer_is_compressed_by_the_pool() {
        let (pool, answer) = (Pool::new("gzip", 1), Bytes::from(vec![b'0'; 100_000]));
        let running = pool.run_alone().unwrap();
        let compressed = compress(&answer, Some(&pool)).await.unwrap().unwrap();
        let mut plain = Vec::new();
        let mut decoder = GzDecoder::new(compressed.as_slice());
        decoder.read_to_end(&mut plain).unwrap();
        assert_eq!(plain, answer);
        assert_eq!(pool.accepted(), 1);
        drop(running);
        assert_eq!(compress(&answer, Some(&pool)).await.unwrap(), None);
        let short = answer.slice(..MIN_GZIP_OFFLOAD_BYTES - 1);
        let compressed = compress(&short, Some(&pool)).await.unwrap();
        assert!(compressed.is_some(), "on this thread");
    }

    #[test]
    fn gzip_is_found_in_a_list_of_encodings() {
        for yes in ["gzip", "deflate, GZIP;q=0.5", "br;q=1.0, gzip"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "br", "gzip;q=0", "deflate, gzip; q=0.0", "gzipped"] {
            assert!(!accepts(no), "{no}");
        }
    }
}
