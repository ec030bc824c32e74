//! A host that does not cooperate: strays, links, permissions, limits, a full disk (T9).

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use siltdb::native::{NativeOptions, NativeStorage};
use siltdb_core::error::{Error, ErrorKind, StorageError, StorageErrorKind};
use siltdb_core::storage::{Append, FileId, ReadAt, Storage};

use crate::child::{self, Child};
use crate::{MANIFEST, SEGMENT, fresh, options};

fn kind<T>(result: Result<T, StorageError>) -> Option<StorageErrorKind> {
    result.err().map(|e| e.kind)
}

fn refusal(dir: &Path, options: NativeOptions) -> StorageError {
    match NativeStorage::open(dir, options).map_err(Error::into_kind) {
        Err(ErrorKind::Storage(e)) => e,
        other => panic!("expected a refusal of the system, got {other:?}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(dir: &Path) -> Vec<String> {
    let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn directories_and_files_are_for_the_owner_alone() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b/store");
    let storage = NativeStorage::open(&dir, options(true)).unwrap();
    storage.publish(MANIFEST, b"m").unwrap();
    drop(storage.create(SEGMENT).unwrap());
    for made in ["a", "a/b", "a/b/store"] {
        assert_eq!(mode(&root.path().join(made)), 0o700, "{made}");
    }
    for name in names(&dir) {
        assert_eq!(mode(&dir.join(&name)), 0o600, "{name}");
    }
    assert_eq!(names(&dir).len(), 3);
}

#[test]
fn where_there_is_no_store_nothing_is_made_unless_asked() {
    let root = tempfile::tempdir().unwrap();
    let look = |dir: &Path, create| {
        NativeStorage::open(dir, NativeOptions { create, ..options(true) }).err()
    };
    let absent = root.path().join("absent");
    assert_eq!(look(&absent, false), Some(ErrorKind::NoStore.into()));
    assert!(!absent.exists());

    let empty = root.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(look(&empty, false), Some(ErrorKind::NoStore.into()));
    assert!(names(&empty).is_empty());
    assert_eq!(look(&empty, true), None);

    let foreign = root.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), b"precious").unwrap();
    for create in [false, true] {
        assert_eq!(look(&foreign, create), Some(ErrorKind::NoStore.into()));
    }
    assert_eq!(names(&foreign), ["thesis.txt"], "a foreign directory is left as it was");

    // What a new file system or a file manager leaves in an empty directory.
    let almost = root.path().join("almost");
    fs::create_dir_all(almost.join("lost+found")).unwrap();
    fs::write(almost.join(".DS_Store"), b"").unwrap();
    assert_eq!(look(&almost, true), None);

    let file = root.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_eq!(refusal(&file, options(true)).kind, StorageErrorKind::Denied);
}

#[test]
fn only_own_leftovers_are_removed() {
    let (dir, storage) = fresh(true);
    storage.publish(MANIFEST, b"m").unwrap();
    drop(storage);
    let strays = ["a.tmp", "0000000000000001.segment~", "notes", "000000000000000a.manifest.tmp"];
    for stray in strays {
        fs::write(dir.path().join(stray), stray).unwrap();
    }
    let leftovers = ["0000000000000002.manifest.tmp", "0000000000000009.segment.tmp"];
    for leftover in leftovers {
        fs::write(dir.path().join(leftover), b"half").unwrap();
    }
    let storage = NativeStorage::open(dir.path(), options(true)).unwrap();
    for stray in strays {
        assert_eq!(fs::read(dir.path().join(stray)).unwrap(), stray.as_bytes());
    }
    for leftover in leftovers {
        assert!(!dir.path().join(leftover).exists(), "{leftover}");
    }
    let mut found = Vec::new();
    storage.list(&mut |id, len| found.push((id, len))).unwrap();
    assert_eq!(found, [(MANIFEST, 1)]);
}

