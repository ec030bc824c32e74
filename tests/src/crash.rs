//! Crash-point enumeration: every call of a workload that changes the disk, every byte cut of
//! an append, and the losses a power cut may add; then the same again inside recovery.

use siltdb_core::batch::Batch;
use siltdb_core::host::Host;
use siltdb_core::options::{Durability, Options};

use crate::check::{Depth, Outcome, Trouble, wrong};
use crate::model::Model;
use crate::run::{Run, Stop};
use crate::sim::{CrashPoint, Loss, Random, SimOptions, SimStorage, mix};
use crate::store::Kind;
use crate::workload::Op;

/// A workload that ran, with a crash point for every call that changed its disk.
pub struct Recorded {
    kind: Kind,
    seed: u64,
    options: Options,
    model: Model,
    now_us: u64,
    points: Vec<CrashPoint>,
}

/// How many images are tried at each place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Density {
    /// Of the byte cuts inside an append, one in so many gets more than the plain image.
    pub cuts: usize,
    /// Random losses at the edges of each call.
    pub random: u64,
    /// One image in so many is crashed again inside its recovery, and written to.
    pub deep: u64,
}

impl Recorded {
    /// Runs a workload from an empty disk and keeps its crash points.
    ///
    /// # Errors
    /// The workload itself went wrong.
    pub fn new(
        kind: Kind,
        seed: u64,
        disk: SimOptions,
        options: Options,
        ops: &[Op],
    ) -> Outcome<Self> {
        let mut run = Run::unopened(kind, seed, SimStorage::new(disk), options.clone());
        run.storage.record_points();
        run.open()?;
        for op in ops {
            run.step(op)?;
        }
        let points = run.storage.take_points();
        let now_us = run.host.now_us();
        Ok(Self { kind, seed, options, model: std::mem::take(&mut run.model), now_us, points })
    }

    /// How many calls changed the disk.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.points.len()
    }

    /// Opens every image and judges it. Gives how many there were.
    ///
    /// # Errors
    /// The first image that opens wrong, with the numbers that name it.
    pub fn judge_all(&self, density: Density) -> Outcome<u64> {
        let mut images = 0;
        for (n, point) in self.points.iter().enumerate() {
            let next_mark = self.points.get(n + 1).map(|next| next.mark);
            for cut in 0..point.cuts() {
                for stop in self.stops(point, cut, density) {
                    images += 1;
                    let deep = mix(self.seed ^ images).is_multiple_of(density.deep);
                    self.judge(point, cut, stop, deep, next_mark).map_err(|trouble| {
                        let (seed, call) = (self.seed, point.describe());
                        Trouble::from(format!(
                            "seed {seed}, call {n} ({call}), cut {cut}, {stop:?}: {}",
                            trouble.what
                        ))
                    })?;
                }
            }
        }
        Ok(images)
    }

    /// What happens at one cut of one call.
    fn stops(&self, point: &CrashPoint, cut: usize, density: Density) -> Vec<Stop> {
        let seed = mix(self.seed ^ (point.number as u64) << 32 ^ cut as u64);
        let edge = cut == 0 || cut + 1 == point.cuts();
        if !edge && !cut.is_multiple_of(density.cuts) {
            // The bytes up to the cut and nothing else: a torn write in its plainest form.
            return vec![if cut.is_multiple_of(2) {
                Stop::Death(seed)
            } else {
                Stop::Power(Loss::Nothing)
            }];
        }
        let mut stops = vec![Stop::Death(seed)];
        let sectors = point.at(cut).volatile_sectors();
        let mut losses = vec![Loss::Nothing, Loss::Everything, Loss::Garbage(seed)];
        if edge {
            losses.extend((0..sectors).map(Loss::Sector));
        }
        let random = if edge { density.random } else { 2 };
        losses.extend((0..random).map(|n| Loss::Random(mix(seed ^ n))));
        stops.extend(losses.into_iter().map(Stop::Power));
        stops
    }

    fn judge(
        &self,
        point: &CrashPoint,
        cut: usize,
        stop: Stop,
        deep: bool,
        next_mark: Option<u64>,
    ) -> Outcome {
        let promise = self.model.promise_at(point.mark);
        let (disk, least) = match stop {
            Stop::Power(loss) => (point.at(cut).power_loss(loss), promise.synced),
            Stop::Death(seed) => (point.at(cut).process_death(seed), promise.flushed),
            Stop::Close => wrong!("a crash is no clean close"),
        };
        // The call that follows may belong to a commit asked for only after this one's effect.
        let most = next_mark.map_or(promise.asked, |mark| self.model.promise_at(mark).asked);
        let most = if cut + 1 == point.cuts() { most.max(promise.asked) } else { promise.asked };
        if deep {
            self.crash_in_recovery(&disk, (promise.synced, least), most)?;
        }
        let mut run = self.reopened(disk)?;
        run.settle_between(&self.model, least, most)?;
        if deep {
            self.live_on(run, least, most)?;
        }
        Ok(())
    }

    fn reopened(&self, disk: SimStorage) -> Outcome<Run> {
        let mut run = Run::unopened(self.kind, self.seed ^ 1, disk, self.options.clone());
        run.host.set(self.now_us);
        run.open()?;
        Ok(run)
    }

    /// The power fails, or the process dies, at every call of the recovery; the edges that must
    /// be left are given for each of the two.
    fn crash_in_recovery(
        &self,
        disk: &SimStorage,
        (least_power, least_death): (usize, usize),
        most: usize,
    ) -> Outcome {
        let disk = disk.process_death(0);
        disk.record_points();
        drop(self.reopened(disk.clone())?);
        let mut random = Random::new(self.seed);
        for point in disk.take_points() {
            for cut in [0, point.cuts() / 2, point.cuts() - 1] {
                let state = point.at(cut);
                let images = [
                    (state.power_loss(Loss::Everything), least_power),
                    (state.power_loss(Loss::Random(random.next_u64())), least_power),
                    (state.process_death(random.next_u64()), least_death),
                ];
                for (n, (image, least)) in images.into_iter().enumerate() {
                    let context = |trouble: Trouble| {
                        let (call, what) = (point.describe(), trouble.what);
                        let how = ["all unsynced lost", "random loss", "death"][n];
                        Trouble::from(format!(
                            "then, in recovery, {how} at cut {cut} of call {} ({call}): {what}",
                            point.number
                        ))
                    };
                    let mut run = self.reopened(image).map_err(context)?;
                    run.settle_between(&self.model, least, most).map_err(context)?;
                }
            }
        }
        Ok(())
    }

    /// The store works on: writes, stops again, and holds what it held and was given since.
    fn live_on(&self, mut run: Run, least: usize, most: usize) -> Outcome {
        run.model = self.model.clone();
        run.settle_within(least, most)?;
        run.check(Depth::Full)?;
        for (n, durability) in [Durability::Synced, Durability::Flushed].into_iter().enumerate() {
            let mut batch = Batch::new();
            batch.set(b"after the crash", &[n as u8; 40]).delete(b"a");
            run.write(&batch, Some(durability))?;
        }
        for stop in [Stop::Power(Loss::Everything), Stop::Close, Stop::Death(1)] {
            run.restart(stop).map_err(|trouble| {
                Trouble::from(format!("after living on and {stop:?}: {}", trouble.what))
            })?;
            run.check(Depth::Full)?;
        }
        Ok(())
    }
}
