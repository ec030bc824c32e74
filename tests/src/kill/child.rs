//! The child: opens the store, and writes until it is killed.

use std::io::Write as _;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use siltdb::{Durability, Error, ScanOptions, Store};

use super::{Act, ORDER, Order, Script, Series, now_us};

/// A child whose parent forgot it ends after this.
const LIFE_MAX: Duration = Duration::from_secs(20);

/// In the child: lives, and never returns. In the parent: does nothing.
///
/// `series` gives the series of the seed that the child was told.
pub fn live_if_asked(series: impl FnOnce(u64) -> Series) {
    let Some(order) = std::env::var_os(ORDER) else { return };
    let order = Order::decode(order.to_str().unwrap());
    let series = series(order.seed);
    let lived = live(&order, &series);
    told(lived);
    process::exit(1);
}

/// Tells the parent a line; one write, so that it comes whole or not at all.
fn say(line: &str) {
    let line = format!("{line}\n");
    if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
        // The parent is gone.
        process::exit(2);
    }
}

/// Tells the parent at once what went wrong, if anything did.
fn told(result: Result<(), String>) {
    if let Err(what) = result {
        say(&format!("wrong {what}"));
    }
}

fn live(order: &Order, series: &Series) -> Result<(), String> {
    // Ends the line that the test harness has begun.
    say("");
    let store = Store::open(&order.dir, series.options.clone()).map_err(|e| e.to_string())?;
    say("open");
    let until = Instant::now() + LIFE_MAX;
    let order = Arc::new(order.clone());
    let mut threads = Vec::new();
    for thread in 0..series.threads {
        let (store, series, order) = (store.clone(), series.clone(), Arc::clone(&order));
        threads.push(thread::spawn(move || {
            let script = Script::new(&series, order.life, thread, order.base_us);
            told(write(&store, thread, script, until));
        }));
    }
    let (own, count) = (store.clone(), series.threads);
    threads.push(thread::spawn(move || told(read(&own, count, until))));
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?;
    }
    Err("the child was not killed".into())
}

/// Takes the steps of one thread, and says before and after each where it is.
fn write(store: &Store, thread: u64, mut script: Script, until: Instant) -> Result<(), String> {
    for step in 0.. {
        if Instant::now() > until {
            break;
        }
        let act = script.step();
        say(&format!("start {thread} {step}"));
        let (seq, level) = perform(store, &act).map_err(|e| format!("{act:?}: {e}"))?;
        say(&format!("done {thread} {step} {seq} {level}"));
        if let (Act::Write(batch, _), 0) = (&act, step % 4) {
            let operation = batch.operations().last().unwrap();
            let found = store.get(&operation.key).map_err(|e| e.to_string())?;
            let short = operation.expires.is_some_and(|expires| expires < now_us() + 1_000_000);
            if found != operation.value && !short {
                return Err(format!("thread {thread} does not read its own step {step}"));
            }
        }
    }
    Ok(())
}

/// The seq and the level that a step reached; a seq of 0 for one that writes nothing.
fn perform(store: &Store, act: &Act) -> Result<(u64, &'static str), Error> {
    let commit = match act {
        Act::Sync => return store.sync().map(|_| (0, Durability::Synced.name())),
        Act::Compact => {
            return store.compact(&mut |_| ()).map(|_| (0, Durability::Buffered.name()));
        }
        Act::Write(batch, None) => match batch.operations() {
            [only] if only.expires.is_none() => match &only.value {
                Some(value) => store.set(&only.key, value)?,
                None => store.delete(&only.key)?,
            },
            _ => store.write(batch, None)?,
        },
        Act::Write(batch, level) => store.write(batch, *level)?,
    };
    Ok((commit.seq, commit.durability.name()))
}

/// Looks all the time whether what is written together is seen together.
fn read(store: &Store, threads: u64, until: Instant) -> Result<(), String> {
    let mut thread = 0;
    while Instant::now() < until {
        thread = (thread + 1) % threads;
        let prefix = [&Series::prefix(thread)[..], b"together"].concat();
        let options = ScanOptions { prefix: Some(prefix), ..ScanOptions::default() };
        let found: Result<Vec<_>, _> = store.scan(&options).and_then(Iterator::collect);
        let found = found.map_err(|e| format!("scan: {e}"))?;
        let alike = found.iter().all(|r| r.value == found[0].value && r.seq == found[0].seq);
        if !alike || ![0, 5].contains(&found.len()) {
            return Err(format!("half a batch was seen: {found:?}"));
        }
        thread::sleep(Duration::from_micros(300));
    }
    Ok(())
}
