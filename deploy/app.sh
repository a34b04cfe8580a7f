#!/usr/bin/env bash
# The command line of an installation: sets it up, starts and stops it, looks after it.
set -euo pipefail
# Whoever runs the processes has to read what is installed; what is secret says so itself.
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

LIVESTREAM_VAR=$(realpath -m "${LIVESTREAM_VAR:-$ROOT/var}")
LIVESTREAM_VENV=${LIVESTREAM_VENV:-$LIVESTREAM_VAR/venv}
ENV_FILE=${LIVESTREAM_ENV:-$LIVESTREAM_VAR/env}
export LIVESTREAM_VAR LIVESTREAM_VENV DJANGO_SETTINGS_MODULE=livestream.settings

for part in say environment account packages python front processes systemd demo docker tests; do
    # shellcheck source=/dev/null
    source "deploy/sh/$part.sh"
done

# Long enough for a cold start of a small machine.
PATIENCE=90

usage() {
    cat <<'TEXT'
Usage: ./deploy/app.sh COMMAND

  setup [--domain NAME]  install what is missing, prepare everything, start, say where it is;
                         with a domain: the values of a public server behind HTTPS
  start, stop            the whole installation; `stop` ends the broadcasts too
  restart [PROCESS…]     without names all but redis and ingest: viewers notice nothing
  status                 each process and part; exit code 1 when something is not well
  logs [PROCESS]         follow the logs
  manage COMMAND…        Django's manage.py, as the user that runs the processes
  systemd [remove]       have systemd run the processes, by hardened units; or no longer
  docker up|down|status|logs
                         the same in containers; only Docker is needed
  demo [SECONDS]         publish a test picture, until Ctrl-C or for some seconds
  test [ARGUMENT…]       the whole test run, or pytest with these arguments
  test faults            break everything that can break, and tell what a viewer lost
  help                   this

Processes: redis origin web worker beat ingest edge, or those of them that LIVESTREAM_PROCESSES names.
State is in var/ (LIVESTREAM_VAR); what can be set is in deploy/env.example.
TEXT
}

# What the running processes were made of: when it changed, they are restarted.
code_files() {
    find manage.py requirements.txt livestream streams chat templates deploy \
        \( -name '*.py' -o -name '*.html' -o -name '*.template' -o -name '*.sh' \
        -o -name 'requirements.txt' \) -type f | LC_ALL=C sort
}

prepare_state() { # DOMAIN or ""
    mkdir -p "$LIVESTREAM_VAR"
    # Sticky: handed over, and processes that run need it as it is.
    if [ ! -k "$LIVESTREAM_VAR" ]; then chmod 0750 "$LIVESTREAM_VAR"; fi
    choose_account create
    make_venv
    install_requirements requirements.txt
    write_environment "$1"
    choose_run_folder
    export LIVESTREAM_RUN
    # What is on air is its worker's by the name that this host has now.
    is_running || make_host_id
    hand_over
    make_folders
    build_front
    hand_over
}

# A host of ingests or edges alone reaches no database, and needs none.
prepare_database() {
    manage check --fail-level ERROR >/dev/null
    manage collectstatic --noinput --verbosity 0
    if runs_here web worker beat keeper; then manage migrate --verbosity 0; fi
    if runs_here web; then FIRST_RUN=$(manage first_run); fi
}

read_domain() { # [--domain NAME], into ASKED_DOMAIN
    ASKED_DOMAIN=""
    while [ $# -gt 0 ]; do
        case $1 in
            --domain)
                ASKED_DOMAIN=${2-}
                [[ $ASKED_DOMAIN =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]] ||
                    fail "--domain wants a host name, such as live.example.org."
                shift 2
                ;;
            *) fail "'$1' is not known here." "Usage: $command [--domain NAME]" ;;
        esac
    done
}

first_run_said() { # KEY
    sed -n "s/^$1=//p" <<<"$FIRST_RUN"
}

