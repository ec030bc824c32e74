//! The store inside a program: write, read, read the past. The directory is the argument.

use siltdb::{Options, Result, Retention, Store};

fn main() -> Result<()> {
    let dir = std::env::args_os().nth(1).unwrap_or_else(|| "silt-data".into());
    let store = Store::open(dir, Options::default())?;
    store.set_retention(Retention::Forever)?;

    let first = store.set(b"river", b"Elbe")?;
    store.set(b"river", b"Oder")?;
    assert_eq!(store.get(b"river")?.as_deref(), Some(&b"Oder"[..]));

    let before = store.get_as_of(b"river", first.seq)?;
    assert_eq!(before.map(|record| record.value).as_deref(), Some(&b"Elbe"[..]));
    println!("{} versions are held", store.history(b"river")?.len());
    store.close()
}
