//! Views that clients hold open, and where their scans stopped.

use alloc::vec::Vec;

use siltdb_core::ScanOptions;
use siltdb_core::view::{Scan, View};

use crate::storage::JsReader;

/// A view of a client.
pub(crate) struct OpenView {
    client: u32,
    number: u64,
    pub(crate) view: View<JsReader>,
    /// Whether a scan opened it, which also closes it.
    pub(crate) by_scan: bool,
    /// A scan that stopped early, with the options of the one that would go on with it.
    pub(crate) rest: Option<(ScanOptions, Scan<JsReader>)>,
}

/// The views of all clients.
#[derive(Default)]
pub(crate) struct Views {
    open: Vec<OpenView>,
}

impl Views {
    /// The view of this number.
    pub(crate) fn find(&mut self, client: u32, number: u64) -> Option<&mut OpenView> {
        self.open.iter_mut().find(|v| v.client == client && v.number == number)
    }

    /// Opens a view, in place of one of the same number.
    pub(crate) fn open(&mut self, client: u32, number: u64, view: View<JsReader>, by_scan: bool) {
        self.close(client, number);
        self.open.push(OpenView { client, number, view, by_scan, rest: None });
    }

    /// Closes a view; one that is not open is fine.
    pub(crate) fn close(&mut self, client: u32, number: u64) {
        self.open.retain(|v| v.client != client || v.number != number);
    }

    /// Closes every view of a client.
    pub(crate) fn drop_client(&mut self, client: u32) {
        self.open.retain(|v| v.client != client);
    }

    /// Closes every view.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }
}
