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

"""Places where a test can kill the service, by name.

``HPCDIRECT_FAILPOINT=boot-begun`` in the environment makes the process kill
itself, as hard as kill -9 does, when it first comes by that name. With
``HPCDIRECT_FAILPOINT_ONCE=FILE`` it happens only while the file is not there,
which it makes first, so that the restarted service goes on.
"""

from __future__ import annotations

import os
import pathlib
import signal


def failpoint(name: str) -> None:
    """Die here when the environment says so; cheap otherwise."""
    if os.environ.get('HPCDIRECT_FAILPOINT') != name:
        return
    once = os.environ.get('HPCDIRECT_FAILPOINT_ONCE')
    if once:
        mark = pathlib.Path(once)
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