#[test]
fn links_directories_and_pipes_in_place_of_files_are_refused() {
    let (dir, storage) = fresh(true);
    let secret = dir.path().join("secret");
    fs::write(&secret, b"not for the store").unwrap();
    let place = |n: u64| dir.path().join(FileId::segment(n).to_string());
    symlink(&secret, place(1)).unwrap();
    symlink(dir.path().join("nowhere"), place(2)).unwrap();
    fs::create_dir(place(3)).unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, place(4), fifo, 0o600.into(), 0).unwrap();
    assert!(fs::metadata(place(4)).unwrap().file_type().is_fifo());

    for n in 1..=4 {
        let id = FileId::segment(n);
        let denied = Some(StorageErrorKind::Denied);
        assert_eq!(kind(storage.open(id)), denied, "open of {n}");
        assert_eq!(kind(storage.resume(id, 0)), denied, "resume of {n}");
        let exists = Some(StorageErrorKind::AlreadyExists);
        assert_eq!(kind(storage.create(id)), exists, "create of {n}");
        assert_eq!(kind(storage.publish(id, b"over")), exists, "publish of {n}");
    }
    assert_eq!(fs::read(&secret).unwrap(), b"not for the store");
    assert!(!dir.path().join("nowhere").exists());
    let mut listed = 0;
    storage.list(&mut |_, _| listed += 1).unwrap();
    assert_eq!(listed, 4, "a name of the store's is never passed over");
    // Removing a link removes the link.
    storage.remove(FileId::segment(1)).unwrap();
    assert!(secret.exists() && !place(1).is_symlink());
}

#[test]
fn the_lock_file_is_not_followed_either() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("target");
    fs::write(&target, b"kept").unwrap();
    let dir = root.path().join("store");
    fs::create_dir(&dir).unwrap();
    symlink(&target, dir.join("LOCK")).unwrap();
    assert_eq!(refusal(&dir, options(true)).kind, StorageErrorKind::Denied);
    assert_eq!(fs::read(&target).unwrap(), b"kept");
    fs::remove_file(dir.join("LOCK")).unwrap();
    fs::create_dir(dir.join("LOCK")).unwrap();
    assert_eq!(refusal(&dir, options(true)).kind, StorageErrorKind::Denied);
}

#[test]
fn a_directory_everybody_may_write_into_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for open_to_all in [0o777, 0o702, 0o1777] {
        set_mode(dir.path(), open_to_all);
        let e = refusal(dir.path(), options(true));
        assert_eq!(e.kind, StorageErrorKind::Denied);
        assert!(e.message.contains(&format!("{open_to_all:o}")), "{e}");
        assert!(e.message.contains("chmod o-w"), "{e}");
        assert!(names(dir.path()).is_empty());
    }
    set_mode(dir.path(), 0o770);
    NativeStorage::open(dir.path(), options(true)).unwrap();
}

#[test]
fn a_second_open_in_one_process_is_refused_however_the_path_is_spelt() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    let storage = NativeStorage::open(&dir, options(true)).unwrap();
    symlink(&dir, root.path().join("alias")).unwrap();
    for spelling in ["store", "store/.", "store/../store", "alias"] {
        let e = refusal(&root.path().join(spelling), options(true));
        assert_eq!(e.kind, StorageErrorKind::Locked, "{spelling}");
        assert_eq!(e.message, "held by this process");
    }
    let clone = storage.clone();
    drop(storage);
    assert_eq!(refusal(&dir, options(true)).kind, StorageErrorKind::Locked);
    drop(clone);
    NativeStorage::open(root.path().join("alias"), options(true)).unwrap();
}

#[test]
fn a_lock_file_that_nobody_holds_says_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for content in ["1 init\n", "", "\u{1}\u{2}", "99999999999999999999 x"] {
        fs::write(dir.path().join("LOCK"), content).unwrap();
        let storage = NativeStorage::open(dir.path(), options(true)).unwrap();
        let note = || fs::read_to_string(dir.path().join("LOCK")).unwrap();
        assert!(note().starts_with(&format!("{} ", std::process::id())), "{:?}", note());
        drop(storage);
        assert_eq!(note(), "", "who has gone is not named");
    }
}

