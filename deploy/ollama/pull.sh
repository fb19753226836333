#!/bin/sh
# Fetch the model into the shared volume with a server that listens on this container's loopback only.
set -eu

ollama serve &
server=$!
trap 'kill "$server" 2> /dev/null || true; wait "$server" 2> /dev/null || true' EXIT

tries=0
until ollama list > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 60 ]; then
        echo "the model server did not start within 60 seconds" >&2
        exit 1
    fi
    sleep 1
done
ollama pull "$STONKS_OLLAMA_MODEL"
