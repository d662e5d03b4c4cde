# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      https://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Answers of the cloud that are good for many clusters, for a moment."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Mapping
import logging
import threading
import time
from typing import Any
from typing import TypeVar

from hpcdirect.backends.base import NodeType
from hpcdirect.backends.base import Quota
from hpcdirect.backends.heat import look
from hpcdirect.backends.heat import template
from hpcdirect.backends.heat.cloud import Cloud
from hpcdirect.backends.heat.metal import Ailment
from hpcdirect.backends.heat.metal import Metal
from hpcdirect.backends.heat.stacks import Stack
from hpcdirect.exception import BackendError
from hpcdirect.exception import Unavailable

LOG = logging.getLogger(__name__)

_T = TypeVar('_T')
#: Seconds for which a list of servers or of hardware is good enough.
_GOOD = 3.0
#: Answers that are kept.
_MOST = 10000


class Shared:
    """What has been heard, and is not asked for by each cluster anew.

    What failed is not kept. Two that ask at the same time may both ask the
    cloud: nobody waits for another.

    :param metal: makes Ironic's client.
    """

    def __init__(self, metal: Callable[[], Metal]) -> None:
        self._metal = metal
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Any]] = {}

    def _get(self, key: Hashable, ask: Callable[[], _T],
             seconds: float = _GOOD) -> _T:
        """An answer no older than so many seconds."""
        now = time.monotonic()
        with self._lock:
            at, answer = self._kept.get(key, (float('-inf'), None))
        if now - at < seconds:
            found: _T = answer
            return found
        found = ask()
        with self._lock:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            # As old as the question: what came later may not be in it.
            self._kept[key] = now, found
        return found

    # -- Nova -------------------------------------------------------------

    def servers(self, cloud: Cloud, cluster_id: str, stack: Stack | None
                ) -> list[look.Server]:
        """A cluster's servers.

        Nova can only list those of the whole project. For clusters that rest
        one list serves many; where anything differs from what is wanted it
        has to be newer than what Heat said of the stack.
        """
        def of_cluster(seconds: float) -> list[look.Server]:
            every = self._get(('servers', cloud.project_id), cloud.servers,
                              seconds)
            return [one for one in every if one.metadata[
                'hpcdirect_cluster'] == cluster_id]

        if stack is not None and stack.stack_status.endswith('COMPLETE'):
            found = of_cluster(_GOOD)
            wanted = template.read_memo(stack.parameters).slots
            if look.all_up(found, wanted):
                return found
        return of_cluster(0.0)

    def quotas(self, cloud: Cloud) -> list[Quota]:
        """What a project may have, and has."""
        return self._get(('quotas', cloud.project_id), cloud.quotas)

    # -- Heat -------------------------------------------------------------

    def entry(self, key: tuple[str, ...],
              ask: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """The addresses by which machines of a group are come in by.

        They are asked for once for each set of machines.

        :param key: stack and machines.
        """
        found = self._get(('entry', *key), ask, float('inf'))
        if not found:
            with self._lock:
                self._kept.pop(('entry', *key), None)
        return found

    # -- Ironic -----------------------------------------------------------

    def types(self) -> tuple[NodeType, ...]:
        """Resource classes, and how many nodes of each are free."""
        return self._get('types', lambda: self._metal().types())

    def ailments(self) -> dict[str, Ailment]:
        """Server -> what ails the node under it."""
        none: dict[str, Ailment] = {}
        return self._get('ailments', lambda: self.of_metal(
            lambda metal: metal.ailments(), none))

    def soon(self, servers: Iterable[look.Server]) -> Mapping[str, bool]:
        """What becomes free, if there is a server that waits for it."""
        nothing: Mapping[str, bool] = {}
        if not any(map(look.lacks_host, servers)):
            return nothing
        return self._get('soon', lambda: self.of_metal(
            lambda metal: metal.soon(), nothing))

    def last_error(self, server: str) -> Ailment | None:
        """Why the node under a server failed, as far as it can be seen."""
        return self.of_metal(lambda metal: metal.last_error(server), None)

    def of_metal(self, ask: Callable[[Metal], _T], otherwise: _T) -> _T:
        """What Ironic says; a cloud that hides Ironic is no reason to fail."""
        try:
            return ask(self._metal())
        except (BackendError, Unavailable) as exc:
            LOG.debug('Ironic is not to be seen: %s', exc)
            return otherwise
