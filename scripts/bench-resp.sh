#!/usr/bin/env bash
# SET and GET by redis-benchmark, beside redis-server on the same disk: 50 clients, values of 100
# bytes, 1,000,000 random keys, without pipelining and with 16 requests at a time; synced beside
# appendfsync always, flushed beside everysec. The two take turns, and the middle of the rounds is
# told, of the ratios too, for other work on the machine disturbs both: single requests want 15
# rounds and more.
#
#     scripts/bench-resp.sh [ROUNDS [SECONDS [ROW]]]
#
# Needs redis-server, redis-tools and a release build (cargo build --release -p siltdb). Each
# measurement takes about so many seconds; ROW is one of always/1 always/16 everysec/1 everysec/16.
# With PIN=1 each server has the first processor to itself and the client the second; without, the
# system moves all of them about, and what is measured on two processors is that, too.
set -euo pipefail
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
rounds=${1:-15} seconds=${2:-1} only=${3:-}
silt=${SILT:-target/release/silt}
servers=() clients=()
[ -n "${PIN:-}" ] && servers=(taskset -c 0) clients=(taskset -c 1)
dir=$(mktemp -d "${TMPDIR:-target}/bench-resp.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$dir"' EXIT

# await PORT: until the server there answers.
await() {
    local n
    for n in $(seq 200); do
        redis-cli -p "$1" ping >/dev/null 2>&1 && return
        sleep 0.05
    done
    printf 'no server at port %s after %s tries\n' "$1" "$n" >&2
    return 1
}

# rate PORT TEST PIPELINE: requests a second.
rate() {
    local n=$4
    "${clients[@]}" redis-benchmark -p "$1" -t "$2" -c 50 -d 100 -r 1000000 -P "$3" -n "$n" --csv |
        awk -F'"' '/^"(SET|GET)"/ { printf "%d", $4 }'
}

middle() {
    sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'
}

printf '%-9s %-5s %9s %10s %10s %6s\n' fsync op pipelined redis siltdb ratio
for fsync in always everysec; do
    [ $fsync = always ] && durability=synced || durability=flushed
    mkdir "$dir/redis" "$dir/silt"
    "${servers[@]}" redis-server --port 16391 --bind 127.0.0.1 --save '' --appendonly yes --appendfsync $fsync \
        --dir "$dir/redis" >/dev/null &
    pids=($!)
    "${servers[@]}" "$silt" --db "$dir/silt/db" serve --no-grpc --no-http --resp-port 16392 \
        --durability $durability --log-level warn >/dev/null 2>&1 &
    pids+=($!)
    await 16391
    await 16392
    for pipeline in 1 16; do
        [ -n "$only" ] && [ "$only" != "$fsync/$pipeline" ] && continue
        for op in set get; do
            # How much it takes for so many seconds, by a short try.
            try=$(rate 16391 $op $pipeline 20000)
            n=$((try * seconds))
            : >"$dir/a" >"$dir/b"
            for _ in $(seq "$rounds"); do
                printf '%s\n' "$(rate 16391 $op $pipeline $n)" >>"$dir/a"
                printf '%s\n' "$(rate 16392 $op $pipeline $n)" >>"$dir/b"
            done
            paste "$dir/b" "$dir/a" | awk '{ print $1 / $2 }' >"$dir/ratio"
            printf '%-9s %-5s %9s %10s %10s %6.2f\n' $fsync $op $pipeline \
                "$(middle <"$dir/a")" "$(middle <"$dir/b")" "$(middle <"$dir/ratio")"
        done
    done
    kill "${pids[@]}"
    wait 2>/dev/null || true
    rm -rf "$dir/redis" "$dir/silt"
done
