"""The lake: Iceberg tables on the object store, with their catalog in PostgreSQL.

Nothing here is imported before it is needed: pyarrow alone takes a second and a hundred megabytes.
"""
