//! When a loop asks the system for what has come, and when it sleeps.
//!
//! A thread that sleeps must be woken by whoever sends the next request, and that takes both of
//! them longer than a get. So a loop whose requests come close together asks the system for more,
//! for a short while, before it sleeps: for about as long as to sleep and be woken would take, so
//! that in vain it costs no more than twice as much. Where it is in vain again and again, and where
//! requests are far apart, the loop sleeps at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::yield_now;

/// So long a loop waits awake.
const STAY: Duration = Duration::from_micros(100);
/// Requests that come within this time of each other come close together. A peer that sends one
/// when it has the reply to the one before needs as long while the loop has to be woken each time.
const CLOSE: Duration = Duration::from_micros(150);
/// After it was in vain so many times in a row, it is not tried after so many requests.
const IN_VAIN_MAX: u32 = 8;
const NOT_TRIED: u32 = 128;

/// What keeps one loop awake.
#[derive(Debug)]
pub struct Awake {
    start: Instant,
    /// When requests were served last, in nanoseconds since the start.
    served: AtomicU64,
    close: Notify,
    in_vain: AtomicU32,
    not_tried: AtomicU32,
}

impl Awake {
    /// For the loop of this thread. It stays awake only if it leaves a processor to its peers.
    pub fn new() -> Arc<Self> {
        let awake = Arc::new(Self::asleep());
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if processors > 1 {
            tokio::spawn(Arc::clone(&awake).run());
        }
        awake
    }

    fn asleep() -> Self {
        Self {
            start: Instant::now(),
            served: AtomicU64::new(0),
            close: Notify::new(),
            in_vain: AtomicU32::new(0),
            not_tried: AtomicU32::new(0),
        }
    }

    /// Notes that requests were served.
    pub fn note(&self) {
        self.note_at(self.start.elapsed());
    }

    /// `true` when the loop is to stay awake.
    fn note_at(&self, now: Duration) -> bool {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let before = Duration::from_nanos(self.served.swap(nanos, Ordering::Relaxed));
        if now.saturating_sub(before) >= CLOSE {
            return false;
        }
        let not_tried = self.not_tried.load(Ordering::Relaxed);
        if not_tried > 0 {
            self.not_tried.store(not_tried - 1, Ordering::Relaxed);
            return false;
        }
        self.close.notify_one();
        true
    }

    async fn run(self: Arc<Self>) {
        loop {
            self.close.notified().await;
            let first = self.served.load(Ordering::Relaxed);
            let mut last = first;
            while self.start.elapsed() < Duration::from_nanos(last) + STAY {
                // The loop looks for what has come, and does not wait for it.
                yield_now().await;
                last = self.served.load(Ordering::Relaxed);
            }
            self.note_stay(last == first);
        }
    }

    /// Notes that the loop stayed awake, in vain or not.
    fn note_stay(&self, is_in_vain: bool) {
        let in_vain = if is_in_vain { self.in_vain.load(Ordering::Relaxed) + 1 } else { 0 };
        self.in_vain.store(in_vain % IN_VAIN_MAX, Ordering::Relaxed);
        if in_vain == IN_VAIN_MAX {
            self.not_tried.store(NOT_TRIED, Ordering::Relaxed);
        }
    }
}

/// Lets the others that are ready run first. `yield_now` would ask the system for more of them
/// before this goes on; so it is asked once a turn.
pub async fn after_others() {
    let mut has_waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use super::*;

    /// How long after requests that came close together a loop slept for the first time.
    fn slept_after() -> Duration {
        let (noted, slept) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(None)));
        let (since, sleeps) = (Arc::clone(&noted), Arc::clone(&slept));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || {
                if let Some(since) = *since.lock().unwrap() {
                    sleeps.lock().unwrap().get_or_insert_with(|| Instant::elapsed(&since));
                }
            })
            .build()
            .unwrap();
        runtime.block_on(async {
            let awake = Arc::new(Awake::asleep());
            tokio::spawn(Arc::clone(&awake).run());
            while !awake.note_at(awake.start.elapsed()) {}
            *noted.lock().unwrap() = Some(Instant::now());
            tokio::time::sleep(STAY * 20).await;
        });
        // Not at all, if the system kept it from running meanwhile.
        slept.lock().unwrap().take().unwrap_or(STAY)
    }

    #[test]
    fn a_loop_stays_awake_after_requests_that_come_close_together_and_then_sleeps() {
        for _ in 0..20 {
            let slept = slept_after();
            // Half of it: they were noted a moment before.
            assert!(slept >= STAY / 2, "slept after {slept:?}");
        }
    }

    #[test]
    fn requests_far_apart_keep_no_loop_awake() {
        let awake = Awake::asleep();
        assert!((1..100).all(|n| !awake.note_at(CLOSE * n)));
        assert!(awake.note_at(CLOSE * 99 + STAY));
    }

    #[test]
    fn a_loop_that_stays_awake_in_vain_gives_it_up_for_a_while() {
        let awake = Awake::asleep();
        let is_tried = |n: u32| awake.note_at(Duration::from_micros(n.into()));
        (1..IN_VAIN_MAX).for_each(|_| awake.note_stay(true));
        assert!(is_tried(1), "once less than given up");
        awake.note_stay(false);
        (1..IN_VAIN_MAX).for_each(|_| awake.note_stay(true));
        assert!(is_tried(2), "it was not in vain in between");
        awake.note_stay(true);
        assert!((0..NOT_TRIED).all(|n| !is_tried(3 + n)));
        assert!(is_tried(3 + NOT_TRIED));
    }
}
