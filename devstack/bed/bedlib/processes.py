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

"""Starting, finding and ending the services' processes.

A service is the leader of a process group; ``run/NAME.pid`` holds its process
id and the moment it was started, since ids are used again.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from bedlib import settings

#: Seconds a service may take to answer; two cores are started all at once.
_PATIENCE = 300.0
_TERM = 20.0
# The group is entered before the program begins, so no child escapes it.
_ENTER = 'echo $$ > "$0"; exec "$@"'


class BedError(Exception):
    """Something of the bed does not work; the text is for people."""


@dataclasses.dataclass(frozen=True)
class Service:
    """A process of the bed.

    :param port: where it listens at its address, 0 when nowhere.
    :param path: what to ask it for by HTTP to see that it works.
    :param user: whom it runs as, when not root.
    :param after: a service that has to answer first, when all are started.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    port: int = 0
    path: str = ''
    user: str = ''
    address: str = '127.0.0.1'
    after: str = ''


def start(bed: settings.Bed, service: Service) -> None:
    """Start it, unless it runs."""
    if pid(bed, service.name):
        return
    command = list(service.command)
    if service.user:
        command = ['setpriv', f'--reuid={service.user}',
                   f'--regid={service.user}', '--init-groups', *command]
    group = bed.cgroup / 'services' / service.name
    group.mkdir(parents=True, exist_ok=True)
    with (bed.log / f'{service.name}.log').open('ab') as log:
        process = subprocess.Popen(
            ['sh', '-c', _ENTER, str(group / 'cgroup.procs'), *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, cwd='/',
            env={**_environment(bed), **service.environment})
    (bed.run / f'{service.name}.pid').write_text(
        f'{process.pid} {_born(process.pid)}\n')


def pid(bed: settings.Bed, name: str) -> int:
    """The process id of a service that runs, or 0."""
    try:
        number, born = (bed.run / f'{name}.pid').read_text().split()
    except (OSError, ValueError):
        return 0
    return int(number) if _born(int(number)) == born else 0


def signal_group(bed: settings.Bed, name: str, number: int) -> None:
    """Send a signal to everything of a service's process group."""
    leader = pid(bed, name)
    if leader:
        os.killpg(leader, number)


def stop(bed: settings.Bed, name: str) -> None:
    """Ask a service to end, and end what is left of it after a while."""
    group = bed.cgroup / 'services' / name
    signal_group(bed, name, signal.SIGTERM)
    end = time.monotonic() + _TERM
    while pid(bed, name) and time.monotonic() < end:
        time.sleep(0.05)
    if group.is_dir():
        (group / 'cgroup.kill').write_text('1')
        while 'populated 1' in (group / 'cgroup.events').read_text():
            time.sleep(0.02)
        for child in sorted(group.rglob('*/'), reverse=True):
            child.rmdir()
        group.rmdir()
    (bed.run / f'{name}.pid').unlink(missing_ok=True)


def wait(bed: settings.Bed, service: Service) -> None:
    """Return when the service answers.

    :raises BedError: it ended, or does not answer for too long; with the
        last it wrote.
    """
    end = time.monotonic() + _PATIENCE
    while not answers(service):
        if not pid(bed, service.name):
            raise BedError(f'{service.name} ended.{tail(bed, service.name)}')
        if time.monotonic() > end:
            raise BedError(f'{service.name} does not answer for '
                           f'{_PATIENCE:.0f} s.{tail(bed, service.name)}')
        time.sleep(0.1)


def answers(service: Service) -> bool:
    """Whether its port is open, or what it serves can be had."""
    if service.path:
        url = f'http://{service.address}:{service.port}{service.path}'
        try:
            urllib.request.urlopen(url, timeout=10)
        except urllib.error.HTTPError as exc:
            return exc.code in (300, 401)
        except OSError:
            return False
        return True
    if service.port:
        try:
            socket.create_connection(
                (service.address, service.port), 1).close()
        except OSError:
            return False
    return True


def run(bed: settings.Bed, log: str, *command: str) -> None:
    """Run a program of the bed to its end, its output in ``log/LOG.log``.

    :raises BedError: it failed; with the last it wrote.
    """
    with (bed.log / f'{log}.log').open('ab') as file:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            env=_environment(bed), cwd='/')
    if done.returncode:
        raise BedError(f'{" ".join(command)} failed.{tail(bed, log)}')


def tail(bed: settings.Bed, name: str, lines: int = 25) -> str:
    """The end of a log file, with its name, for an error message."""
    path = bed.log / f'{name}.log'
    try:
        text = path.read_text(errors='replace').splitlines()[-lines:]
    except OSError:
        return ''
    return '\n' + '\n'.join([f'--- {path}', *text])


def _environment(bed: settings.Bed) -> dict[str, str]:
    """What every service gets: nothing of the caller's."""
    return {
        'PATH': f'{bed.venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'LANG': 'C.UTF-8', 'HOME': '/root',
        'PYTHONPATH': f'{bed.data}/local-metal/installed'}


def _born(number: int) -> str:
    """When a process was started, in ticks since boot; '' when it is gone."""
    try:
        stat = pathlib.Path(f'/proc/{number}/stat').read_text()
    except OSError:
        return ''
    fields = stat.rpartition(')')[2].split()
    return '' if fields[0] == 'Z' else fields[19]
