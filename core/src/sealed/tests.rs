//! Cursors over every kind of part, on a backend that lends slices and one that does not.

use super::*;
use crate::compaction::{Compaction, Rules};
use crate::error::StorageError;
use crate::format::{FrameSource, SegmentHeader, SegmentKind};
use crate::index::KeyHasher;
use crate::log::LogWriter;
use crate::memtable::Memtable;
use crate::options::Retention;
use crate::recovery;
use crate::storage::{FileId, MemoryReader, MemoryStorage, Storage};
use alloc::{format, vec};

/// A file in memory that is lent.
#[derive(Debug)]
struct Lending(Vec<u8>);

impl ReadAt for Lending {
    fn len(&self) -> core::result::Result<u64, StorageError> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> core::result::Result<(), StorageError> {
        buf.copy_from_slice(&self.0[offset as usize..offset as usize + buf.len()]);
        Ok(())
    }

    fn borrow(&self, offset: u64, len: usize) -> Option<&[u8]> {
        self.0.get(offset as usize..offset as usize + len)
    }
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    *state >> 33
}

fn header(number: u64, kind: SegmentKind) -> SegmentHeader {
    SegmentHeader {
        kind,
        salt: 0xabcd + number as u32,
        store_id: [7; 16],
        number,
        base_seq: 100,
        previous_number: 0,
        previous_len: 0,
        previous_seq: 0,
    }
}

type Model = Vec<(Vec<u8>, u64, Option<Vec<u8>>)>;

/// An arrival segment of records with several versions a key and values of all sizes; with the
/// run it was sealed from and what cursors must show.
fn arrival(
    storage: &MemoryStorage,
) -> (Arc<Sealed<MemoryReader>>, Arc<crate::memtable::Run>, Model) {
    let id = FileId::segment(1);
    let appender = storage.create(id).unwrap();
    let mut writer = LogWriter::create(appender, header(1, SegmentKind::Arrival));
    let (mut memtable, mut model, mut state) = (Memtable::new(), Model::new(), 3);
    for seq in 100..4_100 {
        // Some in order, so that neighbours by key are neighbours in the file.
        let key = if seq % 1_000 < 300 { seq } else { next(&mut state) % 2_000 };
        let key = format!("key-{key:05}").into_bytes();
        let len = match next(&mut state) % 200 {
            0 => 9_000,
            1 => 4_500,
            2..10 => 700,
            _ => next(&mut state) % 90,
        };
        let value = (!next(&mut state).is_multiple_of(9)).then(|| vec![seq as u8; len as usize]);
        let frame =
            FrameSource { key: &key, value: value.as_deref(), seq, expires: None, more: false };
        let place = writer.stage(&frame);
        memtable.push(&key, seq, value.is_none(), 0, place.offset, place.len);
        model.push((key, seq, value));
        writer.harden(false).unwrap();
    }
    model.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    let run = memtable.order_fully();
    let header = *writer.header();
    let reader = storage.open(id).unwrap();
    let file = SegmentFile::new(1, header.salt, header.base_seq, reader, writer.len());
    let hasher = KeyHasher::new([1; 16], 64);
    let sealed = recovery::seal(&mut writer, &run, &hasher, 0, file).unwrap();
    (sealed, run, model)
}

fn lent<R: ReadAt>(storage: &MemoryStorage, sealed: &Sealed<R>) -> Arc<Sealed<Lending>> {
    let (file, bytes) = (&sealed.file, storage.bytes(sealed.file.id()).unwrap());
    let readable = bytes.len() as u64;
    let file = SegmentFile::new(file.number, file.salt, file.base_seq, Lending(bytes), readable);
    Sealed::from_parts(file, sealed.footer.clone())
}

fn walk<R: ReadAt>(part: Part<R>, model: &Model, seed: u64) {
    let mut cursor = Cursor::new(part);
    assert_eq!(cursor.len(), model.len() as u64);
    let last = cursor.len() - 1;
    let (mut at, mut state, mut forwards) = (0, seed, true);
    for _ in 0..30_000 {
        match next(&mut state) % 150 {
            0 => at = next(&mut state) % (last + 1),
            1 => forwards = !forwards,
            2 => {
                let (key, seq, _) = &model[(next(&mut state) % (last + 1)) as usize];
                let from = *seq + next(&mut state) % 3 - 1;
                let expected =
                    model.partition_point(|(k, s, _)| (k, u64::MAX - s) < (key, u64::MAX - from));
                assert_eq!(cursor.lower_bound(key, from), Ok(expected as u64));
            }
            _ => {}
        }
        at = if forwards { (at + 1).min(last) } else { at.saturating_sub(1) };
        cursor.move_to(at).unwrap();
        let (key, seq, value) = &model[at as usize];
        let version = cursor.version();
        assert_eq!((version.key, version.seq), (key.as_slice(), *seq));
        assert_eq!(version.tombstone, value.is_none());
        if !next(&mut state).is_multiple_of(5) {
            let found = cursor.record().unwrap().1.to_vec();
            assert_eq!(found, value.clone().unwrap_or_default());
        }
    }
}

#[test]
fn cursors_show_every_version_wherever_they_go() {
    let storage = MemoryStorage::new();
    let (sealed, run, model) = arrival(&storage);
    let lent_arrival = lent(&storage, &sealed);
    walk(Part::Run(Arc::clone(&sealed.file), Arc::clone(&run)), &model, 1);
    walk(Part::Run(Arc::clone(&lent_arrival.file), run), &model, 2);
    walk(Part::Sealed(Arc::clone(&sealed)), &model, 3);
    walk(Part::Sealed(lent_arrival), &model, 4);
    let rules = Rules::new(Retention::Forever, 1 << 40);
    let (header, hasher) = (header(2, SegmentKind::Sorted), KeyHasher::new([1; 16], 64));
    let mut compaction =
        Compaction::<MemoryStorage>::begin(&[sealed], 0..1, header, hasher, rules).unwrap();
    while compaction.step(&storage, 10_000).unwrap() {}
    let sorted = compaction.finish(&storage).unwrap().output.unwrap();
    walk(Part::Sealed(lent(&storage, &sorted)), &model, 5);
    walk(Part::Sealed(sorted), &model, 6);
}