#[test]
fn another_process_is_refused_until_the_holder_is_killed() {
    const NAME: &str = "hostility::another_process_is_refused_until_the_holder_is_killed";
    if let Some(dir) = child::argument() {
        let holder = "silt serve".to_owned();
        let storage = NativeStorage::open(dir, NativeOptions { holder, ..options(true) }).unwrap();
        storage.publish(MANIFEST, b"m").unwrap();
        child::say("open");
        child::wait_for_the_end();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut holder = Child::start(NAME, dir.path());
    holder.expect("open");
    let e = refusal(dir.path(), options(true));
    assert_eq!(e.kind, StorageErrorKind::Locked);
    assert_eq!(e.message, format!("held by process {} (silt serve)", holder.id()));
    holder.kill();
    let storage = NativeStorage::open(dir.path(), options(true)).unwrap();
    assert_eq!(storage.open(MANIFEST).unwrap().len().unwrap(), 1);
}

/// Goal: a process that only reads writes nothing, keeps writers out and readers not, and whoever
/// is refused is not told of a holder that is long gone.
#[test]
fn readers_share_the_lock_and_leave_no_note() {
    const NAME: &str = "hostility::readers_share_the_lock_and_leave_no_note";
    let read_only = || NativeOptions { read_only: true, ..options(true) };
    if let Some(dir) = child::argument() {
        let _storage = NativeStorage::open(dir, read_only()).unwrap();
        child::say("open");
        child::wait_for_the_end();
    }
    let dir = tempfile::tempdir().unwrap();
    NativeStorage::open(dir.path(), options(true)).unwrap().publish(MANIFEST, b"m").unwrap();
    let lock = dir.path().join("LOCK");
    // Process numbers end below 2^22: nobody has this one.
    for note in ["", "2000000000 killed long ago\n"] {
        fs::write(&lock, note).unwrap();
        let mut holder = Child::start(NAME, dir.path());
        holder.expect("open");
        let e = refusal(dir.path(), options(true));
        assert_eq!(e.kind, StorageErrorKind::Locked);
        assert_eq!(e.message, "held by another process");
        drop(NativeStorage::open(dir.path(), read_only()).unwrap());
        assert_eq!(fs::read_to_string(&lock).unwrap(), note);
        holder.kill();
    }
    NativeStorage::open(dir.path(), options(true)).unwrap();
}

#[test]
fn running_out_of_descriptors_is_an_error_and_passes() {
    const NAME: &str = "hostility::running_out_of_descriptors_is_an_error_and_passes";
    if let Some(dir) = child::argument() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let storage = NativeStorage::open(dir, options(true)).unwrap();
        storage.publish(MANIFEST, b"still here").unwrap();
        let old = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(40), ..old }).unwrap();
        let mut readers = Vec::new();
        let e = loop {
            match storage.open(MANIFEST) {
                Ok(reader) => readers.push(reader),
                Err(e) => break e,
            }
        };
        assert_eq!(e.kind, StorageErrorKind::Io);
        assert!(e.message.contains("Too many open files"), "{e}");
        assert!(storage.publish(FileId::manifest(2), b"no").is_err());
        assert!(storage.create(SEGMENT).is_err());
        // What is open goes on.
        let mut buf = [0; 10];
        readers[0].read_at(0, &mut buf).unwrap();
        assert_eq!(&buf, b"still here");
        assert!(readers.len() > 10, "{}", readers.len());
        drop(readers);
        storage.publish(FileId::manifest(2), b"yes").unwrap();
        storage.create(SEGMENT).unwrap().append(b"x").unwrap();
        child::done();
    }
    let dir = tempfile::tempdir().unwrap();
    Child::start(NAME, dir.path()).expect_done();
}

