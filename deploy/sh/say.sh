# What the command line says. Sourced.

if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD="" PLAIN=""; fi

say() { printf '%s\n' "$*"; }
step() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*"; }
warn() { printf 'Note: %s\n' "$*" >&2; }

fail() { # WHAT HAPPENED [WHAT TO DO]
    printf '%sError:%s %s\n' "$BOLD" "$PLAIN" "$1" >&2
    if [ $# -gt 1 ]; then printf '  %s\n' "${@:2}" >&2; fi
    exit 1
}
