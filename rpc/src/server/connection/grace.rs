//! The time that a request may still take once its client has gone.

use crate::server::limits::CLOSED_CLIENT_TIMEOUT;

/// Resolves when a request whose client has gone is to be cancelled: at once for a batch, else
/// after [`CLOSED_CLIENT_TIMEOUT`].
pub(crate) async fn disconnect_grace(message: &[u8]) {
    if !is_batch(message) {
        tokio::time::sleep(CLOSED_CLIENT_TIMEOUT).await;
    }
}

/// Returns whether a message is a batch.
pub(super) fn is_batch(message: &[u8]) -> bool {
    message.trim_ascii_start().first() == Some(&b'[')
}
