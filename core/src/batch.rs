//! A batch: operations that are committed together or not at all.

use alloc::vec::Vec;

use crate::error::{ErrorKind, Result};
use crate::limits;
use crate::types::owned;

/// What must hold for a key before a batch is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The key has no live record.
    Absent,
    /// The newest live record of the key has this sequence number.
    SeqIs(u64),
}

impl Condition {
    /// Whether it holds for a key whose newest live record has this sequence number, 0 for none.
    #[must_use]
    pub fn holds(self, found: u64) -> bool {
        match self {
            Condition::Absent => found == 0,
            Condition::SeqIs(seq) => found == seq,
        }
    }
}

/// One operation of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The key.
    pub key: Vec<u8>,
    /// The value to set, or `None` to delete.
    pub value: Option<Vec<u8>>,
    /// The moment the record expires, in microseconds since 1970.
    pub expires: Option<u64>,
    /// What must hold for the key as it was before the batch.
    pub condition: Option<Condition>,
}

/// Operations that are committed together or not at all.
///
/// When a key occurs more than once the last operation wins; conditions see the store as it
/// was before the batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    operations: Vec<Operation>,
    required: Vec<(Vec<u8>, Condition)>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn set(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.push(Operation {
            key: owned(key),
            value: Some(owned(value)),
            expires: None,
            condition: None,
        })
    }

    /// Deletes `key`.
    pub fn delete(&mut self, key: &[u8]) -> &mut Self {
        self.push(Operation { key: owned(key), value: None, expires: None, condition: None })
    }

    /// Adds an operation with all its parts.
    pub fn push(&mut self, operation: Operation) -> &mut Self {
        self.bytes += operation.key.len() + operation.value.as_ref().map_or(0, Vec::len) + 48;
        self.operations.push(operation);
        self
    }

    /// Asks for a condition on a key that the batch need not write.
    pub fn require(&mut self, key: &[u8], condition: Condition) -> &mut Self {
        self.required.push((owned(key), condition));
        self
    }

    /// What must hold for keys that the batch need not write.
    #[must_use]
    pub fn required(&self) -> &[(Vec<u8>, Condition)] {
        &self.required
    }

    /// Every condition with its key: of the operations by their numbers, then what is required,
    /// numbered on.
    pub fn conditions(&self) -> impl Iterator<Item = (usize, &[u8], Condition)> {
        let of_operations = self.operations.iter().map(|o| (o.key.as_slice(), o.condition));
        let required = self.required.iter().map(|(key, c)| (key.as_slice(), Some(*c)));
        let all = of_operations.chain(required).enumerate();
        all.filter_map(|(at, (key, condition))| Some((at, key, condition?)))
    }

    /// The operations, in the order they were added.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether each key is greater than the one before, as in most loads: then none is there twice.
    #[must_use]
    pub fn is_ascending(&self) -> bool {
        self.operations.is_sorted_by(|one, next| one.key < next.key)
    }

    /// How many operations the batch has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether the batch has no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// An upper bound of the bytes the batch takes in the log.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.bytes
    }

    /// Removes every operation, keeping the memory.
    pub fn clear(&mut self) {
        self.operations.clear();
        self.required.clear();
        self.bytes = 0;
    }

    /// Checks keys, values and sizes against the limits.
    ///
    /// # Errors
    /// `KeyEmpty`, `KeyTooLong`, `ValueTooLong` or `BatchTooLarge`; `Invalid` where an expiry is
    /// too far off for a number of JavaScript.
    pub fn validate(&self) -> Result<()> {
        if self.operations.len() > limits::BATCH_RECORDS_MAX {
            return Err(ErrorKind::BatchTooLarge {
                size: self.operations.len(),
                max: limits::BATCH_RECORDS_MAX,
            }
            .into());
        }
        for operation in &self.operations {
            check_key(&operation.key)?;
            check_value_len(operation.value.as_ref().map_or(0, Vec::len))?;
            if operation.expires.is_some_and(|expires| expires > limits::SEQ_MAX) {
                return Err(ErrorKind::Invalid(
                    "an expiry is at most 9007199254740991 (June 2255)",
                )
                .into());
            }
        }
        for (key, _) in &self.required {
            check_key(key)?;
        }
        if self.bytes > limits::BATCH_BYTES_MAX {
            return Err(ErrorKind::BatchTooLarge {
                size: self.bytes,
                max: limits::BATCH_BYTES_MAX,
            }
            .into());
        }
        Ok(())
    }
}

/// Checks one key against the limits.
///
/// # Errors
/// `KeyEmpty` or `KeyTooLong`.
pub fn check_key(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(ErrorKind::KeyEmpty.into());
    }
    if key.len() > limits::KEY_LEN_MAX {
        return Err(ErrorKind::KeyTooLong { len: key.len(), max: limits::KEY_LEN_MAX }.into());
    }
    Ok(())
}

/// Checks the length of one value against the limits.
///
/// # Errors
/// `ValueTooLong`.
pub fn check_value_len(len: usize) -> Result<()> {
    if len > limits::VALUE_LEN_MAX {
        return Err(ErrorKind::ValueTooLong { len, max: limits::VALUE_LEN_MAX }.into());
    }
    Ok(())
}
