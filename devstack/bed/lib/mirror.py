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

"""The bed's package mirror: it listens inside and fetches outside.

    mirror.py ADDRESS PORT

A service of the bed, run by hpcdirect's Python in the bed's namespaces. It is
the local backend's own mirror; only what it fetches, it fetches as the host
does, so that neither machines nor services of the bed have another way out.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import sys

from hpcdirect.backends.local import mirror

_CLONE_NEWNET = 0x40000000
_CACHE = pathlib.Path('/var/cache/hpcdirect')


class _Outside(mirror.Mirror):
    """A mirror whose threads leave the bed's network before they fetch."""

    def __init__(self, cache: pathlib.Path) -> None:
        super().__init__(cache)
        self._host = os.open('/run/netns/outside', os.O_RDONLY)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def fetch(self, url: str) -> pathlib.Path | None:
        """Only the thread that serves this one request is moved."""
        if self._libc.setns(self._host, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')
        return super().fetch(url)


if __name__ == '__main__':
    _Outside(_CACHE).serve(sys.argv[1], int(sys.argv[2]))
    signal.pause()
