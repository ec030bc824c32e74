//! File identity: a kind and a number, and the one place where file names are made and parsed.

use alloc::string::String;
use core::fmt;

use crate::text::Text;

/// What a file of a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// Append-only file of groups; once sealed, with its key table, filter and footer.
    Segment,
    /// Published list of the live segments.
    Manifest,
}

/// Names one file of a store. Never a caller's string, so there are no path tricks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// What the file is.
    pub kind: FileKind,
    /// Its number, from 1, never used twice in a store.
    pub number: u64,
}

impl FileId {
    /// The segment of this number.
    #[must_use]
    pub const fn segment(number: u64) -> Self {
        Self { kind: FileKind::Segment, number }
    }

    /// The manifest of this number.
    #[must_use]
    pub const fn manifest(number: u64) -> Self {
        Self { kind: FileKind::Manifest, number }
    }

    /// The file's name.
    #[must_use]
    pub fn name(self) -> String {
        let mut text = Text::default();
        text.number_16(self.number).add(match self.kind {
            FileKind::Segment => ".segment",
            FileKind::Manifest => ".manifest",
        });
        text.into_string()
    }

    /// Parses a file name strictly: anything that [`fmt::Display`] would not print is a stray
    /// file and gives `None`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (digits, kind) = name.as_bytes().split_first_chunk::<16>()?;
        let kind = match kind {
            b".segment" => FileKind::Segment,
            b".manifest" => FileKind::Manifest,
            _ => return None,
        };
        let mut number = 0;
        for digit in digits {
            number = number * 10 + u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        }
        (number > 0).then_some(Self { kind, number })
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_round_trip_and_strays_are_refused() {
        for id in [FileId::segment(1), FileId::manifest(42), FileId::segment(9_999_999_999_999_999)]
        {
            assert_eq!(FileId::parse(&id.to_string()), Some(id));
        }
        assert_eq!(FileId::segment(7).to_string(), "0000000000000007.segment");
        for stray in [
            "",
            ".DS_Store",
            "LOCK",
            "0000000000000000.segment",
            "7.segment",
            "0000000000000007.segment~",
            "._0000000000000007.segment",
            "+000000000000007.segment",
            "0000000000000007.manifest.tmp",
            "000000000000000a.segment",
        ] {
            assert_eq!(FileId::parse(stray), None, "{stray}");
        }
    }
}
