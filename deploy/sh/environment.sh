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
KEPT="SECRET_KEY SECRET_KEY_FILE LIVESTREAM_SQLITE MONGODB_URI MONGODB_URI_FILE MONGODB_NAME REDIS_URL REDIS_URL_FILE
    REDIS_CACHE_URL REDIS_CACHE_URL_FILE REDIS_CHANNELS_URL REDIS_CHANNELS_URL_FILE
    REDIS_BROKER_URL REDIS_BROKER_URL_FILE REDIS_CA_FILE REDIS_SENTINELS REDIS_MASTER
    REDIS_SENTINEL_PASSWORD REDIS_SENTINEL_PASSWORD_FILE
    DEBUG ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS TZ ASGI_SERVER
    PUBLIC_API_URL PUBLIC_WS_URL PUBLIC_HLS_URL NEXT_PUBLIC_API_URL NEXT_PUBLIC_WS_URL
    NEXT_PUBLIC_HLS_URL LIVESTREAM_HTTPS LIVESTREAM_BIND LIVESTREAM_RTMP_BIND
    LIVESTREAM_WEB_PORT LIVESTREAM_EDGE_PORT LIVESTREAM_BACKEND_PORT LIVESTREAM_RTMP_PORT
    LIVESTREAM_RTMP_URL LIVESTREAM_RTMP_PULL_URL LIVESTREAM_OPEN_INGEST
    LIVESTREAM_INGEST_SECRET LIVESTREAM_INGEST_SECRET_FILE
    LIVESTREAM_INGEST_URL LIVESTREAM_INGEST_NODE LIVESTREAM_DISK_LOW LIVESTREAM_DISK_MIN_FREE
    LIVESTREAM_MOST_BROADCASTS LIVESTREAM_TRUSTED_PROXY LIVESTREAM_PROCESSES LIVESTREAM_BACKENDS
    LIVESTREAM_BACKEND_BIND LIVESTREAM_WORKERS LIVESTREAM_INGEST_CONTROL LIVESTREAM_DELIVER_TO
    LIVESTREAM_STORE LIVESTREAM_EDGE_OF LIVESTREAM_EDGE_CACHE LIVESTREAM_TRUSTED_EDGE
    LIVESTREAM_RTMP_PER_ADDRESS"

