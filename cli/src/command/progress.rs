//! Progress bars of long work. They show on a terminal's stderr only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use siltdb::Progress;

/// A bar of bytes.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar of `total` bytes, or a spinner where the total is not known.
    pub fn bytes(what: &'static str, total: Option<u64>) -> Self {
        Self::new(
            what,
            total,
            "{msg} [{wide_bar}] {binary_bytes}/{binary_total_bytes}, {eta} left",
            "{msg} {spinner} {binary_bytes}",
        )
    }

    /// A bar of `total` records.
    pub fn records(what: &'static str, total: u64) -> Self {
        let template = "{msg} [{wide_bar}] {human_pos}/{human_len}, {eta} left";
        Self::new(what, Some(total), template, template)
    }

    /// A bar of `total` steps that are named one by one.
    pub fn steps(total: u64) -> Self {
        let template = "{pos}/{len} {msg} {spinner}";
        let bar = Self::new("", Some(total), template, template);
        bar.0.enable_steady_tick(std::time::Duration::from_millis(100));
        bar
    }

    /// Begins the next step.
    pub fn step(&self, what: &str) {
        self.0.set_message(what.to_owned());
        self.0.inc(1);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }

    fn new(what: &'static str, total: Option<u64>, known: &str, unknown: &str) -> Self {
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) =
            ProgressStyle::with_template(if total.is_some() { known } else { unknown })
        {
            bar.set_style(style);
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Moves the bar.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Moves the bar to where the store says it is.
    pub fn show(&self, progress: &Progress) {
        if self.0.length() != Some(progress.total) {
            self.0.set_length(progress.total);
        }
        self.0.set_position(progress.done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        // Gone before the line that says how it ended.
        self.0.finish_and_clear();
    }
}
