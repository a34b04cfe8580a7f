# systemd in supervisord's place, for servers: one unit per process, hardened. Sourced.

UNITS=${LIVESTREAM_UNITS:-/etc/systemd/system}
# Limits for each FFmpeg need DelegateSubgroup=.
SYSTEMD_FOR_LIMITS=254

# Whether the units there are this installation's.
by_systemd() {
    grep -qsxF "Environment=LIVESTREAM_VAR=$LIVESTREAM_VAR" "$UNITS/livestream@.service"
}

systemd_version() {
    systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p'
}

write_units() { # FOLDER
    local unit target
    for unit in "$ROOT"/deploy/systemd/{*.*,*.d/*.conf}; do
        [ -f "$unit" ] || continue
        target=$1/${unit#"$ROOT/deploy/systemd/"}
        mkdir -p "$(dirname "$target")"
        sed -e "s|/opt/livestream/var/venv|$LIVESTREAM_VENV|; s|/opt/livestream/var/run|$LIVESTREAM_RUN|" \
            -e "s|/opt/livestream/var|$LIVESTREAM_VAR|; s|/opt/livestream/|$ROOT/|" \
            -e "s|=/opt/livestream$|=$ROOT|; s|^User=.*|User=$RUN_USER|" "$unit" >"$target"
    done
    if [ "$(systemd_version)" -lt "$SYSTEMD_FOR_LIMITS" ]; then
        rm "$1/livestream@worker.service.d/limits.conf"
    fi
}

check_places() {
    local place
    if [ "$(id -u)" -ne 0 ] || ! command -v systemctl >/dev/null; then
        fail "systemd's units are installed by root, where systemd runs." "Use sudo."
    fi
    if [ -z "$RUN_USER" ]; then
        fail "The processes would run as root." "Clone the checkout below /opt or /srv and set it up there."
    fi
    for place in "$ROOT" "$LIVESTREAM_VAR" "$LIVESTREAM_RUN" "$LIVESTREAM_VENV"; do
        case $place in
            /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*)
                fail "$place is a place that hardened units do not see." \
                    "Use a checkout below /opt or /srv, or LIVESTREAM_VAR with a shorter path."
                ;;
        esac
        [[ $place =~ ^[A-Za-z0-9/._-]+$ ]] || fail "'$place' has characters that units cannot hold."
    done
}

# FFmpegs go on: the worker under systemd adopts them. Publishers come back by themselves.
install_units() {
    local pid
    check_places
    choose_redis
    step "Writing $UNITS/livestream@.service and livestream.target"
    write_units "$UNITS"
    if pid=$(supervisor_pid); then
        control shutdown >/dev/null
        wait_for_end "$pid" 60
        rm -f "$LIVESTREAM_RUN/supervisord.pid"
    fi
    systemctl daemon-reload
    enable_units
    systemctl enable --now livestream.target
}

choose_redis() { # into OWN_REDIS
    OWN_REDIS=false
    if runs_here redis; then
        OWN_REDIS=$(own_redis) || fail "There is no Redis to use; the reason is above."
    fi
}

# As this version has them, for the processes that this host is to run now.
refresh_units() {
    choose_redis
    write_units "$UNITS"
    systemctl daemon-reload
    enable_units
}

enable_units() {
    local name
    for name in $PROCESSES; do
        if runs_here "$name" && [ "$name:$OWN_REDIS" != redis:false ]; then
            systemctl enable --quiet "livestream@$name"
        else
            systemctl disable --quiet --now "livestream@$name"
        fi
    done
}

# What ran goes on under supervisord, FFmpegs included.
remove_units() {
    local name ran=false
    by_systemd || fail "There are no units of this installation in $UNITS."
    if is_running; then ran=true; fi
    step "Removing the units from $UNITS"
    systemctl disable --now livestream.target
    for name in $PROCESSES; do systemctl disable --quiet --now "livestream@$name"; done
    rm -rf "$UNITS"/livestream.target "$UNITS"/livestream@*.service "$UNITS"/livestream@*.service.d
    systemctl daemon-reload
    if [ "$ran" = false ]; then
        say "Nothing is running. Start it: ./deploy/app.sh start"
        return
    fi
    say "supervisord takes over. It is not started when this machine boots; ./deploy/app.sh start does that."
    start_processes
}
