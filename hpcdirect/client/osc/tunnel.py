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

"""``hpc cluster open``"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import socket
import subprocess
import time
import urllib.parse
import webbrowser

from osc_lib import exceptions

from hpcdirect.client import places
from hpcdirect.client import resources
from hpcdirect.client.osc import ssh

_PORTS = {'http': 80, 'https': 443}
#: Seconds between two looks whether the tunnel is there.
_LOOK = 0.1


class OpenCluster(ssh.Reaching):
    """Open a page that only a cluster's own network leads to

    ssh to the login node carries it for as long as the command runs; Ctrl-C
    ends it. Which pages there are is among the outputs of "hpc cluster show".
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which page, and how."""
        parser = super().get_parser(prog_name)
        parser.add_argument('output', metavar='<output>', nargs='?',
                            help='Its name; not needed when there is one')
        parser.add_argument('--port', metavar='<number>', type=_port,
                            help='Port here; default: one that is free')
        parser.add_argument('--no-browser', action='store_true',
                            help='Only print where the page is')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Two requests, without --user; one more for a way through a host."""
        cluster = self.api.get_cluster(parsed_args.cluster)
        page = _page(cluster, parsed_args.output)
        target, user = self.place(cluster, None, parsed_args.login_user)
        port = _claimed(parsed_args.port)
        options = (
            '-N', '-o', 'ExitOnForwardFailure=yes', '-o',
            'ServerAliveInterval=30', '-L',
            f'127.0.0.1:{port}:[{page.hostname}]:'
            f'{page.port or _PORTS[page.scheme]}')
        here = page._replace(netloc=f'127.0.0.1:{port}').geturl()
        with ssh.knowing(
                target, cluster.id if parsed_args.print_only else ''
                ) as file:
            argv = ssh.arguments(target, user, file, parsed_args.identity,
                                 *options)
            if parsed_args.print_only:
                self.app.stdout.write(f'{shlex.join(argv)}\n')
                self.say(f'While it runs, the page is at {here}')
                return
            # No tunnel outlives the command.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with contextlib.suppress(KeyboardInterrupt), _Tunnel(
                    argv) as tunnel:
                if tunnel.stands(port):
                    self.app.stdout.write(f'{here}\n')
                    self.app.stdout.flush()
                    self.say('Ctrl-C ends it.')
                    if not parsed_args.no_browser:
                        webbrowser.open(here)
                self.exit_code = tunnel.wait()


class _Tunnel:
    """ssh, as long as it is needed."""

    def __init__(self, argv: list[str]) -> None:
        try:
            self._process = subprocess.Popen(argv)
        except FileNotFoundError:
            raise exceptions.CommandError('There is no ssh here') from None

    def __enter__(self) -> _Tunnel:
        return self

    def __exit__(self, *args: object) -> None:
        self._process.terminate()
        self._process.wait()

    def stands(self, port: int) -> bool:
        """Whether it is there; waits until it is, or ssh is over.

        ssh may ask for a password or a passphrase first: it has all the time
        that a person needs.
        """
        while self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(
                    ('127.0.0.1', port), timeout=1):
                return True
            time.sleep(_LOOK)
        return False

    def wait(self) -> int:
        """ssh's exit code, once it is over."""
        return self._process.wait()


def _page(cluster: resources.Cluster, name: str | None
          ) -> urllib.parse.SplitResult:
    """The URL of an output.

    :raises CommandError: there is none, or which one is not clear.
    """
    found = {one['name']: one['value'] for one in cluster.titled_outputs or ()
             if one['kind'] == 'url'}
    if name is None and len(found) == 1:
        name = next(iter(found))
    if name not in found:
        there = ', '.join(sorted(found)) or 'none'
        raise exceptions.CommandError(
            (f'Cluster {cluster.name} has no page {name}' if name
             else 'Say which page to open') + f'; its pages: {there}')
    return _url(found[name])


def _url(text: str) -> urllib.parse.SplitResult:
    """What ssh can lead to.

    :raises CommandError: it cannot.
    """
    with contextlib.suppress(ValueError):
        found = urllib.parse.urlsplit(text)
        if found.scheme in _PORTS and found.hostname and places.is_host(
                found.hostname) and found.port != 0:
            return found
    raise exceptions.CommandError(f'{text!r} is no address that a tunnel '
                                  'could lead to')


def _claimed(port: int | None) -> int:
    """This port, or one that is free.

    :raises CommandError: somebody has it: what answers there is not ours.
    """
    with socket.socket() as one:
        # One that was in use a moment ago is free.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(('127.0.0.1', port or 0))
        except OSError as exc:
            raise exceptions.CommandError(
                f'--port {port}: {exc.strerror}') from exc
        return int(one.getsockname()[1])


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text[:9]) < 65536):
        raise argparse.ArgumentTypeError(f'{text} is no port')
    return int(text)
