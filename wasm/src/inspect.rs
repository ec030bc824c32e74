//! Looking into files: the parts of a segment, and bytes as they stand there.

use alloc::vec;
use alloc::vec::Vec;

use siltdb_core::error::{StorageError, StorageErrorKind};
use siltdb_core::storage::{FileId, FileKind, ReadAt, Storage};
use siltdb_core::text::Text;
use siltdb_core::{DumpLine, DumpPart, Error, ErrorKind};

use crate::answer;
use crate::json::Json;
use crate::operation::{Run, Session, unlimited};
use crate::wire::{Reader, put_b, status};

/// Most bytes of a file that are given at once.
const BYTES_MAX: u64 = 64 << 10;
/// How far a page goes beyond its limit to end where a group ends, so that the next one begins
/// there: a factor.
const PAGE_FACTOR: u64 = 4;

impl Session<'_> {
    /// Parts of a segment, from a place on.
    pub(crate) fn records(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (number, from, limit) = (request.n(), request.n(), unlimited(request.n()));
        request.whole()?;
        if !self.store.has_segment(number) {
            return Err(not_found("open", Some(FileId::segment(number))));
        }
        while self.store.load_index(u64::MAX)? {}
        self.store.finish_install()?;
        let (mut lines, mut next) = (Vec::new(), 0);
        let walked = self.store.dump_segment(number, from, &mut |line| {
            if matches!(line.part, DumpPart::Entry(_)) {
                return true;
            }
            let many = lines.len() as u64;
            let inside = matches!(line.part, DumpPart::Record { .. });
            if many >= limit && (!inside || many / PAGE_FACTOR >= limit) {
                next = line.offset;
                return false;
            }
            lines.push(line);
            true
        });
        match walked {
            Ok(()) => {}
            // What stands before the damage is told first.
            Err(e) => match (e.corruption(), lines.last()) {
                (Some(damage), Some(line)) if line.offset < damage.offset => next = damage.offset,
                _ => return Err(e),
            },
        }
        let mut json = Json::default();
        json.open(b'{').name("parts").open(b'[');
        for line in &lines {
            self.line(number, line, &mut json)?;
        }
        json.close(b']');
        // No part but the header is at 0, so that no page begins there.
        if next > 0 {
            json.numbers("next", &[next]);
        }
        answer::json(out, &json.close(b'}').take());
        Ok(())
    }

    fn line(&mut self, number: u64, line: &DumpLine, json: &mut Json) -> Result<(), Error> {
        json.open(b'{').numbers("offset length", &[line.offset, line.len]).name("kind");
        match &line.part {
            DumpPart::Segment(header) => {
                json.string("segment");
                json.numbers("number baseSeq", &[header.number, header.base_seq]);
            }
            DumpPart::Group { durable_gap } => {
                json.string("group").numbers("unsynced", &[*durable_gap]);
            }
            DumpPart::Record { key, value_len, seq, tombstone, expires, more } => {
                let live = !*tombstone && self.store.is_newest(number, line.offset, key, *seq)?;
                json.string("record").name("key").hex(key).name("state").string(match () {
                    () if *tombstone => "tombstone",
                    () if live => "live",
                    () => "superseded",
                });
                json.numbers("valueLength seq", &[*value_len, *seq]);
                json.flag("tombstone", *tombstone).flag("more", *more);
                if let Some(expires) = expires {
                    json.numbers("expires", &[*expires]);
                }
            }
            DumpPart::Table { records, first_key } => {
                json.string("table").numbers("records", &[u64::from(*records)]);
                json.name("firstKey").hex(first_key);
            }
            DumpPart::Fences { blocks } => {
                json.string("fences").numbers("blocks", &[*blocks]);
            }
            DumpPart::Filter => drop(json.string("filter")),
            DumpPart::Footer(footer) => {
                json.string("footer").numbers("records", &[footer.numbers.records]);
            }
            DumpPart::Reserved => drop(json.string("free")),
            _ => drop(json.string("torn")),
        }
        json.close(b'}');
        Ok(())
    }

    /// Bytes of a file of the store; fewer where it ends.
    pub(crate) fn bytes(&mut self, request: &mut Reader<'_>, out: &mut Vec<u8>) -> Run {
        let (name, offset, len) = (request.b(), request.n(), request.n());
        request.whole()?;
        if len > BYTES_MAX {
            return Err(ErrorKind::Invalid("at most 64 KiB of a file are given at once").into());
        }
        let (storage, mut found) = (self.store.storage(), None);
        storage.list(&mut |id, _| {
            let mut number = Text::default();
            number.number(id.number);
            // A segment goes by its number, too.
            let short = id.kind == FileKind::Segment && number.into_string().as_bytes() == name;
            if short || id.name().as_bytes() == name {
                found = Some(id);
            }
        })?;
        let Some(id) = found else { return Err(not_found("read", None)) };
        let reader = storage.open(id)?;
        let left = reader.len()?.saturating_sub(offset);
        let mut bytes = vec![0; left.min(len) as usize];
        reader.read_at(offset, &mut bytes)?;
        out.push(status::OK);
        put_b(out, &bytes);
        Ok(())
    }
}

fn not_found(op: &'static str, file: Option<FileId>) -> Error {
    StorageError::new(op, file, StorageErrorKind::NotFound).into()
}
