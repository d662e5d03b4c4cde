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

"""The one way out of a local machine: a caching proxy for Debian packages.

Machines name the host's own package mirrors in their apt sources, as the
host does, and this as their proxy. It fetches from those mirrors and from
nowhere else, so apt's signatures hold and nobody can be reached through it.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import hashlib
import http.server
import logging
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import tempfile
import threading
from typing import BinaryIO
import urllib.error
import urllib.parse
import urllib.request

LOG = logging.getLogger(__name__)

# What an archive never changes once it is there.
_FOREVER = re.compile(r'/pool/|/by-hash/')
_ALLOWED = re.compile(r'^[A-Za-z0-9._~+:%=-]+$')


def sources() -> tuple[str, str, list[str]]:
    """The host's Debian mirror.

    :returns: release name, the mirror's address without a final slash,
        and the lines of an apt sources.list, by http.
    """
    release = 'bookworm'
    for line in pathlib.Path('/etc/os-release').read_text().splitlines():
        if line.startswith('VERSION_CODENAME='):
            release = line.partition('=')[2].strip('"')
    asked = subprocess.run(
        ['apt-get', 'indextargets', '--format', '$(SITE)|$(RELEASE)',
         'Created-By: Packages'], capture_output=True, text=True)
    found = dict.fromkeys(tuple(line.split('|')) for line in
                          asked.stdout.splitlines() if 'debian' in line)
    lines, mirror = [], 'http://deb.debian.org/debian'
    for site, suite in found:
        if suite == release:
            mirror = site.rstrip('/')
        if suite.startswith(release):
            lines.append(f'deb {_plain(site).rstrip("/")} {suite} main')
    return release, mirror, lines or [f'deb {mirror} {release} main']


def _plain(url: str) -> str:
    """The address as machines name it: they speak http to their proxy."""
    return 'http://' + url.partition('://')[2]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int],
                 fetch: Callable[[str], pathlib.Path | None]) -> None:
        self.fetch = fetch
        super().__init__(address, _Request)


class _Request(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of one absolute address, as apt sends it to a proxy."""

    protocol_version = 'HTTP/1.1'
    server: _Server

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, body: bool) -> None:
        path = self.server.fetch(self.path)
        if path is None:
            self.send_error(404)
            return
        with path.open('rb') as file:
            self.send_response(200)
            self.send_header('Content-Length',
                             str(os.fstat(file.fileno()).st_size))
            self.send_header('Content-Type', 'application/octet-stream')
            self.end_headers()
            if body:
                with contextlib.suppress(ConnectionError):
                    shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:
        LOG.debug('mirror: ' + format, *args)  # noqa: G003


class Mirror:
    """Serves packages on one or more addresses, from one cache folder."""

    def __init__(self, cache: pathlib.Path) -> None:
        self._cache = cache
        self._servers: dict[tuple[str, int], _Server] = {}
        self._lock = threading.Lock()
        self._sites: dict[str, str] = {}

    def serve(self, address: str, port: int) -> int:
        """Listen there, unless it is done already; the port.

        Another process of ours that listens there serves as well.
        """
        with self._lock:
            for known in self._servers:
                if known == (address, port) or (known[0] == address
                                                and not port):
                    return known[1]
            if not self._sites:
                _, mirror, lines = sources()
                self._sites = {_plain(mirror): mirror} | {
                    line.split()[1]: line.split()[1] for line in lines}
            try:
                server = _Server((address, port), self.fetch)
            except OSError:
                return port
            port = server.server_address[1]
            self._servers[address, port] = server
            threading.Thread(target=server.serve_forever, name='mirror',
                             daemon=True).start()
            return port

    def stop(self) -> None:
        """Listen nowhere any more."""
        with self._lock:
            for server in self._servers.values():
                server.shutdown()
                server.server_close()
            self._servers.clear()

    def fetch(self, url: str) -> pathlib.Path | None:
        """A file of an allowed mirror, from the cache when it can be.

        :returns: None when it is not there or not allowed.
        """
        for site, real in self._sites.items():
            rest = urllib.parse.unquote(url.removeprefix(f'{site}/'))
            if url.startswith(f'{site}/') and _harmless(rest):
                return self._get(f'{real}/{rest}', rest)
        return None

    def _get(self, url: str, rest: str) -> pathlib.Path | None:
        name = hashlib.sha256(url.encode()).hexdigest()
        path = self._cache / name[:2] / f'{name}-{posixpath.basename(rest)}'
        if path.exists() and _FOREVER.search(f'/{rest}'):
            return path
        try:
            with urllib.request.urlopen(  # noqa: S310 - an allowed mirror
                    urllib.parse.quote(url, safe=':/~+%='), timeout=60) as got:
                _store(path, got)
        except urllib.error.HTTPError as exc:
            return None if exc.code in (403, 404) else _old(path)
        except OSError:
            # Not to be reached: what was fetched before is better than none.
            return _old(path)
        return path


def _old(path: pathlib.Path) -> pathlib.Path | None:
    return path if path.exists() else None


def _harmless(rest: str) -> bool:
    parts = rest.split('/')
    return (parts[0] in ('dists', 'pool') and '..' not in parts
            and all(part and _ALLOWED.match(part) for part in parts))


def _store(path: pathlib.Path, source: BinaryIO) -> None:
    """Write a file in one move: who reads it sees all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            shutil.copyfileobj(source, file)
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
