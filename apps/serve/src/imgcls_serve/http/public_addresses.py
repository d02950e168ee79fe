"""Which addresses are on the open internet, and which would lead into the network around the service.

The list is ours, because Python's `is_global` says different things from one patch release to the next. Source: IANA's
special-purpose address registries for IPv4 and IPv6 as updated on 2025-10-09, and the multicast registries. What an
IPv6 address embeds is judged too, because a router, a tunnel or the kernel may unwrap it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_CLOSED_IPV4: Final = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared behind carriers' NAT; Alibaba's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata service, whose address is a public one
        "169.254.0.0/16",  # link-local; most clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks between devices
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

# Everything that has been given out is below this one: neither loopback, private (fc00::/7), link-local (fe80::/10),
# site-local (fec0::/10), multicast (ff00::/8), segment routing (5f00::/16), discard (100::/64), IPv4-compatible (::/96)
# or IPv4-translated (::ffff:0:0:0/96), nor local NAT64 (64:ff9b:1::/48) is.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_CLOSED_IPV6: Final = tuple(
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: benchmarks, ORCHID, anycast; Teredo, which is judged by what it embeds
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_6TO4: Final = ipaddress.IPv6Network("2002::/16")
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
# The lower half of an ISATAP address in any prefix: `5efe` and then IPv4; two bits above say whose the id is.
_ISATAP: Final = 0x0000_5EFE
_ISATAP_FREE_BITS: Final = 0x0300_0000


def is_public(address: IpAddress) -> bool:
    """Whether an address is on the open internet, and so is every address that it embeds."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in _CLOSED_IPV4)
    if not all(is_public(inner) for inner in _embedded(address)):
        return False
    if address in _MAPPED or address in _NAT64 or address in _TEREDO:
        return True
    return address in _UNICAST and not any(address in block for block in _CLOSED_IPV6)


def _embedded(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    value = int(address)
    if address in _MAPPED or address in _NAT64:
        yield _ipv4(value)
    if address in _6TO4:
        yield _ipv4(value >> 80)
    if address in _TEREDO:
        yield _ipv4(value >> 64)  # the server
        yield _ipv4(~value)  # the caller behind it, with every bit turned
    if (value >> 32) & 0xFFFF_FFFF & ~_ISATAP_FREE_BITS == _ISATAP:
        yield _ipv4(value)


def _ipv4(value: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(value & 0xFFFF_FFFF)
