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

apt-cacher-ng, which elements use, would not do here: several services serve at
one address, each until it ends, and a list of packages that was fetched once
is given when the mirror is away.
"""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import functools
import hashlib
import http.server
import logging
import os
import pathlib
import platform
import posixpath
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse

import urllib3

LOG = logging.getLogger(__name__)

# What an archive never changes once it is there.
_FOREVER = re.compile(r'/pool/|/by-hash/')
#: Seconds for which what may change is not asked for again: all machines of
#: a cluster ask at once.
_LATELY = 20
#: Seconds without a byte after which a mirror is taken to be out of reach.
_PATIENCE = 30
_ALLOWED = re.compile(r'^[A-Za-z0-9._~+:%=-]+$')


@functools.cache
def sources() -> tuple[str, str, list[str]]:
    """The host's Debian mirror, from its apt sources.

    :returns: release name, the mirror's address without a final slash,
        and the lines of an apt sources.list, by http.
    """
    release = platform.freedesktop_os_release().get(
        'VERSION_CODENAME', 'bookworm')
    lines, mirror = [], 'http://deb.debian.org/debian'
    for site, suite in _entries():
        if suite == release:
            mirror = site
        if re.fullmatch(rf'{release}([-/](updates|security))?', suite):
            lines.append(f'deb {plain(site)} {suite} main')
    return release, mirror, lines or [f'deb {plain(mirror)} {release} main']


@functools.cache
def _entries() -> tuple[tuple[str, str], ...]:
    """Address and suite of each source of Debian's main component.

    apt looks for no lists meanwhile: there may be none yet, and it takes half
    a second to read them.
    """
    said = subprocess.run(
        ['apt-get', 'indextargets', '--no-release-info',
         '-o', 'Dir::State::lists=/nonexistent/',
         '--format', '$(REPO_URI) $(RELEASE)',
         'Created-By: Packages', 'Component: main'],
        capture_output=True, text=True).stdout
    # One line for each architecture.
    return tuple(dict.fromkeys(
        (site.rstrip('/'), suite)
        for site, suite in map(str.split, said.splitlines())))


def plain(url: str) -> str:
    """The address as machines name it: they speak http to their proxy."""
    return 'http://' + url.partition('://')[2]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int],
                 fetch: Callable[[str], pathlib.Path | None]) -> None:
        # More than one service may serve: if one ends the others go on.
        self.allow_reuse_port = True
        self.fetch = fetch
        super().__init__(address, _Request)


class _Request(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of one absolute address, as apt sends it to a proxy."""

    protocol_version = 'HTTP/1.1'
    timeout = 120
    server: _Server

    def handle(self) -> None:
        # A node may go away in the middle of an answer.
        with contextlib.suppress(ConnectionError):
            super().handle()

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
        self._failed = False
        # Of those who ask for one file at a time, the first fetches it.
        self._turns = [threading.Lock() for _ in range(256)]

    def serve(self, address: str, port: int) -> int:
        """Listen there, unless it is done already; the port."""
        with self._lock:
            for host, open_port in self._servers:
                if host == address and port in (open_port, 0):
                    return open_port
            if not self._sites:
                _, mirror, lines = sources()
                known = {plain(site): site for site, _ in _entries()}
                self._sites = {plain(mirror): mirror} | {
                    site: known.get(site, site) for site in (
                        line.split()[1] for line in lines)}
            try:
                server = _Server((address, port), self.fetch)
            except OSError as exc:
                # Not a reason for machines not to come up; said once.
                if not self._failed:
                    LOG.warning('No packages at %s:%s: %s', address, port,
                                exc)
                self._failed = True
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
        with self._turns[int(name[:2], 16)]:
            if _fresh(path, bool(_FOREVER.search(f'/{rest}'))):
                return path
            host = urllib.parse.urlsplit(url).hostname or ''
            try:
                with _connections(_proxy(host)).request(
                        'GET', urllib.parse.quote(url, safe=':/~+%='),
                        timeout=_PATIENCE, preload_content=False) as got:
                    if got.status in (403, 404):
                        return None
                    if got.status != 200:
                        raise OSError(f'the mirror answers {got.status}')
                    _store(path, got)
            except (OSError, urllib3.exceptions.HTTPError) as exc:
                # What was fetched before is better than none.
                LOG.warning('%s: %s', url, exc)
                return _old(path)
        return path


def _fresh(path: pathlib.Path, forever: bool) -> bool:
    """Whether what was fetched before need not be asked for again."""
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False
    return forever or 0 <= age < _LATELY


@functools.cache
def _proxy(host: str) -> str:
    """The proxy that the host's own apt uses for that host, or ''."""
    for key in (f'Acquire::http::Proxy::{host}', 'Acquire::http::Proxy'):
        said = subprocess.run(['apt-config', 'shell', 'PROXY', key],
                              capture_output=True, text=True).stdout
        found = said.strip().removeprefix("PROXY='").removesuffix("'")
        if found:
            return '' if found == 'DIRECT' else found
    return ''


@functools.cache
def _connections(proxy: str) -> urllib3.PoolManager:
    """Connections that are kept.

    A machine has hundreds of packages, and a name server may let one of many
    questions wait for seconds.
    """
    again = urllib3.Retry(connect=1, read=1, redirect=5)
    return (urllib3.ProxyManager(proxy, maxsize=8, retries=again) if proxy
            else urllib3.PoolManager(maxsize=8, retries=again))


def _old(path: pathlib.Path) -> pathlib.Path | None:
    return path if path.exists() else None


def _harmless(rest: str) -> bool:
    parts = rest.split('/')
    return (parts[0] in ('dists', 'pool') and '..' not in parts
            and all(part and _ALLOWED.match(part) for part in parts))


def _store(path: pathlib.Path, source: urllib3.BaseHTTPResponse) -> None:
    """Write a file in one move: who reads it sees all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        try:
            shutil.copyfileobj(source, file)
            os.fchmod(file.fileno(), 0o644)
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)
