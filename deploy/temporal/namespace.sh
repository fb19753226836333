#!/bin/sh
# Create the namespace, or leave the one that exists as it is. Ids of closed workflows guard against doing things twice
# only while they are retained, hence the long retention.
set -eu

temporal operator cluster health
if temporal operator namespace describe --namespace "$STONKS_TEMPORAL_NAMESPACE" > /dev/null 2>&1; then
    echo "namespace $STONKS_TEMPORAL_NAMESPACE exists"
else
    temporal operator namespace create --namespace "$STONKS_TEMPORAL_NAMESPACE" --retention "$STONKS_TEMPORAL_RETENTION"
fi
