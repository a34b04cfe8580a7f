# The product in containers: its secrets, its settings, docker compose. Sourced. Nothing but Docker is
# needed for it.

COMPOSE_FILE_HERE=$ROOT/deploy/docker-compose.yml
SECRETS=$LIVESTREAM_VAR/secrets

# What docker-compose.yml takes from deploy/.env and `docker up` keeps when it is called with it.
KEPT_BY_DOCKER="ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS TZ PUBLIC_API_URL PUBLIC_WS_URL PUBLIC_HLS_URL
    LIVESTREAM_HTTPS LIVESTREAM_BIND LIVESTREAM_RTMP_BIND LIVESTREAM_WEB_PORT LIVESTREAM_EDGE_PORT
    LIVESTREAM_RTMP_PORT LIVESTREAM_RTMP_URL LIVESTREAM_TRUSTED_PROXY LIVESTREAM_CPU_SHARE
    LIVESTREAM_MOST_BROADCASTS LIVESTREAM_DISK_LOW LIVESTREAM_DISK_MIN_FREE LIVESTREAM_WORKER_MEMORY
    LIVESTREAM_NETWORK LIVESTREAM_FRONT_NETWORK LIVESTREAM_VERSION LIVESTREAM_RTMP_PER_ADDRESS"

use_docker_settings() {
    ENV_FILE=${LIVESTREAM_DOCKER_ENV:-$ROOT/deploy/.env}
    export LIVESTREAM_ENV=$ENV_FILE
}

compose() { # ARGUMENT…
    docker compose --env-file "$ENV_FILE" -f "$COMPOSE_FILE_HERE" "$@"
}

need_docker() {
    if ! docker compose version >/dev/null 2>&1; then
        fail "There is no 'docker compose' here." "Install Docker Engine with its compose plugin, 2.24 or newer."
    fi
    if ! docker info >/dev/null 2>&1; then
        fail "Docker's engine does not answer." "Is it running, and are you root or in the group 'docker'?"
    fi
}

need_prepared() {
    if [ ! -e "$ENV_FILE" ]; then
        fail "The containers are not set up yet." "Call: ./deploy/app.sh docker up"
    fi
}

# Whoever the containers run as has to read the files, which keep their mode inside; so it is the
# folder that nobody else may enter.
write_secret() { # NAME TEXT; one that is there stays
    local file=$SECRETS/$1
    if [ -s "$file" ]; then return; fi
    printf '%s\n' "$2" >"$file.new"
    chmod 0444 "$file.new"
    mv -f "$file.new" "$file"
}

# Passwords are letters and digits: nothing in them has to be escaped in a URL.
make_secrets() {
    local password
    mkdir -p "$SECRETS"
    chmod 0700 "$SECRETS"
    write_secret secret_key "$(random_text 64)"
    write_secret ingest_secret "$(random_text 48)"
    write_secret mongodb_root_password "$(random_text 32)"
    write_secret mongodb_uri "mongodb://livestream:$(random_text 32)@mongodb:27017/livestream"
    # Both say the same password: half a pair is made anew.
    if [ ! -s "$SECRETS/redis_url" ] || [ ! -s "$SECRETS/redis.conf" ]; then
        rm -f "$SECRETS/redis_url" "$SECRETS/redis.conf"
        password=$(random_text 32)
        write_secret redis.conf "requirepass $password"
        write_secret redis_url "redis://:$password@redis:6379/0"
    fi
}

docker_prepare() { # DOMAIN or ""
    local name
    ADDED=() CONFLICTS="" DOMAIN=$1
    mkdir -p "$LIVESTREAM_VAR"
    for name in $KEPT_BY_DOCKER; do
        if [ -n "${!name-}" ]; then want "$name" "${!name}"; fi
    done
    want LIVESTREAM_SECRETS "$SECRETS"
    if [ -n "$DOMAIN" ]; then
        want_domain
        # The HTTPS server of this machine comes by the gateway of the outer network.
        want LIVESTREAM_TRUSTED_PROXY "$(setting LIVESTREAM_FRONT_NETWORK 172.30.47).1"
    fi
    refuse_conflicts
    write_lines
    make_secrets
}

# All, or all but an ingest that runs as it is set: a new one throws the publishers off, and every
# new version of the code makes a new image of it.
services_to_start() {
    local id hash
    id=$(compose ps --quiet ingest)
    if [ -n "$id" ]; then
        hash=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.config-hash"}}' "$id")
        if [ "$(compose config --hash ingest)" = "ingest $hash" ]; then
            warn "ingest goes on as it is, with its publishers; a new one: docker compose -f deploy/docker-compose.yml up -d ingest"
            compose config --services | grep -vx ingest
            return
        fi
    fi
    compose config --services
}

docker_up() { # [--domain NAME]
    local services
    read_domain "$@"
    need_docker
    docker_prepare "$ASKED_DOMAIN"
    step "Building the images"
    compose build --quiet || fail "The images could not be built; what Docker printed above says why."
    step "Starting, and waiting until all containers are healthy"
    mapfile -t services < <(services_to_start)
    compose up --detach --wait --wait-timeout 300 "${services[@]}" ||
        fail "Not all containers are healthy." \
            "Which: ./deploy/app.sh docker status. Why: ./deploy/app.sh docker logs [SERVICE]"
    FIRST_RUN=$(compose exec -T web python manage.py first_run) ||
        fail "Django does not say which stream there is." "See: ./deploy/app.sh docker logs web"
    MANAGE="docker compose -f deploy/docker-compose.yml exec web python manage.py"
    introduce
}

# First the way in and those who drive; then nobody writes into a broadcast that is being ended.
docker_down() {
    need_docker
    need_prepared
    compose stop ingest worker
    if [ -n "$(compose ps --quiet web 2>/dev/null)" ]; then
        compose run --rm --no-deps --entrypoint python worker manage.py end_broadcasts
    fi
    compose down --remove-orphans
}

docker_status() {
    need_docker
    need_prepared
    compose ps --all --format 'table {{.Service}}\t{{.Status}}'
    if compose exec -T web python -m deploy.health; then
        say "All parts are well."
    else
        return 1
    fi
}

run_docker() { # up|down|status|logs|prepare
    local what=${1-}
    if [ $# -gt 0 ]; then shift; fi
    use_docker_settings
    case $what in
        up) docker_up "$@" ;;
        down) docker_down ;;
        status) docker_status ;;
        logs)
            need_docker
            need_prepared
            compose logs --follow --tail 50 "$@"
            ;;
        prepare)
            read_domain "$@"
            docker_prepare "$ASKED_DOMAIN"
            say "Settings are in $ENV_FILE, secrets in $SECRETS."
            say "Start: docker compose -f deploy/docker-compose.yml up --detach --wait"
            say "Then the key and the login: docker compose -f deploy/docker-compose.yml exec web python manage.py first_run"
            ;;
        *) fail "docker does not know '$what'." "Usage: docker up [--domain NAME] | down | status | logs [SERVICE] | prepare" ;;
    esac
}
