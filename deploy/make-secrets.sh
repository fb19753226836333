#!/bin/sh
# Write one random secret a file into deploy/secrets (or the directory named as the argument). Existing files are kept,
# so it may run again after an upgrade that adds a secret.
#
# Why files of mode 0644 in a directory of mode 0700: compose mounts a secret with the host file's owner and mode and
# ignores the uid and mode asked for, so a 0600 file cannot be read by the numeric users the containers run as. On the
# host the directory keeps everybody else out; in a container only the services that name a secret see its file.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dir=${1:-$here/secrets}

umask 022
mkdir -p -- "$dir"
chmod 0700 -- "$dir"

random_hex() { # <bytes>
    od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

put() { # <name> <value>: written beside and moved, so that a broken run leaves no half of a secret
    if [ -e "$dir/$1" ]; then
        echo "kept     $1"
        return
    fi
    printf '%s' "$2" > "$dir/.$1.new"
    chmod 0644 -- "$dir/.$1.new"
    mv -- "$dir/.$1.new" "$dir/$1"
    echo "created  $1"
}

put postgres_password "$(random_hex 24)"
put db_password "$(random_hex 24)"
put temporal_db_password "$(random_hex 24)"
put s3_access_key "$(random_hex 10)"
put s3_secret_key "$(random_hex 24)"
put api_key "$(random_hex 32)"
# Of the client at the provider of sign-in, in place of this one: only read where STONKS_OIDC_ISSUER is set.
put oidc_client_secret "$(random_hex 32)"
# Of the other place for backups, in place of these: only read where STONKS_BACKUP_S3_ENDPOINT is set.
put backup_s3_access_key "$(random_hex 10)"
put backup_s3_secret_key "$(random_hex 24)"
# For the paper broker. For Alpaca, put the account's own key id and secret into these two files instead.
put broker_key_id "PK$(random_hex 9 | tr 'a-f' 'A-F')"
put broker_secret_key "$(random_hex 20)"
put broker_control_key "$(random_hex 24)"

# Keys of news and market data vendors: one file each, named as sources name it, for example vendors/polygon_api_key.
mkdir -p -- "$dir/vendors"
chmod 0755 -- "$dir/vendors"
# What notifications need: smtp_password, sns_access_key, sns_secret_key, and a file for each secret of a webhook.
mkdir -p -- "$dir/notify"
chmod 0755 -- "$dir/notify"

# The bundled object store reads its one identity from this file; it must agree with the two keys above.
if [ ! -e "$dir/s3_identities.json" ]; then
    put s3_identities.json "$(sed \
        -e "s/@ACCESS_KEY@/$(cat "$dir/s3_access_key")/" \
        -e "s/@SECRET_KEY@/$(cat "$dir/s3_secret_key")/" \
        "$here/object-store/s3_identities.json.in")"
else
    echo "kept     s3_identities.json"
fi