#[test]
fn a_directory_without_permission_is_denied() {
    const NAME: &str = "hostility::a_directory_without_permission_is_denied";
    if let Some(dir) = child::argument() {
        let e = refusal(Path::new(&dir), options(true));
        assert_eq!(e.kind, StorageErrorKind::Denied, "{e}");
        assert!(e.message.contains("Permission denied"), "{e}");
        let new = Path::new(&dir).join("new");
        assert_eq!(refusal(&new, options(true)).kind, StorageErrorKind::Denied);
        child::done();
    }
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("store");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o555);
    if rustix::process::geteuid().is_root() {
        // Permissions do not bind root: somebody else tries.
        set_mode(root.path(), 0o755);
        let program = root.path().join("test");
        // By another process: one that another test is starting would hold a copy of the
        // descriptor the program is written to, and the program could not be run.
        let mut copy = Command::new("cp");
        copy.arg(std::env::current_exe().unwrap()).arg(&program);
        assert!(copy.status().unwrap().success());
        set_mode(&program, 0o755);
        let mut command = Command::new(program);
        command.uid(65_534).gid(65_534).current_dir("/");
        Child::start_by(command, NAME, &dir).expect_done();
    } else {
        Child::start(NAME, &dir).expect_done();
    }
    assert!(names(&dir).is_empty());
}

#[test]
fn reading_only_changes_nothing() {
    let (dir, storage) = fresh(true);
    storage.publish(MANIFEST, b"manifest").unwrap();
    let mut appender = storage.create(SEGMENT).unwrap();
    appender.append(b"segment").unwrap();
    drop((storage, appender));
    let leftover = "0000000000000002.manifest.tmp";
    fs::write(dir.path().join(leftover), b"half").unwrap();
    let before = names(dir.path());
    let read_only = NativeOptions { read_only: true, ..options(true) };
    let storage = NativeStorage::open(dir.path(), read_only.clone()).unwrap();
    let e = refusal(dir.path(), options(true));
    assert_eq!(e.kind, StorageErrorKind::Locked, "reading takes the lock, too");
    only_reads(&storage);
    assert_eq!(names(dir.path()), before);
    drop(storage);
    let absent = dir.path().join("absent");
    assert_eq!(NativeStorage::open(&absent, read_only).err(), Some(ErrorKind::NoStore.into()));
    assert!(!absent.exists());
}

fn only_reads(storage: &NativeStorage) {
    let denied = Some(StorageErrorKind::Denied);
    assert_eq!(kind(storage.create(FileId::segment(2))), denied);
    assert_eq!(kind(storage.resume(SEGMENT, 0)), denied);
    assert_eq!(kind(storage.publish(FileId::manifest(2), b"x")), denied);
    assert_eq!(kind(storage.remove(MANIFEST)), denied);
    let mut buf = [0; 7];
    storage.open(SEGMENT).unwrap().read_at(0, &mut buf).unwrap();
    assert_eq!(&buf, b"segment");
    let mut listed = Vec::new();
    storage.list(&mut |id, len| listed.push((id, len))).unwrap();
    listed.sort_unstable();
    assert_eq!(listed, [(SEGMENT, 7), (MANIFEST, 8)]);
}

/// Starts the test `name` again with a small file system of its own mounted over an empty
/// directory, where the system lets this process mount one. The mount is in a name space of its
/// own: it goes with the process.
#[cfg(target_os = "linux")]
fn on_small_file_system(name: &str) {
    const MOUNT: &str = "mount -t tmpfs -o size=256k,mode=0700 tmpfs \"$0\"";
    let dir = tempfile::tempdir().unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]).arg(dir.path());
        command
    };
    if unshare(MOUNT).output().is_ok_and(|output| output.status.success()) {
        let mut command = unshare(&format!("{MOUNT} && exec \"$@\""));
        command.arg(std::env::current_exe().unwrap());
        Child::start_by(command, name, dir.path()).expect_done();
    }
    assert!(names(dir.path()).is_empty(), "the mount was not seen here");
}

