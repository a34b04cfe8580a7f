# Who the processes run as. Sourced. Nothing needs root: called as root, the parts are installed as
# root and run as LIVESTREAM_USER, as long as that user can read the checkout.

RUN_USER=""

can_reach() { # USER: whether that user can read this checkout and enter the state folder
    # shellcheck disable=SC2016  # the inner shell expands
    setpriv --reuid "$1" --regid "$(id -g "$1")" --init-groups \
        bash -c 'test -r "$1/manage.py" && test -x "$1/deploy/sh/process.sh" && test -x "$2"' _ \
        "$ROOT" "$(dirname "$LIVESTREAM_VAR")" 2>/dev/null
}

need_own_state() {
    if [ "$(id -u)" -ne 0 ] && [ -e "$LIVESTREAM_VAR" ] && [ ! -w "$LIVESTREAM_VAR" ]; then
        fail "$LIVESTREAM_VAR belongs to $(stat -c %U "$LIVESTREAM_VAR"), not to you." \
            "Call this with sudo, or choose a state folder of your own: LIVESTREAM_VAR=…"
    fi
}

# The folder itself is root's where it was handed over; the logs are not.
state_owner() {
    local folder=$LIVESTREAM_VAR
    if [ -k "$folder" ]; then folder+=/log; fi
    stat -c %U "$folder" 2>/dev/null || echo root
}

choose_account() { # "create" makes the user when it is missing
    local owner wanted
    need_own_state
    if [ "$(id -u)" -ne 0 ]; then return; fi
    owner=$(state_owner)
    # An installation stays with whom it belongs to.
    if [ "$owner" = root ]; then owner=livestream; fi
    wanted=${LIVESTREAM_USER:-$owner}
    if [ "$wanted" = root ]; then return; fi
    # A user made just now will see what everybody sees.
    if ! id "$wanted" >/dev/null 2>&1 && [ "${1-}" = create ] && can_reach nobody; then
        useradd --system --user-group --home-dir "$LIVESTREAM_VAR" --no-create-home \
            --shell /usr/sbin/nologin "$wanted"
    fi
    if id "$wanted" >/dev/null 2>&1 && can_reach "$wanted"; then
        RUN_USER=$wanted
    elif [ "${SUDO_USER:-root}" != root ] && can_reach "$SUDO_USER"; then
        RUN_USER=$SUDO_USER
    elif [ "${1-}" = create ]; then
        warn "the user '$wanted' cannot read $ROOT, so everything runs as root." \
            "A checkout below /opt or /srv runs without."
    fi
}

# For root, too, there is no other way: the kernel keeps it from opening the database of another user
# in a sticky folder (fs.protected_regular).
as_user() { # COMMAND…
    if [ -z "$RUN_USER" ]; then
        "$@"
        return
    fi
    setpriv --reuid "$RUN_USER" --regid "$(id -g "$RUN_USER")" --init-groups \
        env HOME="$LIVESTREAM_VAR" USER="$RUN_USER" "$@"
}

# A user of the state's own, not somebody whose installation this is: root's programs must be safe
# from it. By a group of its own, because the state folder is given to that.
is_service_user() {
    [ "$RUN_USER" != "${SUDO_USER-}" ] && [ "$(id -gn "$RUN_USER")" = "$RUN_USER" ] &&
        [ "$(stat -c %U "$LIVESTREAM_VENV" 2>/dev/null || true)" != "$RUN_USER" ]
}

# State belongs to who runs; programs (venv, node), stamps and the secrets of containers stay with who
# installed them.
hand_over() {
    local entry own=true
    if [ -z "$RUN_USER" ]; then return; fi
    if is_service_user; then
        own=false
        guard_programs
    else
        chmod 0750 "$LIVESTREAM_VAR"
        chown "$RUN_USER:" "$LIVESTREAM_VAR"
    fi
    for entry in "$LIVESTREAM_VAR"/* "$LIVESTREAM_RUN"; do
        case ${entry##*/}:$own in
            venv:* | node:* | stamps:* | secrets:* | env:false) ;;
            *) if [ -e "$entry" ]; then chown -R --no-dereference "$RUN_USER:" "$entry"; fi ;;
        esac
    done
}

# Who may write to a folder may rename what is in it, and root would run a venv of the service
# user's. A sticky folder of root's lets it make files and touch none but its own. Names that root
# will run programs from are taken here; var/env is root's, so that no link can stand in its place.
guard_programs() {
    mkdir -p "$LIVESTREAM_VAR"/{venv,node,stamps}
    chmod 1770 "$LIVESTREAM_VAR"
    chown "root:$RUN_USER" "$LIVESTREAM_VAR"
    if [ -f "$LIVESTREAM_VAR/env" ]; then
        chown --no-dereference "root:$RUN_USER" "$LIVESTREAM_VAR/env"
        chmod 0640 "$LIVESTREAM_VAR/env"
    fi
}
