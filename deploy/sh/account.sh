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

choose_account() { # "create" makes the user when it is missing
    local owner wanted
    need_own_state
    if [ "$(id -u)" -ne 0 ]; then return; fi
    owner=$(stat -c %U "$LIVESTREAM_VAR" 2>/dev/null || echo root)
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

as_user() { # COMMAND…
    if [ -z "$RUN_USER" ]; then
        "$@"
        return
    fi
    setpriv --reuid "$RUN_USER" --regid "$(id -g "$RUN_USER")" --init-groups \
        env HOME="$LIVESTREAM_VAR" USER="$RUN_USER" "$@"
}

# State belongs to who runs; programs (venv, node) and stamps stay with who installed them.
hand_over() {
    local entry
    if [ -z "$RUN_USER" ]; then return; fi
    chown "$RUN_USER:" "$LIVESTREAM_VAR" "$LIVESTREAM_RUN"
    for entry in "$LIVESTREAM_VAR"/*; do
        case ${entry##*/} in
            venv | node | stamps) ;;
            *) chown -R --no-dereference "$RUN_USER:" "$entry" ;;
        esac
    done
}
