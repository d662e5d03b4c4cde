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

"""What a project could have of a backend now."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
import logging

from hpcdirect.api.schemas.capacity import Told
from hpcdirect.api.services import Services
from hpcdirect.backends.base import Capacity
from hpcdirect.exception import BackendError
from hpcdirect.exception import Finding
from hpcdirect.exception import Invalid
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unavailable

LOG = logging.getLogger(__name__)


def asked(project_id: str | None, own: str | None) -> str:
    """The project that a request is about.

    :param project_id: as the query says.
    :param own: the caller's.
    :raises Invalid: neither says.
    """
    found = project_id or own
    if not found:
        raise Invalid([Finding(
            'it is needed with a token for the whole system',
            '$.project_id')])
    return found


def each(services: Services, project_id: str,
         names: Iterable[str] | None = None) -> Iterator[Told]:
    """Ask backends, every one unless some are named.

    One that fails does not fail the others.
    """
    for name in services.backends if names is None else names:
        try:
            yield Told(name, capacity(services, name, project_id))
        except Unavailable as exc:
            yield Told(name, Capacity(), str(exc))
        except Exception:
            LOG.exception('Backend %s failed to tell its capacity', name)
            yield Told(name, Capacity(), f'{name}: it failed in a way that '
                       'only the service\'s log tells.')


def capacity(services: Services, name: str, project_id: str) -> Capacity:
    """Ask a backend.

    :raises NotFound: it is not enabled.
    :raises Unavailable: it does not answer.
    """
    if name not in services.backends:
        raise NotFound(resource='Backend', ident=name)
    try:
        return services.backends[name].capacity(project_id)
    except BackendError as exc:
        raise Unavailable(reason=str(exc)) from exc
