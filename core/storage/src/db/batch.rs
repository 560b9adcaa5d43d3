//! A batch of puts and deletes that are applied together.

/// A list of operations, stored in the encoding that a journal writes. Each operation has the key's
/// length (2 bytes), the value's length (4 bytes, `DELETED` for a deletion), both little-endian,
/// the key, and the value.
#[derive(Debug, Clone, Default)]
pub struct WriteBatch {
    bytes: Vec<u8>,
    count: usize,
}

/// Length that marks a deletion.
const DELETED: u32 = u32::MAX;
const HEADER: usize = 6;

/// One operation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation<'a> {
    /// Key, including its table's byte.
    pub key: &'a [u8],
    /// Value; `None` deletes the key.
    pub value: Option<&'a [u8]>,
}

impl WriteBatch {
    /// Adds a put. The key is given in parts.
    pub fn put(&mut self, key: &[&[u8]], value: &[u8]) {
        self.key(key, value.len() as u32);
        self.bytes.extend_from_slice(value);
    }

    /// Adds a deletion. The key is given in parts.
    pub fn delete(&mut self, key: &[&[u8]]) {
        self.key(key, DELETED);
    }

    fn key(&mut self, key: &[&[u8]], value_length: u32) {
        let length = key.iter().map(|part| part.len()).sum::<usize>();
        debug_assert!(length <= crate::limits::MAX_KEY_BYTES);
        self.bytes.extend_from_slice(&(length as u16).to_le_bytes());
        self.bytes.extend_from_slice(&value_length.to_le_bytes());
        for part in key {
            self.bytes.extend_from_slice(part);
        }
        self.count += 1;
    }

    /// Appends all operations of another batch.
    pub fn append(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.count += other.count;
    }

    /// Returns the number of operations.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Returns true if the batch has no operation.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the operations in their order.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || split_operation(&mut rest))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Decodes the bytes that [`Self::as_bytes`] returned; `None` if they are not a batch.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut count = 0;
        while split_operation(&mut rest).is_some() {
            count += 1;
        }
        rest.is_empty().then(|| Self {
            bytes: bytes.to_vec(),
            count,
        })
    }
}

fn split_operation<'a>(rest: &mut &'a [u8]) -> Option<Operation<'a>> {
    let (header, body) = rest.split_at_checked(HEADER)?;
    let (key_length, value_length) = header.split_at(2);
    let key_length = u16::from_le_bytes(key_length.try_into().ok()?);
    let value_length = u32::from_le_bytes(value_length.try_into().ok()?);
    let (key, body) = body.split_at_checked(key_length.into())?;
    let (value, after) = if value_length == DELETED {
        (None, body)
    } else {
        let (value, after) = body.split_at_checked(value_length as usize)?;
        (Some(value), after)
    };
    *rest = after;
    Some(Operation { key, value })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prop_batches_survive_a_round_trip(
            operations in vec((vec(any::<u8>(), 0..40), prop::option::of(vec(any::<u8>(), 0..60))), 0..12),
        ) {
            let mut batch = WriteBatch::default();
            for (key, value) in &operations {
                match value {
                    Some(value) => batch.put(&[key], value),
                    None => batch.delete(&[key]),
                }
            }
            let bytes = batch.as_bytes();
            let read = WriteBatch::from_bytes(bytes).unwrap();
            let found: Vec<_> = read
                .operations()
                .map(|operation| (operation.key.to_vec(), operation.value.map(<[u8]>::to_vec)))
                .collect();
            prop_assert_eq!(found, operations);
            prop_assert_eq!(read.len(), batch.len());
            if let Some(cut) = bytes.len().checked_sub(1) {
                prop_assert!(WriteBatch::from_bytes(&bytes[..cut]).is_none());
            }
        }

        #[test]
        fn prop_arbitrary_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = WriteBatch::from_bytes(&bytes);
        }
    }

    #[test]
    fn prealloc_an_overlong_length_is_refused() {
        let claim = [
            &u16::MAX.to_le_bytes()[..],
            &(DELETED - 1).to_le_bytes(),
            &[0; 9],
        ]
        .concat();
        assert!(WriteBatch::from_bytes(&claim).is_none());
    }
}
