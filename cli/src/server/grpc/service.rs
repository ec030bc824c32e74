//! The calls of the service.

use std::sync::Arc;

use siltdb_core::{Batch, Change, Commit, Operation, Record, ScanOptions, Version};
use tonic::{Request, Response, Status};

use super::feed::Feed;
use super::{Answer, status};
use crate::Store;
use crate::proto::snapshot_response::Part;
use crate::proto::{self, silt_server};
use crate::server::auth::{Access, Action};
use crate::server::error::Failure;
use crate::server::shared::expiry;
use crate::server::stream::{self, Ended, Packer, Pieces};
use crate::server::{Shared, feed};

/// The service of one server.
#[derive(Debug, Clone)]
pub struct Service {
    pub(super) shared: Arc<Shared>,
}

/// Messages whose failures are statuses.
type Messages<M> = stream::Messages<M, Status>;

/// What every call gives.
type Reply<M> = Result<Response<M>, Status>;

/// Values longer than this are counted against the memory of the server until they are sent.
const SMALL: usize = 64 << 10;

fn check<T>(request: &Request<T>, action: Action) -> Result<Access, Status> {
    let access = request.extensions().get::<Access>().cloned();
    let access = access.ok_or_else(|| status(&Failure::unauthenticated()))?;
    access.check(action).map_err(|f| status(&f))?;
    Ok(access)
}

fn store_error(error: siltdb_core::Error) -> Status {
    status(&error.into())
}

fn range(from: Option<Vec<u8>>, to: Option<Vec<u8>>, prefix: Vec<u8>) -> ScanOptions {
    let prefix = (!prefix.is_empty()).then_some(prefix);
    ScanOptions { from, to, prefix, ..ScanOptions::default() }
}

fn written(commit: Commit) -> proto::WriteResponse {
    let durability = proto::Durability::from(commit.durability).into();
    proto::WriteResponse { seq: commit.seq, durability, written: commit.written }
}

fn durability(level: i32) -> Result<Option<siltdb_core::Durability>, Status> {
    proto::Durability::try_from(level)
        .map(proto::Durability::to_store)
        .map_err(|_| status(&Failure::input("no such durability")))
}

fn operation(op: proto::Operation) -> Result<Operation, Failure> {
    let expires = match (op.expires, op.ttl) {
        (Some(_), Some(_)) => return Err(Failure::input("give expires or ttl, not both")),
        (expires, None) => expires,
        (None, Some(ttl)) => Some(expiry(ttl)?),
    };
    let condition = op.condition.and_then(proto::Condition::to_store);
    Ok(Operation { key: op.key, value: op.value, expires, condition })
}

impl Service {
    /// Counts a long reply against the memory of the server until it is sent.
    fn hold<M>(&self, message: M, bytes: usize) -> Reply<M> {
        let mut response = Response::new(message);
        if bytes > SMALL {
            let held = self.shared.budget.take(bytes);
            let held = held.ok_or_else(|| status(&Failure::replies_full()))?;
            response.extensions_mut().insert(Answer::new(held));
        }
        Ok(response)
    }

    fn read<T, M, F>(&self, pack: fn(Vec<T>) -> M, read: F) -> Reply<Messages<M>>
    where
        T: Send + 'static,
        M: Send + 'static,
        F: FnOnce(&Store, &mut Packer<T, M>) -> Result<(), Ended> + Send + 'static,
    {
        let permit = self.shared.long_read().map_err(|f| status(&f))?;
        let store = self.shared.store.store().clone();
        Ok(Response::new(stream::read(&self.shared, permit, pack, move |packer| {
            read(&store, packer)
        })))
    }

    async fn commit(
        &self,
        operations: Vec<proto::Operation>,
        checks: Vec<proto::Check>,
        level: i32,
    ) -> Reply<proto::WriteResponse> {
        let level = durability(level)?;
        let mut batch = Batch::new();
        for check in checks {
            let condition = check.condition.and_then(proto::Condition::to_store);
            let condition =
                condition.ok_or_else(|| status(&Failure::input("a check needs a condition")))?;
            batch.require(&check.key, condition);
        }
        for op in operations {
            batch.push(operation(op).map_err(|f| status(&f))?);
        }
        let commit = self.shared.write(batch, level).await.map_err(|f| status(&f))?;
        Ok(Response::new(written(commit)))
    }
}

