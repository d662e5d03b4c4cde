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

from hpcdirect.api.services import Services
from hpcdirect.backends.base import Capacity
from hpcdirect.exception import BackendError
from hpcdirect.exception import NotFound
from hpcdirect.exception import Unavailable


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
