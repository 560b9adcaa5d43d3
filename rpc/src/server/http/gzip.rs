//! Compression of answers for clients that accept it.

use std::io::{self, Write as _};

use actix_web::http::header::{self, HeaderMap};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::handler::text;
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

/// Compresses an answer. A long answer is compressed on a thread of its own.
pub(super) async fn compress(answer: Vec<u8>) -> io::Result<Vec<u8>> {
    if answer.len() < MIN_GZIP_OFFLOAD_BYTES {
        return compress_here(&answer);
    }
    tokio::task::spawn_blocking(move || compress_here(&answer))
        .await
        .map_err(io::Error::other)?
}

fn compress_here(answer: &[u8]) -> io::Result<Vec<u8>> {
    let compressed = Vec::with_capacity(answer.len() / 4);
    let mut encoder = GzEncoder::new(compressed, Compression::fast());
    encoder.write_all(answer)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

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
