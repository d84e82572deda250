"""Which proxy the environment asks for, by the rules of Go's ``httpproxy``: kubectl and this program then agree."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit


def environment_proxy(server: str, environ: Mapping[str, str]) -> str:
    """The URL of the proxy for ``server`` from HTTPS_PROXY or HTTP_PROXY and NO_PROXY; empty for a direct connection.

    Loopback addresses and ``localhost`` never go through a proxy.
    """
    url = urlsplit(server)
    name = f"{url.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    host = (url.hostname or "").lower()
    port = url.port or (443 if url.scheme == "https" else 80)
    if not proxy or _is_loopback(host):
        return ""
    excluded = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    if any(_excludes(rule.strip().lower(), host, port) for rule in excluded.split(",")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _excludes(rule: str, host: str, port: int) -> bool:
    """One entry of NO_PROXY: ``*``, a network, or a host or domain (also its subdomains), perhaps with a port."""
    if not rule:
        return False
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return ip_address(host) in ip_network(rule, strict=False)
        except ValueError:
            return False
    name, colon, rule_port = rule.rpartition(":")
    if colon and rule_port.isdigit() and ":" not in name:
        if int(rule_port) != port:
            return False
        rule = name
    if rule.startswith("*."):
        rule = rule[1:]
    return host.endswith(rule) if rule.startswith(".") else host == rule or host.endswith(f".{rule}")
