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

"""What is in a cloud of clusters that are no more."""

from __future__ import annotations

import logging

from hpcdirect.backends.base import Backend
from hpcdirect.backends.base import Leftover
from hpcdirect.db import clusters
from hpcdirect.db.session import Database
from hpcdirect.exception import BackendError

LOG = logging.getLogger(__name__)


def found(database: Database, backend: Backend
          ) -> list[tuple[Leftover, bool]]:
    """What a backend's cloud still has of clusters that are no more.

    The cloud is asked first: a cluster made meanwhile is alive, then.

    :returns: each with whether its cluster is known to have been deleted.
    :raises BackendError: the cloud does not answer.
    """
    left = list(backend.leftovers())
    with database.read() as session:
        idents = {one.cluster_id for one in left}
        alive = clusters.alive(session, idents)
        gone = clusters.gone(session, idents)
    return [(one, one.cluster_id in gone) for one in left
            if one.cluster_id not in alive]


def found_or_why(database: Database, backend: Backend
                 ) -> tuple[list[tuple[Leftover, bool]], str]:
    """The same, and why a backend cannot tell; '' when it can."""
    try:
        return found(database, backend), ''
    except BackendError as exc:
        return [], str(exc)
    except Exception:
        LOG.exception('Backend %s failed to tell leftovers', backend.name)
        return [], (f'{backend.name}: it failed in a way that only the '
                    'service\'s log tells.')
