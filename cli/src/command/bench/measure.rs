//! The stopwatch: the same work on many threads for a while, every operation timed.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::output::{EXIT_IO, Failure, Run};

/// The greatest time that is told from others, in nanoseconds: a day and a half.
const NS_MAX: u64 = 1 << 47;

/// What one thread does again and again.
pub trait Work {
    /// Makes the next operation's key and value, and clears up after the last; not timed.
    ///
    /// `false`: there is nothing more to do.
    fn prepare(&mut self) -> Run<bool>;

    /// The operation. It says how many records it wrote or read.
    fn step(&mut self) -> Run<u64>;
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    /// Operations.
    pub ops: u64,
    /// Records written or read by them.
    pub records: u64,
    /// From the start to the end of the last operation.
    pub elapsed: Duration,
    /// Records in a second of the time inside operations, all threads together.
    pub rate: f64,
    /// Time of each operation, in nanoseconds.
    pub latency: Histogram<u64>,
}

/// One thread's part.
struct Part {
    ops: u64,
    records: u64,
    busy: Duration,
    latency: Histogram<u64>,
}

/// Lets one thread per element of `works` work until `time` has passed or its work is done.
pub fn measure<W: Work + Send>(works: Vec<W>, time: Duration) -> Run<Measured> {
    let barrier = Barrier::new(works.len());
    let started = Instant::now();
    let parts: Vec<Run<Part>> = thread::scope(|scope| {
        let start = |work| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                run(work, time)
            })
        };
        let threads: Vec<_> = works.into_iter().map(start).collect();
        let panicked = || Failure::new(EXIT_IO, "SILT_IO", "a thread of the benchmark ended early");
        threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    let elapsed = started.elapsed();
    let mut all = Measured { ops: 0, records: 0, elapsed, rate: 0.0, latency: histogram()? };
    for part in parts {
        let part = part?;
        all.ops += part.ops;
        all.records += part.records;
        all.rate += rate(part.records, part.busy);
        all.latency.add(&part.latency).map_err(histogram_failure)?;
    }
    Ok(all)
}

/// Records in a second.
#[allow(clippy::cast_precision_loss)]
pub fn rate(records: u64, time: Duration) -> f64 {
    records as f64 / time.as_secs_f64().max(1e-9)
}

fn run(mut work: impl Work, time: Duration) -> Run<Part> {
    let mut part = Part { ops: 0, records: 0, busy: Duration::ZERO, latency: histogram()? };
    let started = Instant::now();
    while work.prepare()? {
        let before = Instant::now();
        part.records += work.step()?;
        let after = Instant::now();
        let took = after - before;
        part.ops += 1;
        part.busy += took;
        part.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        if after - started >= time {
            break;
        }
    }
    Ok(part)
}

/// Three digits of every time are kept; longer ones than the greatest count as that.
fn histogram() -> Run<Histogram<u64>> {
    Histogram::new_with_bounds(1, NS_MAX, 3).map_err(histogram_failure)
}

fn histogram_failure(error: impl std::fmt::Display) -> Failure {
    Failure::new(EXIT_IO, "SILT_IO", format!("the times cannot be counted: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Count(u64);

    impl Work for Count {
        fn prepare(&mut self) -> Run<bool> {
            Ok(self.0 > 0)
        }

        fn step(&mut self) -> Run<u64> {
            self.0 -= 1;
            Ok(10)
        }
    }

    #[test]
    fn all_threads_count() {
        let measured = measure(vec![Count(5), Count(7)], Duration::from_secs(60)).unwrap();
        assert_eq!((measured.ops, measured.records, measured.latency.len()), (12, 120, 12));
        assert!(measured.rate > 0.0);
    }

    #[test]
    fn the_time_is_kept() {
        let measured = measure(vec![Count(u64::MAX)], Duration::from_millis(20)).unwrap();
        assert!(measured.ops > 1);
        assert!(measured.elapsed >= Duration::from_millis(20));
    }

    struct Sleep;

    impl Work for Sleep {
        fn prepare(&mut self) -> Run<bool> {
            thread::sleep(Duration::from_millis(20));
            Ok(true)
        }

        fn step(&mut self) -> Run<u64> {
            thread::sleep(Duration::from_millis(3));
            Ok(6)
        }
    }

    #[test]
    fn only_the_operation_is_timed() {
        let measured = measure(vec![Sleep, Sleep], Duration::from_millis(100)).unwrap();
        let shortest = Duration::from_nanos(measured.latency.min());
        // A busy machine makes sleeps longer, so there is no bound above for each one.
        assert!(shortest >= Duration::from_micros(2_990), "{shortest:?}");
        assert!(shortest < Duration::from_millis(20), "{shortest:?}");
        assert!(measured.rate <= 2.0 * 6.0 / 0.003, "{}", measured.rate);
    }
}
