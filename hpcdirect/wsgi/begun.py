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
"""What begins with the first request of each process.

A server may load the application before it forks, and threads do not live
through that; it tells nobody which of its processes it is.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
import os
import threading
from typing import Any

from hpcdirect.api.tokens import WSGIApp


class Begun:
    """An application; *begin* is called before its first request.

    :param begin: is told whether the server says that it has several
        processes, and must not fail.
    """

    def __init__(self, app: WSGIApp, begin: Callable[[bool], None]
                 ) -> None:
        self._app = app
        self._begin = begin
        self._lock = threading.Lock()
        self._pid = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]
                 ) -> Iterable[bytes]:
        """Answer a request."""
        if self._pid != os.getpid():
            with self._lock:
                if self._pid != os.getpid():
                    self._begin(bool(environ.get('wsgi.multiprocess')))
                    self._pid = os.getpid()
        return self._app(environ, start)
