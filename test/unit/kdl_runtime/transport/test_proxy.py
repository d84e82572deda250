"""Proxies from the environment, as Go reads it."""

import pytest

from kdl_runtime.transport.proxy import environment_proxy

PROXY = {"HTTPS_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("server", "environ", "proxy"),
    [
        ("https://k.example:6443", {}, ""),
        ("https://k.example:6443", PROXY, "http://proxy:3128"),
        ("https://k.example:6443", {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("http://k.example", PROXY, ""),
        ("http://k.example", {"HTTP_PROXY": "http://p"}, "http://p"),
        ("https://localhost:6443", PROXY, ""),
        ("https://127.0.0.1:6443", PROXY, ""),
        ("https://[::1]:6443", PROXY, ""),
        ("https://k.example", PROXY | {"NO_PROXY": "*"}, ""),
        ("https://k.example", PROXY | {"NO_PROXY": "k.example"}, ""),
        ("https://k.example", PROXY | {"no_proxy": "x, example"}, ""),
        ("https://k.example", PROXY | {"NO_PROXY": ".example"}, ""),
        ("https://k.example", PROXY | {"NO_PROXY": "*.example"}, ""),
        ("https://example", PROXY | {"NO_PROXY": ".example"}, "http://proxy:3128"),
        ("https://myexample", PROXY | {"NO_PROXY": "example"}, "http://proxy:3128"),
        ("https://K.EXAMPLE", PROXY | {"NO_PROXY": "k.Example"}, ""),
        ("https://k.example:6443", PROXY | {"NO_PROXY": "k.example:6443"}, ""),
        ("https://k.example", PROXY | {"NO_PROXY": "k.example:443"}, ""),
        ("https://k.example", PROXY | {"NO_PROXY": "k.example:6443"}, "http://proxy:3128"),
        ("https://10.1.2.3", PROXY | {"NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://11.1.2.3", PROXY | {"NO_PROXY": "10.0.0.0/8,,bad/x"}, "http://proxy:3128"),
        ("https://k.example", PROXY | {"NO_PROXY": "10.0.0.0/8"}, "http://proxy:3128"),
        ("https://10.1.2.3", PROXY | {"NO_PROXY": "10.1.2.3"}, ""),
    ],
)
def test_proxies(server: str, environ: dict[str, str], proxy: str) -> None:
    assert environment_proxy(server, environ) == proxy