random_text() { # LENGTH: letters and digits, so that no parser finds anything special in it
    local text=""
    while [ ${#text} -lt "$1" ]; do
        text+=$(head -c 256 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9')
    done
    printf '%s' "${text:0:$1}"
}

# Lines are collected in ADDED and written together: a setup that is refused has changed nothing.
ADDED=() CONFLICTS="" DOMAIN=""

# A domain ends the local trial, so the line that setup itself wrote for it may go.
lines_that_stay() {
    if [ ! -e "$ENV_FILE" ]; then
        echo "# Written by deploy/app.sh setup; deploy/env.example says what there is."
    elif [ -n "$DOMAIN" ]; then
        grep -vxF LIVESTREAM_OPEN_INGEST=loopback "$ENV_FILE" || true
    else
        grep '' "$ENV_FILE" || true
    fi
}

# What a variable is going to be; exit code 1 when nothing says so yet.
planned() { # NAME
    local found
    found=$(printf '%s\n' "${ADDED[@]}" "$(lines_that_stay)" | grep "^$1=") || return 1
    found=${found##*$'\n'}
    printf '%s' "${found#*=}"
}

# Collects a line unless the variable has one. A different value is reported, never replaced.
want() { # NAME VALUE
    local present
    if ! present=$(planned "$1"); then
        ADDED+=("$1=$2")
    elif [ "$present" != "$2" ]; then
        case $1 in
            # What is printed here is kept in logs.
            *_FILE) CONFLICTS+="  $1=$2"$'\n' ;;
            SECRET_KEY | *_SECRET | *_PASSWORD | MONGODB_URI | REDIS_*URL) CONFLICTS+="  $1"$'\n' ;;
            *) CONFLICTS+="  $1=$2"$'\n' ;;
        esac
    fi
}

# Unless there is one already, here or in a file of its own.
make_secret() { # NAME LENGTH
    # An empty line of it is one that was copied from env.example; the last line counts.
    if [ -z "$(planned "$1")" ] && [ -z "$(planned "$1_FILE")" ]; then
        ADDED+=("$1=$(random_text "$2")")
    fi
}

port_answers() { # PORT on loopback
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# A Redis of our own gets a password: on loopback everybody with an account on this machine reaches it,
# and the sessions in it. One that is there already is taken as it is.
make_redis_password() {
    local name processes
    for name in REDIS_URL REDIS_URL_FILE REDIS_SENTINELS; do
        if [ -n "$(planned "$name")" ]; then return; fi
    done
    processes=$(planned LIVESTREAM_PROCESSES) || processes=redis
    if [[ ${processes:-redis} == *redis* ]] && ! port_answers 6379; then
        ADDED+=("REDIS_URL=redis://:$(random_text 32)@127.0.0.1:6379/0")
    fi
}

want_domain() {
    want LIVESTREAM_HTTPS true
    want ALLOWED_HOSTS "$DOMAIN"
    want CSRF_TRUSTED_ORIGINS "https://$DOMAIN"
    want PUBLIC_API_URL "https://$DOMAIN/api"
    want PUBLIC_WS_URL "wss://$DOMAIN/ws"
    want PUBLIC_HLS_URL "https://$DOMAIN/hls"
    want LIVESTREAM_RTMP_URL "rtmp://$DOMAIN:$(setting LIVESTREAM_RTMP_PORT 1935)/live"
    want LIVESTREAM_OPEN_INGEST off
}

refuse_conflicts() {
    if [ -z "$CONFLICTS" ]; then return; fi
    fail "$ENV_FILE or this call itself says otherwise for some of what this call asks for." \
        "Nothing was changed there. Make these agree, then call this again:"$'\n'"$CONFLICTS"
}

# As a new file in the place of the old one: killed in the middle, either is there whole.
write_lines() {
    local new
    if [ ${#ADDED[@]} -eq 0 ]; then return; fi
    new=$(mktemp "$ENV_FILE.XXXXXX")
    { lines_that_stay && printf '%s\n' "${ADDED[@]}"; } >"$new"
    if [ -e "$ENV_FILE" ]; then
        chown --reference="$ENV_FILE" "$new"
        chmod --reference="$ENV_FILE" "$new"
    fi
    mv -f "$new" "$ENV_FILE"
    ADDED=()
}

write_environment() { # DOMAIN or ""
    local name
    ADDED=() CONFLICTS="" DOMAIN=$1
    for name in $KEPT; do
        if [ -n "${!name-}" ]; then want "$name" "${!name}"; fi
    done
    if [ -n "$DOMAIN" ]; then want_domain; fi
    refuse_conflicts
    make_secret SECRET_KEY 64
    make_secret LIVESTREAM_INGEST_SECRET 48
    make_redis_password
    planned LIVESTREAM_OPEN_INGEST >/dev/null || want LIVESTREAM_OPEN_INGEST loopback
    write_lines
    # Where the state was handed over, the service user reads the file by its group.
    if [ ! -k "$LIVESTREAM_VAR" ]; then chmod 0600 "$ENV_FILE"; fi
}

# Two machines may have one name, and `stop` of one must not end what the other drives. Moved into its
# place, as root would write through a link that stands there.
make_host_id() {
    local new
    if [ -s "$LIVESTREAM_VAR/host-id" ]; then return; fi
    new=$(mktemp "$LIVESTREAM_VAR/host-id.XXXXXX")
    random_text 8 | tr '[:upper:]' '[:lower:]' >"$new"
    mv -fT "$new" "$LIVESTREAM_VAR/host-id"
}

# Unix socket paths end at 107 characters, and supervisord adds a number to its own while starting.
choose_run_folder() {
    LIVESTREAM_RUN=$(setting LIVESTREAM_RUN "")
    if [ -n "$LIVESTREAM_RUN" ]; then return; fi
    LIVESTREAM_RUN=$LIVESTREAM_VAR/run
    if [ ${#LIVESTREAM_RUN} -le 72 ]; then return; fi
    LIVESTREAM_RUN=$(mktemp -d /tmp/livestream.XXXXXXXX)
    want LIVESTREAM_RUN "$LIVESTREAM_RUN"
    want LIVESTREAM_INGEST_URL "unix:$LIVESTREAM_RUN/ingest.sock"
    write_lines
}
