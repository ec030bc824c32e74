"""Calls a server by gRPC with nothing but what reflection tells: python reflection.py HOST:PORT

Needs grpcio and grpcio-reflection.
"""

import sys

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)


def main(address: str) -> None:
    channel = grpc.insecure_channel(address)
    reflection = ProtoReflectionDescriptorDatabase(channel)
    services = set(reflection.get_services())
    assert {"silt.v1.Silt", "grpc.health.v1.Health"} <= services, services
    pool = DescriptorPool(reflection)
    service = pool.FindServiceByName("silt.v1.Silt")

    def call(name, **fields):
        method = service.methods_by_name[name]
        request = message_factory.GetMessageClass(method.input_type)(**fields)
        reply = message_factory.GetMessageClass(method.output_type)
        path = f"/silt.v1.Silt/{name}"
        kind = channel.unary_stream if method.server_streaming else channel.unary_unary
        stub = kind(
            path, request_serializer=type(request).SerializeToString,
            response_deserializer=reply.FromString,
        )
        return stub(request, timeout=20)

    written = call("Set", key=b"python", value=b"1")
    assert written.seq > 0 and written.durability == 3, written
    got = call("Get", key=b"python")
    assert got.record.value == b"1" and got.record.seq == written.seq, got
    assert not call("Get", key=b"absent").HasField("record")
    batch = call(
        "Batch",
        operations=[
            {"key": b"python/%d" % i, "value": b"v" * 100, "ttl": 60_000_000} for i in range(3000)
        ],
    )
    records = [r for m in call("Scan", prefix=b"python/", keys_only=False) for r in m.records]
    assert len(records) == 3000 and all(r.expires > batch.seq for r in records)
    assert [r.key for r in records] == sorted(r.key for r in records)
    try:
        call("Set", key=b"python", value=b"2", condition={"absent": True})
        raise AssertionError("a condition that does not hold was not noticed")
    except grpc.RpcError as error:
        metadata = dict(error.trailing_metadata())
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
        assert metadata["silt-code"] == "SILT_CONDITION_FAILED", metadata
        assert int(metadata["silt-found"]) == written.seq, metadata
    changes = call("Changes", since=0, end=True)
    assert sum(len(m.changes) for m in changes) >= 3001
    assert call("Stats").keys >= 3001
    pieces = list(call("Snapshot"))
    assert pieces[-1].report.bytes == sum(len(p.bytes) for p in pieces[:-1])
    print("fine")


if __name__ == "__main__":
    main(sys.argv[1])
