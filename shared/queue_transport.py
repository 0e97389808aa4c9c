"""kombu's transport for Redis, with one client for each of its pools, and without transactions for its notes.

kombu makes a client for whatever it sends, and to make one takes redis-py (8.1) as long as to send: a worker does so
five times for each message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu.transport import redis


class QoS(redis.QoS):
    """Notes which messages a worker has in hand by two commands, without MULTI and EXEC around them, which cost as much
    again. Both are sent at once; and should half a note be lost, the database knows of the work.
    """

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """The commands of one note."""
        if pipe:
            yield pipe
        else:
            with self.channel.conn_or_acquire(client) as acquired:
                yield acquired.pipeline(transaction=False)


class Channel(redis.Channel):
    """Keeps its client as long as the pool that it was made for."""

    QoS = QoS

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
