//! How a run stops its store, opens it again, and finds where it stands.

use siltdb_core::options::Durability;

use super::{Run, Stop, frame_at};
use crate::check::{Depth, Outcome, compare, ok, wrong};
use crate::model::Model;
use crate::sim::mix;

impl Run {
    /// Stops the store, opens it again and finds the edge it stands at.
    ///
    /// # Errors
    /// It does not open, or equals the model at no edge from the last one promised on.
    pub fn restart(&mut self, stop: Stop) -> Outcome {
        let least = self.stop(stop)?;
        if self.try_open()? { self.settle(least) } else { Ok(()) }
    }

    /// Stops the store and puts an image in place of the disk. Gives the edges promised.
    ///
    /// # Errors
    /// The store did not close, or left files open.
    pub fn stop(&mut self, stop: Stop) -> Outcome<usize> {
        self.views.clear();
        let failures = self.storage.failures();
        match (self.store.take(), stop) {
            (Some(store), Stop::Close) => {
                let result = ok("close", store.close());
                let closed = result.is_ok();
                self.excuse(result, failures)?;
                if closed && !self.doubt {
                    self.model.reached(Durability::Synced);
                }
            }
            (store, _) => drop(store),
        }
        if self.storage.open_handles() > 0 {
            wrong!("the store left {} files open", self.storage.open_handles());
        }
        if self.storage.failed_syncs() > 0 {
            self.model.lapse();
        }
        self.trace = mix(self.trace.rotate_left(9) ^ self.storage.trace());
        let promise = self.model.promise();
        let (image, least) = match stop {
            Stop::Power(loss) => (self.storage.power_loss(loss), promise.synced),
            Stop::Death(seed) => (self.storage.process_death(seed), promise.flushed),
            Stop::Close => (self.storage.process_death(self.opened), promise.flushed),
        };
        if self.carry_faults {
            image.carry_faults(&self.storage);
        }
        self.storage = image;
        Ok(least)
    }

    /// Finds the edge at which a store that was just opened stands.
    ///
    /// # Errors
    /// It stands at no edge from `least` to the last one asked for.
    pub fn settle(&mut self, least: usize) -> Outcome {
        self.settle_within(least, self.model.edges().len())
    }

    /// As [`Run::settle`], with no edge after the first `most`.
    ///
    /// # Errors
    /// It stands at no edge from `least` to `most`.
    pub fn settle_within(&mut self, least: usize, most: usize) -> Outcome {
        self.doubt = false;
        self.buffered_from = None;
        let model = std::mem::take(&mut self.model);
        let edge = self.settle_between(&model, least, most);
        self.model = model;
        // Recovery made what it found durable before the store took its first write.
        self.model.keep(edge?, Durability::Synced);
        Ok(())
    }

    /// The edge of this model, from `least` to `most`, at which the store stands.
    ///
    /// # Errors
    /// There is none.
    pub fn settle_between(&mut self, model: &Model, least: usize, most: usize) -> Outcome<usize> {
        // An edge may be one that shows nowhere (a delete of an absent key): the numbers tell.
        let Some(store) = self.store.as_mut() else { wrong!("no store is open") };
        let (last, horizon) = (store.last_seq(), store.horizon());
        let most = model.edges()[..most].partition_point(|edge| edge.seq <= last);
        if most < least {
            let promised = model.seq_at(least);
            wrong!("the store ends at seq {last}; commits up to {promised} were promised");
        }
        self.storage.pause_faults(true);
        let mut troubles = Vec::new();
        for edge in (least..=most).rev() {
            let frame = frame_at(model, edge, &self.host, horizon, &self.options);
            match compare(store, model, frame, Depth::Light) {
                Ok(()) => {
                    self.storage.pause_faults(false);
                    return Ok(edge);
                }
                Err(trouble) => troubles.push(format!("  edge {edge}: {}", trouble.what)),
            }
        }
        wrong!("the store equals no edge from {least} to {most}:\n{}", troubles.join("\n"))
    }
}
