# A test picture, published as OBS would. Sourced.

publish_demo() { # [SECONDS]
    local seconds=${1-} key port limit=()
    port=$(setting LIVESTREAM_RTMP_PORT 1935)
    key=${STREAM_KEY-}
    if [ -z "$key" ]; then
        if [ "$(setting LIVESTREAM_OPEN_INGEST off)" != loopback ]; then
            fail "This installation takes secret keys only." \
                "Call: STREAM_KEY=… ./deploy/app.sh demo (the admin shows a new key when it is rotated)."
        fi
        # The first stream may have been renamed since.
        FIRST_RUN=$(manage first_run) || fail "Django does not say which stream there is."
        key=$(first_run_said STREAM_NAME)
    fi
    if [ -n "$seconds" ]; then
        [[ $seconds =~ ^[0-9]+$ ]] || fail "'$seconds' is not a number of seconds."
        limit=(-t "$seconds")
    else
        say "Publishing a test picture until Ctrl-C."
    fi
    # The key comes by a file that is none: everybody on the machine can read a command line.
    exec ffmpeg -hide_banner -nostdin -loglevel error -stats \
        -re -f lavfi -i testsrc2=size=1280x720:rate=30 \
        -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000 "${limit[@]}" \
        -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -b:v 2500k \
        -maxrate 2500k -bufsize 5000k -g 60 -keyint_min 60 -sc_threshold 0 \
        -c:a aac -b:a 128k -ac 2 -fpre <(printf 'rtmp_playpath=%s\n' "$key") \
        -f flv "rtmp://127.0.0.1:$port/live"
}
