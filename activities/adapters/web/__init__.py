"""GET requests to the outside: the one adapter that does I/O, for all live sources.

guard.UrlGuard        which addresses may be asked at all
fetch.WebFetcher      `domain.fetching.HttpRequest` -> `HttpAnswer`

fetch -> credentials, bodies, transport -> guard -> addresses
"""
