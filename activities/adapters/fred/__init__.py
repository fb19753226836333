"""FRED, the figures of the Federal Reserve Bank of St. Louis, with their vintages; no I/O of its own.

config.FredConfig                        series, key reference
releases.first_request, read             what a day published, as documents
observations.read_observations, as_known figures as they were known on a day
catalog.read_series, read_releases, read_release_dates, read_vintage_dates
"""
