//! Lists from the wire that are decoded item by item, when somebody asks.

use std::fmt;
use std::marker::PhantomData;

use actoreum_primitives::rlp::{self, DecodeError, List, decode_raw, encode_list_header};
use bytes::Bytes;

use super::WireItem;
use crate::rlp::count_plausible;

/// A list whose items stay encoded. Their number and their headers were checked when the list
/// was read; each item is checked and decoded when it is reached. What arrives for a few bytes
/// does not become many before somebody wants it, and a hash or a root can be taken of the
/// bytes as they came.
pub struct LazyList<T> {
    content: Bytes,
    count: usize,
    items: PhantomData<fn() -> T>,
}

impl<T: WireItem> LazyList<T> {
    /// Takes the rest of `list`, which reads bytes of `message`.
    pub(super) fn of_content(message: &Bytes, list: &List<'_>) -> Result<Self, DecodeError> {
        let count = count_plausible(list, T::LIMIT, T::MIN_SIZE)?;
        let content = message.slice_ref(list.remaining());
        Ok(Self {
            content,
            count,
            items: PhantomData,
        })
    }

    /// A list of these items, as we send it. Keeping to the other side's limit is up to the
    /// caller.
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

    /// A list of items that are encoded already, as the database holds them. The caller
    /// vouches for them.
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

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size of all items' encodings.
    pub fn encoded_len(&self) -> usize {
        self.content.len()
    }

    /// The items' encodings.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.content.as_ref();
        std::iter::from_fn(move || decode_raw(&mut rest).ok())
    }

    /// The items. An error is of one item; it says that the sender broke the protocol.
    pub fn iter(&self) -> impl Iterator<Item = Result<T, DecodeError>> {
        self.raw().map(|raw| {
            T::check(raw)?;
            rlp::decode_exact(raw)
        })
    }

    /// The list in parts of at most `most_items` items and `most_bytes` bytes, in order; an item
    /// that is larger is a part of its own. The parts share the message's bytes.
    pub fn split(&self, most_items: usize, most_bytes: usize) -> Parts<T> {
        Parts {
            rest: self.clone(),
            most_items: most_items.max(1),
            most_bytes,
        }
    }

    /// The first items, up to `most_bytes` bytes, in memory of their own: the message that they
    /// came with is not held by them.
    pub fn prefix(&self, most_bytes: usize) -> Self {
        let (count, bytes) = self.first_items(usize::MAX, most_bytes);
        let content = self.content.get(..bytes).unwrap_or_default();
        Self {
            content: Bytes::copy_from_slice(content),
            count,
            items: PhantomData,
        }
    }

    /// How many of the first items are within both bounds, and how many bytes they have.
    fn first_items(&self, most_items: usize, most_bytes: usize) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for raw in self.raw().take(most_items) {
            if bytes + raw.len() > most_bytes {
                break;
            }
            bytes += raw.len();
            count += 1;
        }
        (count, bytes)
    }

    /// All items, or the first error.
    pub fn decode(&self) -> Result<Vec<T>, DecodeError> {
        self.iter().collect()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        encode_list_header(self.content.len(), out);
        out.extend_from_slice(&self.content);
    }
}

/// The parts of a list; see [`LazyList::split`].
pub struct Parts<T> {
    rest: LazyList<T>,
    most_items: usize,
    most_bytes: usize,
}

impl<T: WireItem> Iterator for Parts<T> {
    type Item = LazyList<T>;

    fn next(&mut self) -> Option<LazyList<T>> {
        let (mut count, mut bytes) = self.rest.first_items(self.most_items, self.most_bytes);
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

/// Never the items: they are a stranger's, and may be large.
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