#[tonic::async_trait]
impl silt_server::Silt for Service {
    type ScanStream = Messages<proto::ScanResponse>;
    type HistoryStream = Messages<proto::HistoryResponse>;
    type DiffStream = Messages<proto::DiffResponse>;
    type ChangesStream = Messages<proto::ChangesResponse>;
    type SnapshotStream = Messages<proto::SnapshotResponse>;

    async fn get(&self, request: Request<proto::GetRequest>) -> Reply<proto::GetResponse> {
        check(&request, Action::Read)?;
        let proto::GetRequest { key, as_of } = request.into_inner();
        let (record, _uncounted) = self.shared.record(&key, as_of).await.map_err(store_error)?;
        let bytes = record.as_ref().map_or(0, |record| record.value.len());
        self.hold(proto::GetResponse { record: record.map(Into::into) }, bytes)
    }

    async fn set(&self, request: Request<proto::SetRequest>) -> Reply<proto::WriteResponse> {
        check(&request, Action::Write)?;
        let proto::SetRequest { key, value, expires, ttl, condition, durability } =
            request.into_inner();
        let op = proto::Operation { key, value: Some(value), expires, ttl, condition };
        self.commit(vec![op], Vec::new(), durability).await
    }

    async fn delete(&self, request: Request<proto::DeleteRequest>) -> Reply<proto::WriteResponse> {
        check(&request, Action::Write)?;
        let proto::DeleteRequest { key, condition, durability } = request.into_inner();
        let op = proto::Operation { key, condition, ..proto::Operation::default() };
        self.commit(vec![op], Vec::new(), durability).await
    }

    async fn batch(&self, request: Request<proto::BatchRequest>) -> Reply<proto::WriteResponse> {
        check(&request, Action::Write)?;
        let proto::BatchRequest { operations, checks, durability } = request.into_inner();
        self.commit(operations, checks, durability).await
    }

    async fn sync(&self, request: Request<proto::SyncRequest>) -> Reply<proto::SyncResponse> {
        check(&request, Action::Write)?;
        let level = Some(siltdb_core::Durability::Synced);
        self.shared.write(Batch::new(), level).await.map_err(|f| status(&f))?;
        let durable_seq = self.shared.store.store().durable_seq();
        Ok(Response::new(proto::SyncResponse { durable_seq }))
    }

    async fn scan(&self, request: Request<proto::ScanRequest>) -> Reply<Self::ScanStream> {
        check(&request, Action::Read)?;
        let r = request.into_inner();
        let options = ScanOptions {
            reverse: r.reverse,
            limit: (r.limit > 0).then_some(r.limit),
            keys_only: r.keys_only,
            as_of: r.as_of,
            ..range(r.from, r.to, r.prefix)
        };
        self.read(
            |records| proto::ScanResponse { records },
            move |store, packer| packer.push_all(store.scan(&options)?, Record::size),
        )
    }

    async fn count(&self, request: Request<proto::CountRequest>) -> Reply<proto::CountResponse> {
        check(&request, Action::Read)?;
        let r = request.into_inner();
        let options = ScanOptions { as_of: r.as_of, ..range(r.from, r.to, r.prefix) };
        let count = self.shared.long(move |store| store.count(&options)).await?;
        Ok(Response::new(proto::CountResponse { count }))
    }

    async fn history(&self, request: Request<proto::HistoryRequest>) -> Reply<Self::HistoryStream> {
        check(&request, Action::Read)?;
        let proto::HistoryRequest { key, limit } = request.into_inner();
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        self.read(
            |versions| proto::HistoryResponse { versions },
            move |store, packer| packer.push_all(store.history(&key)?.take(limit), Version::size),
        )
    }

