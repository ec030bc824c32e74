//! Opening a sealed segment: its header and footer must be those the manifest tells of.

use alloc::sync::Arc;

use once_cell::race::OnceBox;

use super::Sealed;
use crate::error::{Error, ErrorKind, Result, StorageErrorKind};
use crate::format::{Footer, Malformed, SEGMENT_HEADER_LEN, SegmentHeader, SegmentKind};
use crate::limits;
use crate::segment_file::SegmentFile;
use crate::storage::{FileId, ReadAt, Storage};

/// No footer is longer than this: numbers, two keys, and the fixed part.
const FOOTER_LEN_MAX: u64 = 2 * (limits::KEY_LEN_MAX as u64 + 3) + 256;

impl<R: ReadAt> Sealed<R> {
    /// Opens the segment of this footer.
    ///
    /// # Errors
    /// `Corrupt` when the file is missing, too short, or its header or footer differs; the
    /// storage's failure.
    pub fn open<S: Storage<Reader = R>>(
        storage: &S,
        store_id: &[u8; 16],
        footer: &Footer,
    ) -> Result<Arc<Self>> {
        let n = footer.numbers;
        let id = FileId::segment(n.number);
        let reader = storage.open(id).map_err(|e| match e.kind {
            StorageErrorKind::NotFound => Error::corrupt(id, 0, "the file, which is missing"),
            _ => e.into(),
        })?;
        if reader.len()? < footer.file_len() {
            return Err(Error::corrupt(id, reader.len()?, "more bytes: the file is cut"));
        }
        let file = SegmentFile::new(n.number, n.salt, n.base_seq, reader, footer.file_len());
        let header = SegmentHeader::decode(&file.bytes(0, SEGMENT_HEADER_LEN)?);
        let header = match header.map_err(|e| file.corrupt(0, e))? {
            Ok(header) => header,
            Err(format) => return Err(ErrorKind::Unsupported { format, file: id }.into()),
        };
        let same = header.number == n.number
            && header.salt == n.salt
            && header.base_seq == n.base_seq
            && header.store_id == *store_id
            && (header.kind == SegmentKind::Sorted) == n.sorted;
        if !same {
            return Err(file.corrupt(0, Malformed("the header of this store's segment")));
        }
        let expected = footer.encode();
        if *file.bytes(n.footer_offset, expected.len())? != *expected {
            let what = Malformed("the footer the manifest tells of");
            return Err(file.corrupt(n.footer_offset, what));
        }
        Ok(Self::from_parts(file, footer.clone()))
    }

    /// A segment that was just sealed by this process.
    pub fn from_parts(file: Arc<SegmentFile<R>>, footer: Footer) -> Arc<Self> {
        Arc::new(Self { file, footer, directory: OnceBox::new() })
    }
}

/// The footer that ends a file, for tools that may have no manifest.
pub(crate) fn footer_at_end<R: ReadAt>(reader: &R, file_len: u64, salt: u32) -> Option<Footer> {
    let mut bytes = alloc::vec![0; file_len.min(FOOTER_LEN_MAX) as usize];
    reader.read_at(file_len - bytes.len() as u64, &mut bytes).ok()?;
    Footer::decode_at_end(&bytes, file_len, salt).ok()
}
