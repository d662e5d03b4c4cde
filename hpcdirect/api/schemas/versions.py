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

"""The schemas of discovery."""

from __future__ import annotations

from typing import Any

from hpcdirect.api import request
from hpcdirect.api.schemas import common

_VERSION = common.closed({
    'id': common.text('The version, with the major number.'),
    'status': common.text('CURRENT, SUPPORTED, DEPRECATED.'),
    'version': common.text('Highest version that is spoken.'),
    'min_version': common.text('Lowest version that is spoken.'),
    'links': common.LINKS,
})

ALL = common.closed({'versions': common.items(_VERSION, 'What is served.')})
ONE = common.closed({
    'version': {**_VERSION, 'description': 'What is served.'}})
HEALTH = common.closed({'status': common.text('ok.')})
DOCUMENT = common.anything('An OpenAPI 3.1 document.')


def view(base: str) -> dict[str, Any]:
    """The one version there is.

    :param base: URL of the service.
    """
    return {'id': 'v1.0', 'status': 'CURRENT',
            'version': request.VERSIONS[-1],
            'min_version': request.VERSIONS[0],
            'links': [{'rel': 'self', 'href': f'{base}/v1'}]}
