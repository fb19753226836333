#!/bin/sh
# Hand the database password to Temporal's own entry point, which knows no *_FILE variables.
set -eu

POSTGRES_PWD=$(cat "$POSTGRES_PWD_FILE")
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
