"""The HTTP proxy of the environment. httplib2 supports proxies only with PySocks, and without it ignores or breaks them."""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment


class UnusableProxy(ValueError):
    """The environment names a proxy that can't be used; the message says which variable and why, without its password."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `authorization` is the value of the Proxy-Authorization header, or empty."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the proxy needs."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an http:// or https:// URL from http_proxy, https_proxy, all_proxy and no_proxy, or None.

    The names may be in upper case; lower case wins. Loopback addresses are never proxied. Raises UnusableProxy.
    """
    target = urlsplit(url)
    host, proxies = target.hostname or "", getproxies_environment()
    name = target.scheme if proxies.get(target.scheme) else "all"
    value = proxies.get(name, "").strip()
    excluded = proxies.get("no", "").lower().replace(",", " ").split()
    if not value or _is_loopback(host) or _is_excluded(target, excluded):
        return None
    return _parse(f"{name}_proxy", value)


def _parse(variable: str, value: str) -> Proxy:
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = url.hostname, url.port
    except ValueError:
        url, host, port = SplitResult("http", "", "", "", ""), None, None
    if url.scheme != "http":
        kind = f"of the kind {url.scheme[:20]}://" if url.scheme.isalnum() else "of an unknown kind"
        raise UnusableProxy(f"{variable}: a proxy {kind} can't be used. Use http://host:port, or unset it.")
    if not host or port == 0 or not host.isprintable() or " " in host:
        raise UnusableProxy(f"{variable}: must be the address of a proxy, http://host:port, or unset.")
    login = ""
    if url.username is not None:
        user = f"{unquote(url.username)}:{unquote(url.password or '')}"
        login = "Basic " + b64encode(user.encode()).decode()
    return Proxy(host, port or 80, login)


def _is_loopback(host: str) -> bool:
    name = host.lower().rstrip(".")
    address = _address(name)
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)


def _is_excluded(target: SplitResult, entries: list[str]) -> bool:
    """Whether no_proxy has the host: its name, a domain, host:port, an address, a network such as 10.0.0.0/8, or *.

    Commas or spaces are between the entries.
    """
    host = (target.hostname or "").rstrip(".")
    port = target.port or (443 if target.scheme == "https" else 80)
    address = _address(host)
    for entry in entries:
        domain = entry.removeprefix("*").lstrip(".").removesuffix(f":{port}").rstrip(".")
        if entry == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
            return True
        if address is not None and _contains(entry.removesuffix(f"]:{port}"), address):
            return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _contains(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False
