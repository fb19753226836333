"""FRED, the figures of the Federal Reserve Bank of St. Louis, with their vintages; no I/O of its own.

sources.RELEASES                         the adapter, made of first, judge and read:
  releases                               what a day published, as figures and documents
asking.request                           what every request has in common
observations.read_observations, as_known figures as they were known on a day
catalog.read_series, read_releases, read_release_dates, read_vintage_dates
"""
