"""What an operations team watches, in the format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlpkit.serving.batcher import Seen

# seconds; of requests to small models on a CPU most fall between 1 and 100 ms
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
NO_MODEL = "-"  # the label of what is about none


class Metrics:
    """The figures of one service, in a registry of its own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
        from prometheus_client.platform_collector import PlatformCollector
        from prometheus_client.process_collector import ProcessCollector

        disable_created_metrics()
        self.registry = CollectorRegistry()
        self.content_type, self._written = CONTENT_TYPE_LATEST, generate_latest
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        own: Any = {"registry": self.registry}
        self.requests = Counter("nlpkit_requests", "Requests answered or refused.", ["model", "route", "status"], **own)
        self.errors = Counter("nlpkit_errors", "Requests that were not answered, by why.", ["model", "type"], **own)
        self.refused = Counter("nlpkit_refused", "Requests refused before any work.", ["reason"], **own)
        self.seconds = Histogram(
            "nlpkit_request_seconds", "From the first byte to the answer.", ["model", "route"], buckets=SECONDS, **own
        )
        self.queued = Histogram(
            "nlpkit_queue_seconds", "An input waited for the model.", ["model"], buckets=SECONDS, **own
        )
        self.rows = Histogram("nlpkit_batch_rows", "Rows that were computed together.", ["model"], buckets=ROWS, **own)
        self.tokens_together = Histogram(
            "nlpkit_batch_tokens", "Tokens that were computed together.", ["model"], buckets=TOKENS, **own
        )
        self.tokens = Counter("nlpkit_tokens", "Tokens that a model has read.", ["model"], **own)
        self.waiting = Gauge("nlpkit_waiting_seconds", "Seconds of work that wait now.", ["model"], **own)
        self.ready = Gauge("nlpkit_ready", "1: ready for requests.", **own)

    def of_model(self, name: str, waiting: Callable[[], float]) -> Callable[[Seen], None]:
        """What is told of each batch of a model.

        Args:
            waiting: gives the seconds of work that wait.
        """
        queued, rows = self.queued.labels(name), self.rows.labels(name)
        together, tokens = self.tokens_together.labels(name), self.tokens.labels(name)
        self.waiting.labels(name).set_function(waiting)

        def see(seen: Seen) -> None:
            rows.observe(seen.rows)
            if seen.tokens:  # nobody counts those of a search
                together.observe(seen.tokens)
                tokens.inc(seen.tokens)
            for seconds in seen.waited:
                queued.observe(seconds)

        return see

    def text(self) -> bytes:
        """All figures."""
        return bytes(self._written(self.registry))
