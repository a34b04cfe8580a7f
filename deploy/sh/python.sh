# The virtual environment and what is installed into it. Sourced.

PYTHON=""

# A Python that can make virtual environments, and that the run user may execute: root's own
# (below /root) would not do for anybody else.
choose_python() {
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3; do
        PYTHON=$(as_user "$candidate" -c \
            'import sys, venv, ensurepip; print(sys.executable); sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null) && return 0
    done
    PYTHON=""
    return 1
}

# Whether nothing has changed since mark_done; FILE… is what the thing is made of.
is_done() { # STAMP FILE…
    [ "$(cat "$1" 2>/dev/null)" = "$(fingerprint "${@:2}")" ]
}

mark_done() { # STAMP FILE…
    mkdir -p "$(dirname "$1")"
    fingerprint "${@:2}" >"$1"
}

fingerprint() { # FILE…
    sha256sum "$@" | sha256sum | cut -d ' ' -f 1
}

make_venv() {
    if [ -x "$LIVESTREAM_VENV/bin/python" ] && "$LIVESTREAM_VENV/bin/python" -c '' 2>/dev/null; then
        return
    fi
    choose_python || fail "There is no Python 3.11 or newer that can make virtual environments." \
        "Debian 12 and newer bring one: apt-get install python3-venv. Elsewhere install Python 3.11."
    step "Making a virtual environment with $($PYTHON --version)"
    "$PYTHON" -m venv --clear "$LIVESTREAM_VENV"
}

install_requirements() { # FILE
    local stamp
    stamp=$LIVESTREAM_VENV/stamps/${1%.txt}
    if ! is_done "$stamp" requirements.txt "$1"; then
        step "Installing $1"
        "$LIVESTREAM_VENV/bin/python" -m pip install --quiet --disable-pip-version-check -r "$1" ||
            fail "pip could not install $1." "Is the network there? What pip printed above says why."
        mark_done "$stamp" requirements.txt "$1"
    fi
}

manage() { # COMMAND…
    as_user "$LIVESTREAM_VENV/bin/python" manage.py "$@"
}
