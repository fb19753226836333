#!/bin/sh
# Bring Temporal's two databases to the schema of this image's version. Safe to repeat: a schema that is already there
# is only brought forward. The databases themselves exist (deploy/postgres/create-databases.sh, or yours).
set -eu

SQL_PASSWORD=$(cat "$TEMPORAL_DB_PASSWORD_FILE")
export SQL_PASSWORD

sql_tool() { # <database> <command...>
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep "$TEMPORAL_DB_HOST" -p "$TEMPORAL_DB_PORT" -u "$TEMPORAL_DB_USER" \
        --db "$database" "$@"
}

bring_forward() { # <database> <schema>
    sql_tool "$1" setup-schema -v 0.0
    sql_tool "$1" update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}

bring_forward temporal temporal
bring_forward temporal_visibility visibility
