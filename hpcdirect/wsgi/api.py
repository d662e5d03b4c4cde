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

"""``hpcdirect.wsgi.api:application``, for uwsgi, gunicorn and the like.

The configuration is read from the usual places; a WSGI server's own command
line is not one of ours.
"""

from __future__ import annotations

import atexit

from hpcdirect.api import app
from hpcdirect.cmd import parts
from hpcdirect.wsgi.begun import Begun

_conf = parts.configure(())
parts.check_exposed(_conf, None)
_assembly = parts.Assembly(_conf)


def _begin(several: bool) -> None:
    heartbeat = _assembly.appear('hpcdirect-api', several=several)
    atexit.register(heartbeat.stop)


application = Begun(app.make_app(_assembly.services()), _begin)
