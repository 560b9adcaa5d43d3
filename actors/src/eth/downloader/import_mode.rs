//! How fetched blocks are imported.

/// Treatment of a window of blocks.
#[derive(Debug, Clone, Copy)]
pub(super) enum ImportMode {
    Execute,
    InsertReceiptChain,
}
