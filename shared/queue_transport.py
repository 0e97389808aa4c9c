"""kombu's transport for Redis, with one client for each of its pools.

kombu makes a client for whatever it sends, and to make one takes redis-py (8.1) as long as to send: a worker does so
five times for each message.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """Keeps its client as long as the pool that it was made for."""

    _made: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        make: Any = super()._create_client
        if asynchronous:  # kombu keeps these itself, as long as it reads from them
            return make(asynchronous)
        if self._made is None or self._made.connection_pool is not self.pool:
            self._made = make()
        return self._made


class Transport(redis.Transport):
    """For kombu's TRANSPORT_ALIASES."""

    Channel = Channel
