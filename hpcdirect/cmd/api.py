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

"""hpcdirect-api: the API with a server in the same process."""

from __future__ import annotations

import sys

from hpcdirect.api import app
from hpcdirect.api import server
from hpcdirect.cmd import parts
from hpcdirect.exception import HPCDirectError


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    conf = parts.configure(sys.argv[1:])
    until_told = parts.until_told()
    try:
        parts.check_exposed(conf, conf.api.host)
        assembly = parts.Assembly(conf)
        services = assembly.services()
    except HPCDirectError as exc:
        print(f'hpcdirect-api: {exc}', file=sys.stderr)
        return 1
    listening = server.serve(app.make_app(services), conf)
    heartbeat = assembly.appear('hpcdirect-api')
    until_told()
    listening.shutdown()
    heartbeat.stop()
    return 0