/// On a real read-only mount; the errors it gives are also tested through the seam.
#[cfg(target_os = "linux")]
#[test]
fn a_read_only_medium_can_be_read() {
    const NAME: &str = "hostility::a_read_only_medium_can_be_read";
    if let Some(dir) = child::argument() {
        let dir = Path::new(&dir);
        let remount = |how: &str| {
            let how = format!("remount,size=256k,{how}");
            let mounted = Command::new("mount").args(["-o", &how]).arg(dir).status().unwrap();
            assert!(mounted.success());
        };
        let storage = NativeStorage::open(dir, options(true)).unwrap();
        storage.publish(MANIFEST, b"manifest").unwrap();
        storage.create(SEGMENT).unwrap().append(b"segment").unwrap();
        drop(storage);
        for lock_file in [true, false] {
            if !lock_file {
                fs::remove_file(dir.join("LOCK")).unwrap();
            }
            remount("ro");
            let e = refusal(dir, options(true));
            assert_eq!(e.kind, StorageErrorKind::Denied, "{e}");
            assert!(e.message.contains("Read-only"), "{e}");
            let read_only = NativeOptions { read_only: true, ..options(true) };
            let storage = NativeStorage::open(dir, read_only.clone()).unwrap();
            only_reads(&storage);
            assert_eq!(refusal(dir, read_only).kind, StorageErrorKind::Locked);
            drop(storage);
            remount("rw");
        }
        child::done();
    }
    on_small_file_system(NAME);
}

/// On a real file system of 256 KiB, where the system lets this process mount one; the same
/// through the seam to the system is a test of its own, which runs everywhere.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_is_out_of_space_and_loses_nothing() {
    const NAME: &str = "hostility::a_full_file_system_is_out_of_space_and_loses_nothing";
    if let Some(dir) = child::argument() {
        fill_up(Path::new(&dir));
        child::done();
    }
    on_small_file_system(NAME);
}

#[cfg(target_os = "linux")]
fn fill_up(dir: &Path) {
    let storage = NativeStorage::open(dir, options(true)).unwrap();
    storage.publish(MANIFEST, &[b'm'; 20_000]).unwrap();
    let mut appender = storage.create(SEGMENT).unwrap();
    let reader = storage.open(SEGMENT).unwrap();
    let mut appended = 0_u64;
    let e = loop {
        // Reserving ahead fails long before the appends do.
        match appender.append(&[b's'; 1000]).and_then(|()| appender.sync()) {
            Ok(()) => appended += 1000,
            Err(e) => break e,
        }
    };
    assert_eq!(e.kind, StorageErrorKind::OutOfSpace, "{e}");
    assert!(e.message.contains("No space left"), "{e}");
    assert!((200_000..=262_144).contains(&appended), "{appended} bytes fitted");
    assert!(appender.append(b"x").is_err() && appender.sync().is_err(), "it was the last");
    drop(appender);
    let mut buf = vec![0; appended as usize];
    reader.read_at(0, &mut buf).unwrap();
    assert!(buf.iter().all(|b| *b == b's'));
    assert_eq!(reader.borrow(0, buf.len()), Some(&buf[..]));
    let full = storage.publish(FileId::manifest(2), &[b'n'; 8192]);
    assert_eq!(kind(full), Some(StorageErrorKind::OutOfSpace));
    assert!(!names(dir).iter().any(|name| name.contains(".manifest.tmp")), "{:?}", names(dir));
    // Space returns, and with it writing.
    storage.remove(MANIFEST).unwrap();
    let mut appender = storage.resume(SEGMENT, appended).unwrap();
    appender.append(&[b't'; 1000]).unwrap();
    appender.sync().unwrap();
    storage.publish(FileId::manifest(2), &[b'n'; 8192]).unwrap();
}
