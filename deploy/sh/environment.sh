# What the shell knows of the environment: reading one setting, and writing var/env once.
# Sourced. Secrets stay in the file: they are read only by the programs that need them.

# The real environment, then the env file, then the default; as livestream/env.py does.
setting() { # NAME DEFAULT
    local value=${!1-} file=${LIVESTREAM_ENV:-$LIVESTREAM_VAR/env}
    if [ -z "$value" ] && [ -r "$file" ]; then
        value=$(sed -n "s/^$1=//p" "$file" | tail -n 1)
        value=${value#[\"\']}
        value=${value%[\"\']}
    fi
    printf '%s' "${value:-$2}"
}

# Variables that setup keeps when it is called with them.
KEPT="SECRET_KEY DEBUG ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS MONGODB_URI REDIS_URL TZ ASGI_SERVER
    PUBLIC_API_URL PUBLIC_WS_URL PUBLIC_HLS_URL LIVESTREAM_HTTPS LIVESTREAM_BIND LIVESTREAM_RTMP_BIND
    LIVESTREAM_WEB_PORT LIVESTREAM_EDGE_PORT LIVESTREAM_BACKEND_PORT LIVESTREAM_RTMP_PORT
    LIVESTREAM_RTMP_URL LIVESTREAM_RTMP_PULL_URL LIVESTREAM_OPEN_INGEST LIVESTREAM_INGEST_SECRET
    LIVESTREAM_INGEST_URL LIVESTREAM_INGEST_NODE LIVESTREAM_DISK_MIN_FREE LIVESTREAM_TRUSTED_PROXY"

random_text() { # LENGTH: letters and digits, so that no parser finds anything special in it
    local text=""
    while [ ${#text} -lt "$1" ]; do
        text+=$(head -c 256 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9')
    done
    printf '%s' "${text:0:$1}"
}

# Adds a line unless the variable has one. A different value there is reported, never replaced.
keep() { # NAME VALUE
    local present
    if ! grep -q "^$1=" "$ENV_FILE"; then
        printf '%s=%s\n' "$1" "$2" >>"$ENV_FILE"
        return
    fi
    present=$(sed -n "s/^$1=//p" "$ENV_FILE" | tail -n 1)
    if [ "$present" != "$2" ]; then CONFLICTS+="  $1=$2"$'\n'; fi
}

write_environment() { # DOMAIN or ""
    local name domain=$1
    CONFLICTS=""
    if [ ! -e "$ENV_FILE" ]; then
        (umask 077 && : >"$ENV_FILE")
        echo "# Written by deploy/app.sh setup; deploy/env.example says what there is." >>"$ENV_FILE"
    fi
    chmod 0600 "$ENV_FILE"
    for name in $KEPT; do
        if [ -n "${!name-}" ]; then keep "$name" "${!name}"; fi
    done
    if [ -n "$domain" ]; then
        keep LIVESTREAM_HTTPS true
        keep ALLOWED_HOSTS "$domain"
        keep CSRF_TRUSTED_ORIGINS "https://$domain"
        keep PUBLIC_API_URL "https://$domain/api"
        keep PUBLIC_WS_URL "wss://$domain/ws"
        keep PUBLIC_HLS_URL "https://$domain/hls"
        keep LIVESTREAM_RTMP_URL "rtmp://$domain:$(setting LIVESTREAM_RTMP_PORT 1935)/live"
        keep LIVESTREAM_OPEN_INGEST off
    fi
    if [ -n "$CONFLICTS" ]; then
        fail "$ENV_FILE already says otherwise for some of what this call asks for." \
            "Change these lines there (setup replaces none), then call setup again:"$'\n'"$CONFLICTS"
    fi
    grep -q '^SECRET_KEY=' "$ENV_FILE" || keep SECRET_KEY "$(random_text 64)"
    grep -q '^LIVESTREAM_INGEST_SECRET=' "$ENV_FILE" || keep LIVESTREAM_INGEST_SECRET "$(random_text 48)"
    grep -q '^LIVESTREAM_OPEN_INGEST=' "$ENV_FILE" || keep LIVESTREAM_OPEN_INGEST loopback
}

# Unix socket paths end at 107 characters, and supervisord adds a number to its own while starting.
choose_run_folder() {
    LIVESTREAM_RUN=$(setting LIVESTREAM_RUN "")
    if [ -n "$LIVESTREAM_RUN" ]; then return; fi
    LIVESTREAM_RUN=$LIVESTREAM_VAR/run
    if [ ${#LIVESTREAM_RUN} -le 72 ]; then return; fi
    LIVESTREAM_RUN=$(mktemp -d /tmp/livestream.XXXXXXXX)
    keep LIVESTREAM_RUN "$LIVESTREAM_RUN"
    keep LIVESTREAM_INGEST_URL "unix:$LIVESTREAM_RUN/ingest.sock"
}
