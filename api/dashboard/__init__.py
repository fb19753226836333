"""The dashboard: pages rendered on the server, and nothing but a client of `/v1`."""
