"""No address of the service's own network is fetched from, in whatever form it is written."""

from __future__ import annotations

import ipaddress

import pytest
from imgcls_serve.http.public_addresses import is_public

CLOSED = {
    "IPv4": [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "168.63.129.16",  # noqa: S104
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
        "239.255.255.255", "240.0.0.1", "255.255.255.255",
    ],
    "IPv6": [
        "::", "::1", "100::1", "100:0:0:1::1", "1fff::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
        "3fff::1", "4000::1", "5f00::1", "64:ff9b:1::1", "64:ff9b:1::808:808", "fc00::1", "fd00:ec2::254",
        "fd20:ce::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
    ],
    "IPv4 in IPv6": [
        "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:192.0.0.192",
        "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "2002:a9fe:a9fe::1", "2001::", "2001:0:7f00:1::f7f7:f7f7", "2001:0:808:808::80ff:fffe",
        "2606:4700::5efe:127.0.0.1", "2606:4700::200:5efe:10.0.0.1", "2606:4700::300:5efe:10.0.0.1",
        "::5efe:127.0.0.1", "fe80::5efe:8.8.8.8",
    ],
}  # fmt: skip
OPEN = [
    "1.1.1.1", "8.8.8.8", "151.101.1.69", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255",
    "2606:4700::6810:84e5", "2a00:1450:4001:800::200e", "2001:200::1", "2001:4860:4860::8888", "2620:fe::fe",
    "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1", "2606:4700::5efe:8.8.8.8", "2001:0:808:808::f7f7:f7f7",
]  # fmt: skip


@pytest.mark.parametrize("address", [address for form in CLOSED.values() for address in form])
def test_an_address_that_leads_inside_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_whatever_is_mapped_is_judged_as_what_it_maps() -> None:
    for address in [*CLOSED["IPv4"], *(address for address in OPEN if "." in address and ":" not in address)]:
        plain = ipaddress.IPv4Address(address)
        for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
            assert is_public(ipaddress.IPv6Address(form)) == is_public(plain), form
