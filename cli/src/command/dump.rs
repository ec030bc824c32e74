//! `silt dump`.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::HEXLOWER;
use siltdb::{DumpLine, DumpPart};
use siltdb_core::error::{Error, ErrorKind, StorageErrorKind};
use siltdb_core::format::{SegmentKind, SegmentNumbers};
use siltdb_core::storage::{FileId, FileKind};

use super::{Context, EncodingArgs};
use crate::output::{EXIT_IO, Failure, Out, Outcome, Run};
use crate::text::{self, Encoding};
use crate::time;

/// Print what stands in a segment's file, byte by byte accounted for
#[derive(Debug, Args)]
pub struct Dump {
    /// The segment: its number, or its file.
    segment: OsString,
    /// Leave out records and entries: groups, key table blocks and the rest only.
    #[arg(long)]
    outline: bool,
    #[command(flatten)]
    encoding: EncodingArgs,
}

impl Dump {
    /// Walks the segment up to its end or its first damage; changes nothing.
    pub fn run(self, context: &Context) -> Run {
        context.local_only()?;
        let (dir, number) = self.place(&context.db)?;
        let mut out = context.out(self.encoding.encoding());
        let mut failure = None;
        let walked = siltdb::dump_segment(&dir, number, &mut |line| {
            let left_out = matches!(line.part, DumpPart::Record { .. } | DumpPart::Entry(_));
            if self.outline && left_out {
                return true;
            }
            print(&mut out, &line, context.json).map_err(|e| failure = Some(e)).is_ok()
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        // What was found before the damage is worth as much as the damage.
        out.finish()?;
        walked.map_err(|e| failed(&dir, number, &e))?;
        Ok(Outcome::Done)
    }

    /// The store's directory and the segment's number.
    fn place(&self, db: &Path) -> Run<(PathBuf, u64)> {
        let not_one = || {
            Failure::usage(format!(
                "'{}' is not a segment: give its number or the name of its file; \
                 'silt stats --segments' lists them",
                self.segment.to_string_lossy()
            ))
        };
        if let Some(number) = self.segment.to_str().and_then(|text| text.parse::<u64>().ok()) {
            return if number > 0 { Ok((db.to_owned(), number)) } else { Err(not_one()) };
        }
        let path = Path::new(&self.segment);
        let id = path.file_name().and_then(OsStr::to_str).and_then(FileId::parse);
        let Some(FileId { kind: FileKind::Segment, number }) = id else { return Err(not_one()) };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(db);
        Ok((dir.to_owned(), number))
    }
}

fn failed(dir: &Path, number: u64, error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::Storage(e) if e.kind == StorageErrorKind::NotFound => Failure::new(
            EXIT_IO,
            error.code(),
            format!("there is no segment {number}; 'silt stats --segments' lists them"),
        )
        .at(dir.display().to_string()),
        _ => Failure::store(dir, error),
    }
}

fn print(out: &mut Out, dump: &DumpLine, json: bool) -> Run<()> {
    out.fill(|line, encoding| {
        // Writing to memory cannot fail.
        let _ = if json { line_json(dump, line) } else { line_text(dump, encoding, line) };
    })
}

fn kind(part: &DumpPart) -> &'static str {
    match part {
        DumpPart::Segment(_) => "segment",
        DumpPart::Group { .. } => "group",
        DumpPart::Record { tombstone: false, .. } => "set",
        DumpPart::Record { .. } => "delete",
        DumpPart::Table { .. } => "table",
        DumpPart::Entry(_) => "entry",
        DumpPart::Fences { .. } => "fences",
        DumpPart::Filter => "filter",
        DumpPart::Footer(_) => "footer",
        DumpPart::Torn => "torn",
        DumpPart::Reserved => "reserved",
        _ => "unknown",
    }
}

fn order(sorted: bool) -> &'static str {
    if sorted { "sorted" } else { "arrival" }
}

