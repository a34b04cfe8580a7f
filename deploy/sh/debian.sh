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
    # A setup that was killed may have left its own behind.
    restore_policy
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then mv "$POLICY" "$KEPT"; fi
    printf '#!/bin/sh\n# %s\nexit 101\n' "$MARK" >"$POLICY"
    chmod 0755 "$POLICY"
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
apt-get -q update
apt-get -q install -y --no-install-recommends "$@"
for service in "${fresh[@]}"; do
    if installed "$service"; then disable "$service"; fi
done
