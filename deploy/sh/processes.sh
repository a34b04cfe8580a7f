# supervisord and the processes under it: starting, stopping, looking. Sourced.

# In the order of a restart: the origin is back before the web goes, which stands in for it.
PROCESSES="redis origin web worker beat courier keeper ingest edge"
CONF=$ROOT/deploy/supervisord.conf

# supervisord's pid if the one in the pid file is really this installation's: a pid is a number
# that something else may have by now.
supervisor_pid() {
    local pid
    pid=$(cat "$LIVESTREAM_RUN/supervisord.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" |
        grep -qxF "$LIVESTREAM_RUN/supervisord.pid" || return 1
    printf '%s' "$pid"
}

# What this host runs; livestream/env.py says the same.
active_processes() {
    local name wanted
    wanted=$(setting LIVESTREAM_PROCESSES "redis origin web worker beat ingest edge")
    wanted=" ${wanted//,/ } "
    if [[ $wanted == *" worker "* ]] && [ -n "$(setting LIVESTREAM_DELIVER_TO "")" ]; then
        wanted+="courier "
    fi
    if [ -n "$(setting LIVESTREAM_STORE "")" ]; then wanted+="keeper "; fi
    for name in $PROCESSES; do
        case $wanted in *" $name "*) printf '%s ' "$name" ;; esac
    done
}

runs_here() { # NAME…: whether this host runs one of them
    local name active
    active=" $(active_processes)"
    for name in "$@"; do
        case $active in *" $name "*) return 0 ;; esac
    done
    return 1
}

as_process() { # PROGRAM ARGUMENT…, with what the processes know
    local name with=()
    for name in $PROCESSES; do
        if runs_here "$name" && [ "$name:${OWN_REDIS:-false}" != redis:false ]; then
            with+=("LIVESTREAM_WITH_${name^^}=true")
        else
            with+=("LIVESTREAM_WITH_${name^^}=false")
        fi
    done
    as_user env LIVESTREAM_VAR="$LIVESTREAM_VAR" LIVESTREAM_RUN="$LIVESTREAM_RUN" \
        LIVESTREAM_VENV="$LIVESTREAM_VENV" "${with[@]}" "$@"
}

supervised() { # supervisord or supervisorctl, and its arguments
    as_process "$LIVESTREAM_VENV/bin/$1" -c "$CONF" "${@:2}"
}

control() { # supervisorctl's arguments
    supervised supervisorctl "$@"
}

need_setup() {
    if [ ! -x "$LIVESTREAM_VENV/bin/python" ] || [ ! -e "$ENV_FILE" ]; then
        fail "This installation is not set up yet." "Call: ./deploy/app.sh setup"
    fi
    if [ ! -r "$ENV_FILE" ]; then
        fail "You may not read $ENV_FILE; it belongs to $(stat -c %U "$ENV_FILE")." "Use sudo."
    fi
}

is_running() {
    if by_systemd; then systemctl is-active --quiet livestream.target; else supervisor_pid >/dev/null; fi
}

need_running() {
    is_running || fail "Nothing is running." "Start it: ./deploy/app.sh start"
}

# By who runs, after hand_over: root would follow a link that stands there. In /tmp somebody else
# could have made the folder first.
make_folders() {
    local private=("$LIVESTREAM_RUN" "$LIVESTREAM_VAR/log" "$LIVESTREAM_VAR/conf")
    as_user mkdir -p "$LIVESTREAM_VAR/hls" "${private[@]}"
    as_user chmod 0700 "${private[@]}"
    if [ ! -O "$LIVESTREAM_RUN" ] && [ "$(id -u)" -ne 0 ]; then
        fail "$LIVESTREAM_RUN belongs to somebody else." "Remove LIVESTREAM_RUN from $ENV_FILE and set up again."
    fi
}

start_processes() {
    local needed=() OWN_REDIS=false
    if by_systemd; then
        systemctl start livestream.target
        return
    fi
    if supervisor_pid >/dev/null; then
        start_stopped
        return
    fi
    hand_over
    make_folders
    if runs_here redis; then
        OWN_REDIS=$(own_redis) || fail "There is no Redis to use; the reason is above."
    fi
    if [ "$OWN_REDIS" = true ]; then needed=(redis); fi
    # Not as the service user: only root can see whose a port is.
    "$LIVESTREAM_VENV/bin/python" -m deploy.ports "${needed[@]}" ||
        fail "Not started: ports are taken, as said above."
    step "Starting"
    supervised supervisord -j "$LIVESTREAM_RUN/supervisord.pid"
}

# `true` when a Redis of our own runs or has to, `false` when another answers already.
own_redis() {
    local serves
    serves=$(as_user "$LIVESTREAM_VENV/bin/python" -m deploy.redis_server) || return 1
    if [ "$serves" = own ]; then printf true; else printf false; fi
}

