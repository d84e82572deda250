"""Measurements of requests, under the names of Go's client: off unless asked for, since they have many series."""

from prometheus_client import CollectorRegistry, Counter, Histogram

SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
BYTES = (64, 256, 512, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216)


class RestMetrics:
    """``client.details = RestMetrics(manager.metrics.registry)``.

    ``rest_client_request_duration_seconds``, ``rest_client_request_size_bytes`` and ``rest_client_response_size_bytes``
    by verb (the HTTP method) and host, and ``rest_client_request_retries_total`` by code, too. Durations are of one
    exchange; of a watch, until it begins. Not here, since there is nothing of the kind: ``rest_client_rate_limiter_*``.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("verb", "host")
        self._seconds = Histogram(
            "rest_client_request_duration_seconds", "Length of a request.", labels, buckets=SECONDS, registry=registry
        )
        self._sent = Histogram(
            "rest_client_request_size_bytes", "Size of a request.", labels, buckets=BYTES, registry=registry
        )
        self._received = Histogram(
            "rest_client_response_size_bytes", "Size of an answer.", labels, buckets=BYTES, registry=registry
        )
        self._retries = Counter(
            "rest_client_request_retries", "Requests sent again.", ("code", *labels), registry=registry
        )

    def observe(self, verb: str, host: str, seconds: float, sizes: tuple[int, int] | None) -> None:
        self._seconds.labels(verb, host).observe(seconds)
        if sizes is not None:
            self._sent.labels(verb, host).observe(sizes[0])
            self._received.labels(verb, host).observe(sizes[1])

    def count_retry(self, code: str, verb: str, host: str) -> None:
        self._retries.labels(code, verb, host).inc()
