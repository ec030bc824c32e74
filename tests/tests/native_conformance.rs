//! The storage conformance suite on native files, with reads from a map and by copy.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::RefCell;
use std::fs;

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_tests::conformance::Conformance;
use tempfile::TempDir;

fn suite(options: NativeOptions) -> Conformance<NativeStorage> {
    let again = options.clone();
    let dirs: RefCell<Vec<TempDir>> = RefCell::default();
    let fresh = move || {
        let dir = tempfile::tempdir().unwrap();
        let storage = NativeStorage::open(dir.path(), options.clone()).unwrap();
        dirs.borrow_mut().push(dir);
        storage
    };
    let reopen = move |storage: NativeStorage| {
        let dir = storage.path().to_path_buf();
        // The lock is free only when the last user is gone.
        drop(storage);
        NativeStorage::open(dir, again.clone()).unwrap()
    };
    Conformance::new(fresh, reopen).with_strays(|storage| {
        let dir = storage.path();
        for name in [".DS_Store", "._0000000000000001.segment", "0000000000000001.segment~", "a"] {
            fs::write(dir.join(name), b"not ours").unwrap();
        }
        fs::create_dir(dir.join("1.segment")).unwrap();
        fs::create_dir(dir.join("0000000000000001")).unwrap();
    })
}

#[test]
fn native_files_keep_the_contract() {
    for map in [false, true] {
        for reserve_bytes_max in [0, 4096, 1 << 20] {
            let options = NativeOptions { map, reserve_bytes_max, ..NativeOptions::default() };
            suite(options).assert();
        }
    }
}
