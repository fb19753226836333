"""Which IP addresses a fetch may connect to.

The tables are written out, because what the standard library calls global differs between Python versions.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_NEVER_4 = {
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("100.100.100.200/32"): "metadata",
    IPv4Network("168.63.129.16/32"): "metadata",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("192.0.0.192/32"): "metadata",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}
_NEVER_6 = {
    IPv6Network("::/128"): "unspecified",
    IPv6Network("fd00:ec2::254/128"): "metadata",
    IPv6Network("fd20:ce::254/128"): "metadata",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("ff00::/8"): "multicast",
}
_NOT_PUBLIC_4 = _NEVER_4 | {
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "reserved",
    IPv4Network("192.0.2.0/24"): "documentation",
    IPv4Network("192.88.99.0/24"): "reserved",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("198.18.0.0/15"): "benchmarking",
    IPv4Network("198.51.100.0/24"): "documentation",
    IPv4Network("203.0.113.0/24"): "documentation",
}
_NOT_PUBLIC_6 = _NEVER_6 | {
    IPv6Network("::1/128"): "loopback",
    IPv6Network("2001::/23"): "reserved",
    IPv6Network("2001:db8::/32"): "documentation",
    IPv6Network("3fff::/20"): "documentation",
    IPv6Network("fc00::/7"): "unique-local",
    IPv6Network("fec0::/10"): "site-local",
}
_PUBLIC_6 = IPv6Network("2000::/3")
_EMBEDDED_AT_END = (
    IPv6Network("::ffff:0:0/96"),  # IPv4-mapped
    IPv6Network("::ffff:0:0:0/96"),  # IPv4-translated
    IPv6Network("::/96"),  # IPv4-compatible
    IPv6Network("64:ff9b::/96"),  # NAT64
)
_MAPPED, _NAT64 = _EMBEDDED_AT_END[0], _EMBEDDED_AT_END[3]
_SIX_TO_FOUR = IPv6Network("2002::/16")
_ISATAP = (0x00005EFE, 0x02005EFE)


def refusal(address: str, *, own_server: bool = False) -> str:
    """Say what kind of address it is when it is none to connect to; empty when it is.

    Args:
        address: as a resolver or a URL spells it; a zone id is a refusal by itself.
        own_server: the operator named the server: loopback and private addresses are wanted then. Unspecified,
            link-local, multicast and metadata addresses never are.
    """
    if "%" in address:
        return "zone id"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(parsed, IPv4Address):
        return _kind_4(parsed, own_server)
    return _kind_6(parsed, own_server)


def _kind_4(address: IPv4Address, own_server: bool) -> str:
    table = _NEVER_4 if own_server else _NOT_PUBLIC_4
    return next((kind for network, kind in table.items() if address in network), "")


def _kind_6(address: IPv6Address, own_server: bool) -> str:
    table = _NEVER_6 if own_server else _NOT_PUBLIC_6
    for network, kind in table.items():
        if address in network:
            return kind
    if own_server and address == IPv6Address("::1"):
        return ""
    embedded = _embedded(address)
    if embedded is not None and (kind := _kind_4(embedded, own_server)):
        return kind
    if own_server or address in _PUBLIC_6 or address in _MAPPED or address in _NAT64:
        return ""
    return "reserved"


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that traffic to this one ends at, as some translators and tunnels have it."""
    number = int(address)
    if any(address in network for network in _EMBEDDED_AT_END) or (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((number >> 80) & 0xFFFFFFFF)
    return None
