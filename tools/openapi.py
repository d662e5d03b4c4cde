#!/usr/bin/env python3
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

"""Writes the OpenAPI document of the API, or checks that it is in step.

    tools/openapi.py [--check] api-ref/openapi.json
"""

import json
import pathlib
import sys
from unittest import mock

from hpcdirect.api import openapi
from hpcdirect.api.controllers import root


def document() -> str:
    """The document as text; no service has to run for it."""
    # Methods are only looked at, so what they would use may be anything.
    services = mock.MagicMock()
    services.conf.api.max_waiting = 1
    walked = root.Root(services).walk()
    return json.dumps(openapi.document(walked, 'hpc-cluster'), indent=1,
                      sort_keys=True) + '\n'


def main() -> int:
    """Write it, or say that it is out of step."""
    path = pathlib.Path(sys.argv[-1])
    if '--check' in sys.argv:
        if path.read_text() == document():
            return 0
        print(f'{path} is out of step; run tools/openapi.py {path}',
              file=sys.stderr)
        return 1
    path.write_text(document())
    return 0


if __name__ == '__main__':
    sys.exit(main())
