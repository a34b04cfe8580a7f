#!/usr/bin/env bash
# Becomes one of the processes: redis, origin, web, worker, beat, courier, keeper, ingest or edge. Run
# by supervisord, systemd or as a container, with LIVESTREAM_VAR, LIVESTREAM_RUN and LIVESTREAM_VENV
# set. Settings are read anew at every start, and nothing secret stands on a command line: the
# programs read var/env and var/conf themselves. `edge-config` only writes the edge's configuration,
# for a reload; `setup` and `worker-kept` are for containers alone.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"
# shellcheck source=deploy/sh/environment.sh
source deploy/sh/environment.sh
export DJANGO_SETTINGS_MODULE=livestream.settings PYTHONUNBUFFERED=1
umask 027

render() {
    "$LIVESTREAM_VENV/bin/python" -m deploy.render "$@"
}

# Every viewer costs nginx two descriptors; the usual soft limit of 1024 is for desktops.
raise_descriptors() {
    local hard
    hard=$(ulimit -Hn)
    if [ "$hard" = unlimited ] || [ "$hard" -gt 16384 ]; then hard=16384; fi
    ulimit -Sn "$hard"
}

# One that serves what is on the disk, or one that only caches what others serve.
edge_kind() {
    if [ -n "$(setting LIVESTREAM_EDGE_OF "")" ]; then printf edge-cache; else printf edge; fi
}

run_nginx() { # NAME
    raise_descriptors
    # One that was killed leaves its socket behind, and nginx would not listen over it.
    case $1 in
        ingest) rm -f "$LIVESTREAM_RUN/ingest.sock" ;;
        edge-cache) rm -f "$LIVESTREAM_RUN/lists.sock" ;;
    esac
    mkdir -p "$LIVESTREAM_VAR/cache"
    render "$1.conf"
    exec nginx -e stderr -p "$LIVESTREAM_VAR" -c "$LIVESTREAM_VAR/conf/$1.conf"
}

# What it serves is on the disk; it takes no settings and gets no secret.
run_origin() {
    local place listen
    place=$(setting LIVESTREAM_ORIGIN "unix:$LIVESTREAM_RUN/origin.sock")
    case $place in
        unix:*) listen=(--uds "${place#unix:}") ;;
        *) listen=(--host "${place%:*}" --port "${place##*:}") ;;
    esac
    raise_descriptors
    exec "$LIVESTREAM_VENV/bin/uvicorn" streams.origin.server:app \
        "${listen[@]}" --loop uvloop --http httptools --lifespan off \
        --ws none --no-access-log --no-proxy-headers --no-server-header --log-level warning \
        --timeout-graceful-shutdown 2
}

run_web() {
    local host port
    # Not LIVESTREAM_BIND: whoever came here would come past the edge's limits.
    host=$(setting LIVESTREAM_BACKEND_BIND 127.0.0.1)
    port=$(setting LIVESTREAM_BACKEND_PORT 9000)
    raise_descriptors
    if [ "$(setting ASGI_SERVER uvicorn)" = daphne ]; then
        exec "$LIVESTREAM_VENV/bin/daphne" -b "$host" -p "$port" -v 0 \
            --websocket_connect_timeout 10 livestream.asgi:application
    fi
    exec "$LIVESTREAM_VENV/bin/uvicorn" livestream.asgi:application \
        --host "$host" --port "$port" --loop uvloop --http httptools --lifespan off \
        --ws websockets-sansio --ws-per-message-deflate false --ws-max-size 16384 \
        --no-access-log --no-proxy-headers --no-server-header --log-level warning \
        --timeout-graceful-shutdown 5
}

# FFmpegs die with their container, so there a worker that dies is started again beside them, and
# adopts them. HUP restarts it; TERM ends it, and with it the container.
keep_worker() {
    local worker="" stopping=""
    trap 'stopping=yes; kill -TERM "$worker" 2>/dev/null || true' TERM INT
    trap 'kill -TERM "$worker" 2>/dev/null || true' HUP
    while [ -z "$stopping" ]; do
        "$ROOT/deploy/sh/process.sh" worker &
        worker=$!
        if [ -n "$stopping" ]; then kill -TERM "$worker"; fi
        # A signal ends `wait`, not the worker.
        while kill -0 "$worker" 2>/dev/null; do wait "$worker" || true; done
        if [ -z "$stopping" ]; then
            echo "process.sh: the worker ended; it is started again" >&2
            sleep 1 &
            wait $! || true
        fi
    done
}

# At every start of the containers, which wait for it; it changes only what is missing. migrate runs
# the system checks itself.
prepare_stores() {
    "$LIVESTREAM_VENV/bin/python" -m deploy.mongodb_account
    "$LIVESTREAM_VENV/bin/python" manage.py migrate --verbosity 1
}

case ${1-} in
    redis)
        render redis.conf
        exec redis-server "$LIVESTREAM_VAR/conf/redis.conf"
        ;;
    setup) prepare_stores ;;
    origin) run_origin ;;
    web) run_web ;;
    worker)
        # A heap for each of hundreds of threads would be mostly air.
        export MALLOC_ARENA_MAX=2
        exec "$LIVESTREAM_VENV/bin/python" -m livestream.worker
        ;;
    worker-kept) keep_worker ;;
    beat)
        exec "$LIVESTREAM_VENV/bin/celery" -A livestream beat --loglevel WARNING \
            --schedule "$LIVESTREAM_RUN/beat-schedule"
        ;;
    courier)
        secret_file=$(setting LIVESTREAM_INGEST_SECRET_FILE "")
        if [ -n "$secret_file" ]; then
            LIVESTREAM_INGEST_SECRET=$(cat "$secret_file")
        else
            LIVESTREAM_INGEST_SECRET=$(setting LIVESTREAM_INGEST_SECRET "")
        fi
        LIVESTREAM_DELIVER_TO=$(setting LIVESTREAM_DELIVER_TO "")
        export LIVESTREAM_INGEST_SECRET LIVESTREAM_DELIVER_TO
        exec "$LIVESTREAM_VENV/bin/python" -m streams.origin.courier
        ;;
    keeper) exec "$LIVESTREAM_VENV/bin/python" manage.py keep_store ;;
    ingest) run_nginx ingest ;;
    edge) run_nginx "$(edge_kind)" ;;
    edge-config)
        raise_descriptors
        render "$(edge_kind).conf"
        exec nginx -t -q -e stderr -p "$LIVESTREAM_VAR" -c "$LIVESTREAM_VAR/conf/$(edge_kind).conf"
        ;;
    *)
        echo "process.sh: there is no process named '${1-}'" >&2
        exit 64
        ;;
esac