    async fn diff(&self, request: Request<proto::DiffRequest>) -> Reply<Self::DiffStream> {
        check(&request, Action::Read)?;
        let proto::DiffRequest { from_seq, to_seq, prefix } = request.into_inner();
        let now = self.shared.store.store().now().max(from_seq);
        let to_seq = if to_seq == 0 { now } else { to_seq };
        if to_seq < from_seq {
            return Err(status(&Failure::input("from_seq is later than to_seq")));
        }
        let options = range(None, None, prefix);
        self.read(
            |changes| proto::DiffResponse { changes },
            move |store, packer| {
                packer.push_all(store.diff(from_seq, to_seq, &options)?, Change::size)
            },
        )
    }

    async fn changes(&self, request: Request<proto::ChangesRequest>) -> Reply<Self::ChangesStream> {
        let access = check(&request, Action::Read)?;
        let r = request.into_inner();
        let since = r.since.unwrap_or_else(|| self.shared.store.store().last_seq());
        let options = ScanOptions { keys_only: r.keys_only, ..range(r.from, r.to, r.prefix) };
        let feed = Feed { since, options };
        let pack = |changes| proto::ChangesResponse { changes };
        let messages = feed::run(&self.shared, access, feed, pack, r.end);
        Ok(Response::new(messages.map_err(|f| status(&f))?))
    }

    async fn compact(
        &self,
        request: Request<proto::CompactRequest>,
    ) -> Reply<proto::CompactResponse> {
        check(&request, Action::Admin)?;
        if request.into_inner().plan {
            let plan = self.shared.long(Store::compaction_plan).await?;
            let plan = plan.into_iter().map(Into::into).collect();
            return Ok(Response::new(proto::CompactResponse { plan, ..Default::default() }));
        }
        if self.shared.config.read_only {
            return Err(status(&Failure::read_only()));
        }
        let report = self.shared.long(|store| store.compact(&mut |_| ())).await?;
        Ok(Response::new(proto::CompactResponse {
            runs: report.runs,
            input_bytes: report.input_bytes,
            output_bytes: report.output_bytes,
            dropped_records: report.dropped_records,
            plan: Vec::new(),
        }))
    }

    async fn snapshot(
        &self,
        request: Request<proto::SnapshotRequest>,
    ) -> Reply<Self::SnapshotStream> {
        check(&request, Action::Admin)?;
        self.read(
            |_: Vec<()>| proto::SnapshotResponse::default(),
            |store, packer| {
                let piece = |bytes| proto::SnapshotResponse { part: Some(Part::Bytes(bytes)) };
                let mut out = Pieces::new(packer, piece);
                let copied = store.snapshot(&mut out, &mut |_| ());
                out.finish()?;
                let part = Some(Part::Report(copied?.into()));
                packer.send(proto::SnapshotResponse { part }, 0)
            },
        )
    }

    async fn stats(&self, request: Request<proto::StatsRequest>) -> Reply<proto::StatsResponse> {
        check(&request, Action::Read)?;
        let with_segments = request.into_inner().segments;
        let stats = self.shared.long(move |store| {
            let mut stats = proto::StatsResponse::from(store.stats()?);
            if with_segments {
                stats.segment_stats = store.segments()?.into_iter().map(Into::into).collect();
            }
            Ok(stats)
        });
        Ok(Response::new(stats.await?))
    }

    async fn retention(
        &self,
        request: Request<proto::RetentionRequest>,
    ) -> Reply<proto::RetentionResponse> {
        let is_change = request.get_ref().retention.is_some();
        check(&request, if is_change { Action::Admin } else { Action::Read })?;
        if let Some(rule) = request.into_inner().retention {
            if self.shared.config.read_only {
                return Err(status(&Failure::read_only()));
            }
            let rule =
                rule.to_store().ok_or_else(|| status(&Failure::input("no rule is given")))?;
            rule.validate().map_err(store_error)?;
            self.shared.long(move |store| store.set_retention(rule)).await?;
        }
        let retention = self.shared.store.store().retention();
        Ok(Response::new(proto::RetentionResponse { retention: Some(retention.into()) }))
    }
}
