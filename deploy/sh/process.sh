#!/usr/bin/env bash
# Becomes one of the processes: redis, web, worker, beat, ingest or edge. Run by supervisord, with
# LIVESTREAM_VAR, LIVESTREAM_RUN and LIVESTREAM_VENV set. Settings are read anew at every start, and
# nothing secret stands on a command line: the programs read var/env and var/conf themselves.
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

run_nginx() { # NAME TEMPLATE…
    raise_descriptors
    # One that was killed leaves its socket behind, and nginx would not listen over it.
    if [ "$1" = ingest ]; then rm -f "$LIVESTREAM_RUN/ingest.sock"; fi
    render "${@:2}"
    exec nginx -e stderr -p "$LIVESTREAM_VAR" -c "$LIVESTREAM_VAR/conf/$1.conf"
}

run_web() {
    local host port
    host=$(setting LIVESTREAM_BIND 127.0.0.1)
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

case ${1-} in
    redis)
        render redis.conf
        exec redis-server "$LIVESTREAM_VAR/conf/redis.conf"
        ;;
    web) run_web ;;
    worker)
        exec "$LIVESTREAM_VENV/bin/celery" -A livestream worker --pool threads -c 8 \
            -Q broadcasts,chores --disable-prefetch --without-gossip --without-mingle \
            --loglevel INFO
        ;;
    beat)
        exec "$LIVESTREAM_VENV/bin/celery" -A livestream beat --loglevel WARNING \
            --schedule "$LIVESTREAM_RUN/beat-schedule"
        ;;
    ingest) run_nginx ingest ingest.conf ;;
    edge) run_nginx edge live.conf edge.conf ;;
    *)
        echo "process.sh: there is no process named '${1-}'" >&2
        exit 64
        ;;
esac
