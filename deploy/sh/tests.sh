# The whole test run, as CI calls it. Sourced.

run_tests() { # [faults] [PYTEST ARGUMENT…]
    need_own_state
    # shellcheck disable=SC2086  # lists of words
    install_packages $RUNTIME $FOR_TESTS
    make_venv
    install_requirements requirements.txt
    install_requirements requirements-test.txt
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
    step "Migrations"
    "$python" manage.py makemigrations --check --dry-run
    step "Audit"
    choose_npm
    "$python" -m tests.audit
    step "pytest"
    "$python" -m pytest
}
