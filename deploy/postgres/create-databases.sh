#!/bin/sh
# Runs once, when the data directory is new: two roles that are no superusers, each owning its own databases.
# The application's may make databases: a drill restores a backup into one of its own, and drops it.
# psql reads the passwords from the secret files itself, so that they stand on no command line.
set -eu

psql -v ON_ERROR_STOP=1 --username postgres --dbname postgres --no-psqlrc --quiet <<'SQL'
\set app_password `cat /run/secrets/db_password`
\set temporal_password `cat /run/secrets/temporal_db_password`
CREATE ROLE stonks LOGIN CREATEDB PASSWORD :'app_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE stonks OWNER stonks;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE stonks, temporal, temporal_visibility FROM PUBLIC;
SQL
