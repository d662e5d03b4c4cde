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

"""The schemas and the view of backends."""

from __future__ import annotations

from typing import Any

from hpcdirect.api.schemas import common
from hpcdirect.api.schemas.capacity import Told

SHOW = common.closed({
    'name': common.text('The backend.'),
    'capacity': {
        'type': 'object',
        'description': 'Node type, and how many the project could have '
                       'now; null when there is no limit.',
        'additionalProperties': {'type': ['integer', 'null']}},
    'reason': common.text('Why the backend cannot tell, or "".'),
})

LIST = common.listed('backends', SHOW, 'Backends that are enabled.')
LIST_QUERY = common.query(SHOW, common.MARKER, ('name',))


def view(told: Told) -> dict[str, Any]:
    """One backend and what a project could have of it."""
    return {'name': told.name, 'capacity': {
        kind.name: kind.free for kind in told.capacity.node_types},
        'reason': told.reason}
