# Debian's packages: which are missing, and having them installed. Sourced.

# In the policy-rc.d that deploy/sh/debian.sh puts in place while it installs.
POLICY_MARK="made by livestream's setup"

# package:what it must have brought
RUNTIME="nginx:/usr/sbin/nginx libnginx-mod-rtmp:/usr/lib/nginx/modules/ngx_rtmp_module.so
    libnginx-mod-stream:/usr/lib/nginx/modules/ngx_stream_module.so
    ffmpeg:/usr/bin/ffmpeg redis-server:/usr/bin/redis-server python3-venv:python-venv"
FOR_TESTS="chromium:/usr/bin/chromium libcurl4:libcurl.so.4 iproute2:/usr/sbin/ip
    systemd:/usr/bin/systemd-analyze openssl:/usr/bin/openssl"

# nginx stands in sbin, which is not on every user's PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

has_package() { # PACKAGE FILE
    case $2 in
        python-venv) choose_python ;;
        *.so.*) ldconfig -p | grep -qF "$2" ;;
        *.so) [ -e "$2" ] || [ -e "/usr/share/nginx/modules/${2##*/}" ] ;;
        *) command -v "${2##*/}" >/dev/null ;;
    esac
}

missing_packages() { # LIST…
    local entry
    for entry in "$@"; do
        has_package "${entry%%:*}" "${entry#*:}" || printf '%s ' "${entry%%:*}"
    done
}

install_packages() { # LIST…
    local missing installer
    read -ra missing <<<"$(missing_packages "$@")"
    # An installation that was killed in the middle has something left to do.
    if [ ${#missing[@]} -eq 0 ] && ! grep -qs "$POLICY_MARK" /usr/sbin/policy-rc.d; then return; fi
    if ! command -v apt-get >/dev/null; then
        fail "These are missing, and there is no apt-get to install them: ${missing[*]}" \
            "Install them with this system's own packages, then call this again."
    fi
    installer=(bash "$ROOT/deploy/sh/debian.sh" "${missing[@]}")
    step "Installing Debian's ${missing[*]:-packages: finishing what was begun}"
    if [ "$(id -u)" -eq 0 ]; then
        "${installer[@]}" || packages_failed "${missing[@]}"
    elif command -v sudo >/dev/null; then
        if { [ -t 0 ] && ! sudo -v; } || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
            fail "Packages are missing, and sudo does not let you install them: ${missing[*]}" \
                "As root: ${installer[*]}"
        fi
        sudo "${installer[@]}" || packages_failed "${missing[@]}"
    else
        fail "Packages are missing, and you are neither root nor is there sudo: ${missing[*]}" \
            "As root: ${installer[*]}"
    fi
    hash -r
}

packages_failed() { # PACKAGE…
    fail "Installing these packages failed: $*" \
        "What apt-get printed above says why; the network and 'apt-get update' are the usual suspects."
}
