"""How the DNS checker asks: limits, and the overrides by which tests and the demo use loopback servers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

ROOTS = (
    "198.41.0.4 2001:503:ba3e::2:30",
    "170.247.170.2 2801:1b8:10::b",
    "192.33.4.12 2001:500:2::c",
    "199.7.91.13 2001:500:2d::d",
    "192.203.230.10 2001:500:a8::e",
    "192.5.5.241 2001:500:2f::f",
    "192.112.36.4 2001:500:12::d0d",
    "198.97.190.53 2001:500:1::53",
    "192.36.148.17 2001:7fe::53",
    "192.58.128.30 2001:503:c27::2:30",
    "193.0.14.129 2001:7fd::1",
    "199.7.83.42 2001:500:9f::42",
    "202.12.27.33 2001:dc3::35",
)
"""Addresses of the root servers a to m (IANA named.root)."""

ROOT_ANCHORS = (
    "20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    "38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
)
"""DS records of the root's keys (IANA root-anchors.xml)."""


class DnsSettings(BaseModel):
    """Settings of a `Checker`.

    Attributes:
        roots: Addresses at which every walk starts.
        anchors: DS records of the root zone's keys; empty where the roots are not the world's.
        port: The port of every authoritative server.
        allow_private: Also ask loopback and private addresses: never in production, where it would make
            the checker a scanner of our own network (provisioning.md e.4.2).
        perspectives: Addresses of validating resolvers in other networks, `address` or `address:port`
            (`[address]:port` for IPv6); may be empty.
        dnssec: Validate signatures.
        udp_timeout: Seconds for one datagram; there are two tries.
        tcp_timeout: Seconds for an exchange over TCP.
        name_timeout: Seconds for everything about one name and type.
        queries_per_second: To one name server; not applied to private addresses.
        check_timeout: Seconds for a whole check, after which what is left to ask counts as unanswered.
        delegation_cache: Seconds for which a delegation is remembered; absence never is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roots: tuple[str, ...] = tuple(address for pair in ROOTS for address in pair.split())
    anchors: tuple[str, ...] = ROOT_ANCHORS
    port: int = Field(default=53, ge=1, le=65_535)
    allow_private: bool = False
    perspectives: tuple[str, ...] = ()
    dnssec: bool = True
    udp_timeout: float = Field(default=2.0, gt=0)
    tcp_timeout: float = Field(default=4.0, gt=0)
    name_timeout: float = Field(default=20.0, gt=0)
    queries_per_second: float = Field(default=5.0, gt=0)
    check_timeout: float = Field(default=50.0, gt=0, le=50)
    delegation_cache: float = Field(default=300.0, ge=0, le=300)
