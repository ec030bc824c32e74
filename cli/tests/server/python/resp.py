"""Talks to a server with redis-py, unmodified: python resp.py PORT"""

import sys
import threading
import time

import redis


def strings(r: redis.Redis) -> None:
    assert r.ping()
    assert r.set("a", "1") is True and r.get("a") == b"1"
    assert r.set("a", "2", nx=True) is None and r.set("a", "2", xx=True, get=True) == b"1"
    assert r.incr("a", 5) == 7 and r.decr("a") == 6 and r.incrbyfloat("a", 0.5) == 6.5
    assert r.append("s", "x" * 10) == 10 and r.strlen("s") == 10
    assert r.getrange("s", 1, 3) == b"xxx" and r.setrange("s", 2, "yy") == 10
    assert r.mset({"m1": 1, "m2": b"\x00\xff\r\n"}) and r.mget("m1", "m2", "m3") == [b"1", b"\x00\xff\r\n", None]
    assert r.msetnx({"m1": 1, "m9": 2}) is False
    assert r.getset("m1", 3) == b"1" and r.getdel("m1") == b"3" and r.get("m1") is None
    assert r.rename("m2", "m3") and r.exists("m2", "m3", "m3") == 2
    assert r.copy("m3", "m4") is True and r.type("m4") == b"string"
    assert r.delete("m3", "m4", "m5") == 2 and r.unlink("s") == 1


def expiry(r: redis.Redis) -> None:
    r.set("e", "1", ex=100)
    assert 40 <= r.ttl("e") <= 100 and r.persist("e") and r.ttl("e") == -1 and r.ttl("no") == -2
    assert r.expire("e", 50, nx=True) and not r.expire("e", 60, nx=True) and r.pttl("e") > 20_000
    assert r.getex("e", px=70_000) == b"1" and r.pttl("e") > 60_000
    r.psetex("short", 100_000, "x")
    assert r.get("short") == b"x"
    r.psetex("short", 100, "x")
    time.sleep(0.2)
    assert r.get("short") is None and r.exists("short") == 0
    assert r.expireat("e", 1) and r.get("e") is None


def pipelines(r: redis.Redis) -> None:
    with r.pipeline(transaction=True) as p:
        p.set("t", 1).incr("t").get("t").get("none")
        assert p.execute() == [True, 2, b"2", None]
    with r.pipeline(transaction=False) as p:
        for i in range(1000):
            p.set(f"p{i}", i)
        for i in range(1000):
            p.get(f"p{i}")
        assert p.execute()[1000:] == [b"%d" % i for i in range(1000)]
    try:
        r.pipeline().set("t", "x").incr("t").execute()
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "not an integer" in str(error), error
    r.set("t", 0)

    def add(_n: int) -> None:
        own = redis.Redis(port=r.connection_pool.connection_kwargs["port"])
        for _ in range(20):
            own.transaction(lambda p: (n := int(p.get("t")), p.multi(), p.set("t", n + 1)), "t")

    threads = [threading.Thread(target=add, args=(n,)) for n in range(5)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert r.get("t") == b"100", r.get("t")


def scans(r: redis.Redis) -> None:
    assert sorted(r.scan_iter("p*", count=100)) == sorted(b"p%d" % i for i in range(1000))
    assert len(r.keys("p99?")) == 10 and r.randomkey() is not None
    assert r.dbsize() >= 1000


def server(r: redis.Redis) -> None:
    assert r.info()["redis_mode"] == "standalone" and r.info("keyspace")["db0"]["keys"] > 0
    assert r.config_get("save") == {"save": ""} and r.config_get("append*")["appendonly"] == "yes"
    assert r.client_setname("python") and r.client_getname() in ("python", b"python")
    assert any(c["name"] == "python" for c in r.client_list()) and r.client_id() > 0
    assert r.command_count() > 60 and "get" in r.command()
    assert r.command_getkeys("MSET", "a", 1, "b", 2) in (["a", "b"], [b"a", b"b"])
    assert abs(r.time()[0] - time.time()) < 5 and r.lastsave() is not None
    assert r.bgsave() and r.save() and r.echo("x") == b"x" and r.wait(0, 10) == 0
    assert r.object("encoding", "t") == b"int" and r.memory_usage("t") > 0
    lock = r.lock("lock", timeout=10)
    assert lock.acquire(blocking=False) and not r.lock("lock").acquire(blocking=False)
    try:
        r.execute_command("LPUSH", "l", 1)
        raise AssertionError("no error")
    except redis.ResponseError as error:
        assert "unknown command 'LPUSH'" in str(error), error
    history = r.execute_command("SILT.HISTORY", "t", "LIMIT", 3)
    assert len(history) == 3 and history[0][0] > history[1][0]
    at = r.execute_command("SILT.GETAT", "t", history[1][0])
    assert at == history[1][1]


def main(port: int) -> None:
    for protocol in (2, 3):
        r = redis.Redis(port=port, protocol=protocol)
        r.flushall()
        for test in (strings, expiry, pipelines, scans, server):
            test(r)
        r.flushdb()
        assert r.dbsize() == 0
        r.close()
    print("fine")


if __name__ == "__main__":
    main(int(sys.argv[1]))
