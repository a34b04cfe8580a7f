#!/usr/bin/env bash
# Installs Debian's packages, as root, without starting any service they bring: ours run from
# supervisord, on ports of their own. Packages that were there before are not touched.
set -euo pipefail

POLICY=/usr/sbin/policy-rc.d
KEPT=$POLICY.kept-by-livestream
MARK="made by livestream's setup"

restore_policy() {
    if grep -qs "$MARK" "$POLICY"; then rm -f "$POLICY"; fi
    if [ -e "$KEPT" ] || [ -L "$KEPT" ]; then mv -f "$KEPT" "$POLICY"; fi
}

forbid_starting() {
    # A setup that was killed may have left its own behind, with the services it was to disable.
    if grep -qs "$MARK" "$POLICY"; then
        read -ra left <<<"$(sed -n 's/^# fresh: //p' "$POLICY")"
        fresh+=("${left[@]}")
    fi
    restore_policy
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then mv "$POLICY" "$KEPT"; fi
    printf '#!/bin/sh\n# %s\n# fresh: %s\nexit 101\n' "$MARK" "${fresh[*]}" >"$POLICY"
    chmod 0755 "$POLICY"
}

# A thousand lines of apt-get are worth showing only when it fails.
quietly() { # COMMAND…
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

installed() { # PACKAGE
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

disable() { # SERVICE
    if [ -d /run/systemd/system ]; then
        systemctl disable --now "$1" >/dev/null 2>&1 || true
    elif [ -e "/etc/init.d/$1" ]; then
        update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

fresh=()
for service in nginx redis-server; do
    installed "$service" || fresh+=("$service")
done

trap restore_policy EXIT
trap 'exit 130' INT TERM HUP
forbid_starting
export DEBIAN_FRONTEND=noninteractive
if [ $# -gt 0 ]; then
    quietly apt-get -q update
    quietly apt-get -q -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@"
fi
for service in "${fresh[@]}"; do
    if installed "$service"; then disable "$service"; fi
done
