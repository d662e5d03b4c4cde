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

"""Which version of the API a request speaks.

History:

1.0
    The first one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import microversion_parse

from hpcdirect.api.errors import ProtocolError

VERSIONS = ['1.0']
HEADER = 'OpenStack-API-Version'


def extract(environ: Mapping[str, Any], service_type: str) -> str:
    """The version asked for; the lowest when none is.

    :raises ProtocolError: 406, with the versions there are.
    """
    try:
        return str(microversion_parse.extract_version(
            dict(environ), service_type, VERSIONS))
    except (ValueError, TypeError) as exc:
        raise ProtocolError(
            406, f'Versions {VERSIONS[0]} to {VERSIONS[-1]} are spoken here; '
            f'ask for one of them, or for "latest", in {HEADER}.',
            extra={'min_version': VERSIONS[0],
                   'max_version': VERSIONS[-1]}) from exc


def headers(version: str, service_type: str) -> dict[str, str]:
    """What every response says about it."""
    return {HEADER: f'{service_type} {version}', 'Vary': HEADER}