# Those that were stopped by hand or gave up.
start_stopped() {
    local stopped
    mapfile -t stopped < <(control status | awk '$2 ~ /STOPPED|EXITED|FATAL/ {print $1}')
    for name in "${stopped[@]}"; do
        if runs_here "$name" && { [ "$name" != redis ] || [ "$(own_redis)" = true ]; }; then
            control start "$name"
        fi
    done
}

wait_until_well() { # SECONDS
    step "Waiting until all parts are well"
    as_user "$LIVESTREAM_VENV/bin/python" -m deploy.health --wait "$1" ||
        fail "Not all parts are well after $1 s; what is wrong stands above." \
            "More: ./deploy/app.sh status, ./deploy/app.sh logs"
}

stop_processes() {
    local pid
    if by_systemd; then
        systemctl stop livestream@ingest
        systemctl stop livestream.target
    elif pid=$(supervisor_pid); then
        # First the way in, so that nobody publishes into a system that is leaving.
        control stop ingest >/dev/null
        control shutdown >/dev/null
        wait_for_end "$pid" 60
    fi
    rm -f "$LIVESTREAM_RUN/supervisord.pid"
    if runs_here worker; then manage end_broadcasts; fi
}

wait_for_end() { # PID SECONDS
    local tries=$(($2 * 10))
    while kill -0 "$1" 2>/dev/null; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            fail "supervisord (pid $1) is still there after $2 s." "See $LIVESTREAM_VAR/log/supervisord.log."
        fi
        sleep 0.1
    done
}

check_names() { # NAME…
    local name
    for name in "$@"; do
        runs_here "$name" || fail "There is no process named '$name'." "There are: $(active_processes)"
    done
}

# ingest is left out unless asked for: restarting it throws every publisher off. redis too, because
# what is queued there would be lost.
restart_processes() { # NAME…
    local name names=("$@")
    check_names "${names[@]}"
    if ! by_systemd; then add_new_programs; fi
    if [ ${#names[@]} -eq 0 ]; then
        for name in origin web worker beat courier keeper; do
            if runs_here "$name"; then names+=("$name"); fi
        done
        say "Restarting ${names[*]}, reloading edge. Broadcasts go on; 'restart ingest' would throw the publishers off."
        if runs_here edge; then reload_edge; fi
        if ! by_systemd; then stop_strangers; fi
    fi
    # One after the other: all at once they would all be away until the last one has stopped.
    for name in $PROCESSES; do
        case " ${names[*]} " in *" $name "*) restart_process "$name" ;; esac
    done
}

restart_process() { # NAME
    if by_systemd; then systemctl restart "livestream@$1"; else control restart "$1"; fi
}

# Those that this host is no longer to run.
stop_strangers() {
    local name running
    mapfile -t running < <(control status | awk '$2 == "RUNNING" {print $1}')
    for name in "${running[@]}"; do
        if [ "$name" != redis ] && ! runs_here "$name"; then control stop "$name"; fi
    done
}

# Those that came with a newer version than the one supervisord was started from.
add_new_programs() {
    local name known
    mapfile -t known < <(control status | awk '{print $1}')
    for name in $(active_processes); do
        case " ${known[*]} " in *" $name "*) continue ;; esac
        control reread >/dev/null
        control add "$name"
    done
}

# Its connections stay: who watches through it notices nothing.
reload_edge() {
    if by_systemd; then
        systemctl reload-or-restart livestream@edge
        return
    fi
    as_process deploy/sh/process.sh edge-config || fail "The edge's new configuration is wrong, as said above."
    control signal HUP edge >/dev/null || control start edge
}

show_status() {
    local well=0
    if ! is_running; then
        say "Nothing is running. Start it: ./deploy/app.sh start"
        return 1
    fi
    if by_systemd; then
        systemctl --no-pager --all --plain list-units 'livestream@*'
    else
        control status | awk '!/STOPPED +Not started/' || true
    fi
    if as_user "$LIVESTREAM_VENV/bin/python" -m deploy.health; then
        say "All parts are well."
    else
        well=1
    fi
    return "$well"
}

show_logs() { # [NAME]
    if by_systemd; then exec journalctl --lines 50 --follow --unit "livestream@${1-*}"; fi
    local files=("$LIVESTREAM_VAR"/log/*.log)
    if [ $# -gt 0 ]; then
        check_names "$1"
        files=("$LIVESTREAM_VAR/log/$1.log")
    fi
    if [ ! -e "${files[0]}" ]; then fail "There is no log yet." "Start it first: ./deploy/app.sh start"; fi
    exec tail -n 50 -F "${files[@]}"
}
