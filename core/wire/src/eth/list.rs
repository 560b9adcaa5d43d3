//! Lists of messages, decoded item by item on demand.

use std::fmt;
use std::marker::PhantomData;

use actoreum_primitives::rlp::{self, DecodeError, List, decode_raw, encode_list_header};
use bytes::Bytes;

use super::WireItem;
use crate::rlp::count_plausible;

/// A list whose items stay encoded. Their number and the headers of their encodings were checked
/// when the list was read; each item is checked and decoded when it is reached. A small message
/// therefore does not take much memory before its items are used, and a hash or a root can be taken
/// of the bytes as they arrived.
pub struct LazyList<T> {
    content: Bytes,
    count: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: WireItem> LazyList<T> {
    /// Creates a list from the rest of `list`, which reads bytes of `message`.
    pub(crate) fn of_content(message: &Bytes, list: &List<'_>) -> Result<Self, DecodeError> {
        Self::of_content_up_to(message, list, T::LIMIT)
    }

    /// Does the same as [`Self::of_content`] with a limit of its own on the number of items.
    pub(crate) fn of_content_up_to(
        message: &Bytes,
        list: &List<'_>,
        limit: usize,
    ) -> Result<Self, DecodeError> {
        let count = count_plausible(list, limit, T::MIN_SIZE)?;
        let content = message.slice_ref(list.remaining());
        Ok(Self {
            content,
            count,
            items: PhantomData,
        })
    }

    /// Creates a list of these items to send. The caller must respect the receiver's limit.
    pub fn from_items<'a>(items: impl IntoIterator<Item = &'a T>) -> Self
    where
        T: 'a,
    {
        let mut content = Vec::new();
        let mut count = 0;
        for item in items {
            item.encode(&mut content);
            count += 1;
        }
        Self {
            content: content.into(),
            count,
            items: PhantomData,
        }
    }

    /// Creates a list of encoded items, as the database holds them. The caller vouches for them.
    pub fn from_encoded<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut content = Vec::new();
        let mut count = 0;
        for item in items {
            content.extend_from_slice(item);
            count += 1;
        }
        Self {
            content: content.into(),
            count,
            items: PhantomData,
        }
    }

    /// Returns the number of items.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Returns true if there are no items.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the size of all items' encodings in bytes.
    pub fn encoded_len(&self) -> usize {
        self.content.len()
    }

    /// Returns the items' encodings.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.content.as_ref();
        std::iter::from_fn(move || decode_raw(&mut rest).ok())
    }

    /// Decodes the items one by one. An error concerns one item; it means that the sender broke the
    /// protocol.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, DecodeError>> {
        self.raw().map(|raw| {
            T::check(raw)?;
            rlp::decode_exact(raw)
        })
    }

    /// Splits the list into parts of at most `max_items` items and `max_bytes` bytes, in order; a
    /// larger item is a part of its own. The parts share the message's bytes.
    pub fn split(&self, max_items: usize, max_bytes: usize) -> Parts<T> {
        Parts {
            rest: self.clone(),
            max_items: max_items.max(1),
            max_bytes,
        }
    }

    /// Returns a copy of the first items, up to `max_bytes` bytes. It does not keep the message in
    /// memory.
    pub fn prefix(&self, max_bytes: usize) -> Self {
        let (count, bytes) = self.first_items(usize::MAX, max_bytes);
        let content = self.content.get(..bytes).unwrap_or_default();
        Self {
            content: Bytes::copy_from_slice(content),
            count,
            items: PhantomData,
        }
    }

    /// Returns how many of the first items are within both bounds, and their size in bytes.
    fn first_items(&self, max_items: usize, max_bytes: usize) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for raw in self.raw().take(max_items) {
            if bytes + raw.len() > max_bytes {
                break;
            }
            bytes += raw.len();
            count += 1;
        }
        (count, bytes)
    }

    /// Decodes all items; returns the first error.
    pub fn decode(&self) -> Result<Vec<T>, DecodeError> {
        self.iter().collect()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode_list_header(self.content.len(), out);
        out.extend_from_slice(&self.content);
    }
}

/// Iterator over the parts of a list; see [`LazyList::split`].
pub struct Parts<T> {
    rest: LazyList<T>,
    max_items: usize,
    max_bytes: usize,
}

impl<T: WireItem> Iterator for Parts<T> {
    type Item = LazyList<T>;

    fn next(&mut self) -> Option<LazyList<T>> {
        let (mut count, mut bytes) = self.rest.first_items(self.max_items, self.max_bytes);
        if count == 0 {
            bytes = self.rest.raw().next()?.len();
            count = 1;
        }
        let content = self.rest.content.split_to(bytes);
        self.rest.count = self.rest.count.saturating_sub(count);
        Some(LazyList {
            content,
            count,
            items: PhantomData,
        })
    }
}

impl<T> Clone for LazyList<T> {
    fn clone(&self) -> Self {
        Self {
            content: self.content.clone(),
            count: self.count,
            items: PhantomData,
        }
    }
}

impl<T> PartialEq for LazyList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

impl<T> Eq for LazyList<T> {}

/// Writes no items: they come from a peer, and may be large.
impl<T> fmt::Debug for LazyList<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "[{} items, {} bytes]",
            self.count,
            self.content.len()
        )
    }
}