/// Offset, length and kind in columns, then what the part says.
fn line_text(dump: &DumpLine, encoding: Encoding, line: &mut Vec<u8>) -> std::io::Result<()> {
    match &dump.part {
        DumpPart::Entry(_) => write!(line, "{:>10}  {:>10}  {:<8}", "-", "-", "entry")?,
        part => write!(line, "{:>10}  {:>10}  {:<8}", dump.offset, dump.len, kind(part))?,
    }
    match &dump.part {
        DumpPart::Segment(h) => write!(
            line,
            "  number {}, {}, store {}, salt {:08x}, base seq {}, previous {} (len {}, seq {})",
            h.number,
            order(h.kind == SegmentKind::Sorted),
            HEXLOWER.encode(&h.store_id),
            h.salt,
            h.base_seq,
            h.previous_number,
            h.previous_len,
            h.previous_seq
        ),
        DumpPart::Group { durable_gap } => write!(line, "  durable gap {durable_gap}"),
        DumpPart::Record { key, value_len, seq, expires, more, .. } => {
            write!(line, "  seq {seq}  {}  value {value_len} B  key ", time::rfc3339(*seq))?;
            encoding.encode(key, line);
            if let Some(expires) = expires {
                write!(line, "  expires {}", time::rfc3339(*expires))?;
            }
            if *more { write!(line, "  batch goes on") } else { Ok(()) }
        }
        DumpPart::Table { records, first_key } => {
            write!(line, "  {records} entries from key ")?;
            encoding.encode(first_key, line);
            Ok(())
        }
        DumpPart::Entry(e) => {
            write!(line, "  hash {:016x}  frame {} +{}", e.hash, e.offset, e.len)?;
            if e.seq > 0 {
                write!(line, "  seq {}", e.seq)?;
            }
            let delete = if e.tombstone { "  delete" } else { "" };
            write!(line, "{delete}{}", if e.older { "  older version" } else { "" })
        }
        DumpPart::Fences { blocks } => write!(line, "  {blocks} blocks"),
        DumpPart::Footer(footer) => {
            let n = &footer.numbers;
            write!(
                line,
                "  number {}, {}, {} records, {} deletes, payload {} B, seq {} to {}, \
                 data ends at {}, keys ",
                n.number,
                order(n.sorted),
                n.records,
                n.tombstones,
                n.payload_bytes,
                n.min_seq,
                n.max_seq,
                n.data_end
            )?;
            encoding.encode(&footer.first_key, line);
            line.extend_from_slice(b" .. ");
            encoding.encode(&footer.last_key, line);
            Ok(())
        }
        DumpPart::Torn => write!(line, "  no group: a write that a stop cut off"),
        DumpPart::Reserved => write!(line, "  zeros: space reserved ahead"),
        _ => Ok(()),
    }
}

fn line_json(dump: &DumpLine, line: &mut Vec<u8>) -> std::io::Result<()> {
    let (offset, len) = (dump.offset, dump.len);
    write!(line, "{{\"kind\":\"{}\",\"offset\":{offset},\"len\":{len}", kind(&dump.part))?;
    match &dump.part {
        DumpPart::Segment(h) => write!(
            line,
            ",\"number\":{},\"order\":\"{}\",\"store_id\":\"{}\",\"salt\":{},\"base_seq\":{},\
             \"previous_number\":{},\"previous_len\":{},\"previous_seq\":{}",
            h.number,
            order(h.kind == SegmentKind::Sorted),
            HEXLOWER.encode(&h.store_id),
            h.salt,
            h.base_seq,
            h.previous_number,
            h.previous_len,
            h.previous_seq
        )?,
        DumpPart::Group { durable_gap } => write!(line, ",\"durable_gap\":{durable_gap}")?,
        DumpPart::Record { key, value_len, seq, expires, more, .. } => {
            line.push(b',');
            text::json_bytes("key", key, line);
            let time = time::rfc3339(*seq);
            write!(line, ",\"value_len\":{value_len},\"seq\":{seq},\"time\":\"{time}\"")?;
            if let Some(expires) = expires {
                write!(line, ",\"expires\":{expires}")?;
            }
            write!(line, ",\"more\":{more}")?;
        }
        DumpPart::Table { records, first_key } => {
            write!(line, ",\"records\":{records},")?;
            text::json_bytes("first_key", first_key, line);
        }
        DumpPart::Entry(e) => write!(
            line,
            ",\"hash\":\"{:016x}\",\"frame_offset\":{},\"frame_len\":{},\"seq\":{},\
             \"delete\":{},\"older\":{}",
            e.hash, e.offset, e.len, e.seq, e.tombstone, e.older
        )?,
        DumpPart::Fences { blocks } => write!(line, ",\"blocks\":{blocks}")?,
        DumpPart::Footer(footer) => {
            numbers_json(&footer.numbers, line)?;
            line.push(b',');
            text::json_bytes("first_key", &footer.first_key, line);
            line.push(b',');
            text::json_bytes("last_key", &footer.last_key, line);
        }
        _ => {}
    }
    line.push(b'}');
    Ok(())
}

/// Names and order are those of the format.
fn numbers_json(n: &SegmentNumbers, line: &mut Vec<u8>) -> std::io::Result<()> {
    write!(
        line,
        ",\"numbers\":{{\"number\":{},\"salt\":{},\"sorted\":{}",
        n.number, n.salt, n.sorted
    )?;
    for (name, number) in [
        ("base_seq", n.base_seq),
        ("min_seq", n.min_seq),
        ("max_seq", n.max_seq),
        ("records", n.records),
        ("tombstones", n.tombstones),
        ("payload_bytes", n.payload_bytes),
        ("expiring_bytes", n.expiring_bytes),
        ("expires_min", n.expires_min),
        ("expires_max", n.expires_max),
        ("data_end", n.data_end),
        ("fences_offset", n.fences_offset),
        ("filter_offset", n.filter_offset),
        ("footer_offset", n.footer_offset),
    ] {
        write!(line, ",\"{name}\":{number}")?;
    }
    line.push(b'}');
    Ok(())
}