introduce() {
    local host page key password
    if ! runs_here web; then
        say ""
        say "${BOLD}This host runs: $(active_processes)${PLAIN}"
        return
    fi
    host=$(setting LIVESTREAM_BIND 127.0.0.1)
    case $host in 127.0.0.1 | 0.0.0.0 | ::) host=localhost ;; esac
    page=http://$host:$(setting LIVESTREAM_WEB_PORT 3000)
    if [ "$(setting LIVESTREAM_HTTPS false)" = true ]; then
        page=https://$(setting ALLOWED_HOSTS localhost | cut -d , -f 1)
    fi
    key=$(first_run_said STREAM_KEY)
    password=$(first_run_said ADMIN_PASSWORD)
    say ""
    say "${BOLD}LiveStream is running.${PLAIN}"
    say ""
    say "  OBS, Settings > Stream > Custom"
    say "    Server      $(setting LIVESTREAM_RTMP_URL "rtmp://localhost:$(setting LIVESTREAM_RTMP_PORT 1935)/live")"
    say "    Stream key  ${key:-(shown once; the admin makes a new one: Streams > New key)}"
    if [ "$(setting LIVESTREAM_OPEN_INGEST off)" = loopback ]; then
        say "                On this machine the key '$(first_run_said STREAM_NAME)' works as well."
    fi
    say "  Page          $page/$(first_run_said STREAM_NAME)"
    say "  Admin         $page/admin/"
    say "    Login       $(first_run_said ADMIN_USER)"
    say "    Password    ${password:-(shown once; a new one: $MANAGE changepassword $(first_run_said ADMIN_USER))}"
    say ""
    if [ -n "$key$password" ]; then say "  The key and the password are not shown again."; fi
    if [ "$(setting LIVESTREAM_HTTPS false)" = true ]; then
        say "  Have your HTTPS server pass everything to http://127.0.0.1:$(setting LIVESTREAM_WEB_PORT 3000) with X-Forwarded-For and"
        say "  X-Forwarded-Proto. For publishers from outside set LIVESTREAM_RTMP_BIND=0.0.0.0 in $ENV_FILE."
    fi
    if [ "$(setting LIVESTREAM_OPEN_INGEST off)" = loopback ]; then
        say "  Without OBS: ./deploy/app.sh demo"
    fi
}

setup() {
    local code
    read_domain "$@"
    need_own_state
    # shellcheck disable=SC2086  # a list of words
    install_packages $RUNTIME
    prepare_state "$ASKED_DOMAIN"
    prepare_database
    mapfile -t code < <(code_files)
    if by_systemd && [ "$(id -u)" -eq 0 ]; then refresh_units; fi
    if is_running && ! is_done "$LIVESTREAM_VAR/stamps/code" "${code[@]}" "$ENV_FILE"; then restart_processes; fi
    start_processes
    mark_done "$LIVESTREAM_VAR/stamps/code" "${code[@]}" "$ENV_FILE"
    wait_until_well "$PATIENCE"
    MANAGE="${SUDO_USER:+sudo }./deploy/app.sh manage"
    introduce
}

find_installation() {
    choose_account
    need_setup
    LIVESTREAM_RUN=$(setting LIVESTREAM_RUN "$LIVESTREAM_VAR/run")
    export LIVESTREAM_RUN
}

command=${1-help}
if [ $# -gt 0 ]; then shift; fi
case $command in
    setup) setup "$@" ;;
    start)
        find_installation
        start_processes
        wait_until_well "$PATIENCE"
        ;;
    stop)
        find_installation
        stop_processes
        ;;
    restart)
        find_installation
        need_running
        restart_processes "$@"
        wait_until_well "$PATIENCE"
        ;;
    status)
        find_installation
        show_status
        ;;
    logs)
        find_installation
        show_logs "$@"
        ;;
    manage)
        find_installation
        manage "$@"
        ;;
    systemd)
        find_installation
        if [ "${1-}" = remove ]; then
            remove_units
            if ! is_running; then exit; fi
        else
            install_units
        fi
        wait_until_well "$PATIENCE"
        ;;
    demo)
        find_installation
        need_running
        publish_demo "$@"
        ;;
    docker) run_docker "$@" ;;
    test) run_tests "$@" ;;
    help | -h | --help) usage ;;
    *)
        usage >&2
        fail "There is no command '$command'."
        ;;
esac
