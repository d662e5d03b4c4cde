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

"""The ssh client's configuration for one batch.

Every node is addressed by its slot's name and must show the key that was
put there when it was made; so must a jump host. Nothing of the user's own
ssh configuration is read.
"""

from __future__ import annotations

from collections.abc import Sequence
import contextlib
import dataclasses
import os
import re
import selectors
import subprocess
import threading
import time
from typing import Any

from hpcdirect.exception import RunnerError
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import jump

_COMMON = """\
Host *
  BatchMode yes
  CheckHostIP no
  ConnectTimeout {connect}
{sharing}  ForwardAgent no
  ForwardX11 no
  GlobalKnownHostsFile /dev/null
  GSSAPIAuthentication no
  IdentitiesOnly yes
  IdentityAgent none
  IdentityFile {folder}/key
  LogLevel ERROR
  PreferredAuthentications publickey
  ServerAliveCountMax 3
  ServerAliveInterval {alive}
  StrictHostKeyChecking yes
  UpdateHostKeys no
  UserKnownHostsFile {files}
"""

_SHARED = """\
  ControlMaster auto
  ControlPath {folder}/c/%n
  ControlPersist 600
"""

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')
_ADDRESS = re.compile(r'[A-Za-z0-9:][A-Za-z0-9:._-]*')
_USER = re.compile(r'[A-Za-z_][A-Za-z0-9._-]*')
_KEY = re.compile(r'[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [^\n]*)?')


#: Bytes of what a node says that are kept; the last ones.
_KEPT = 4096
_POLL = 0.2


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long to wait for ssh.

    :param over: set when nobody wants the answer any more.
    """

    seconds: float
    over: threading.Event = dataclasses.field(
        default_factory=threading.Event)


def ask(arguments: Sequence[str], patience: Patience, script: bytes = b''
        ) -> tuple[int, str]:
    """Run ssh, and keep little of what it says, however much that is.

    :param script: standard input; at most 64 KiB.
    :returns: its exit status and its last words on standard error.
    :raises TimeoutError: it did not end in time, or is not wanted any more.
    """
    limit = time.monotonic() + patience.seconds
    said = b''
    with subprocess.Popen(
            ['ssh', *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True) as process:
        try:
            if process.stdin is None or process.stderr is None:
                raise OSError('ssh has no pipes.')
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(script)
            with selectors.DefaultSelector() as selector:
                selector.register(process.stderr, selectors.EVENT_READ)
                while True:
                    if time.monotonic() > limit or patience.over.is_set():
                        raise TimeoutError(
                            f'ssh did not end within {patience.seconds:g} s')
                    if selector.select(_POLL):
                        read = os.read(process.stderr.fileno(), 65536)
                        said = (said + read)[-_KEPT:]
                        if not read:
                            break
            process.wait(max(0.0, limit - time.monotonic()) + _POLL)
        except subprocess.TimeoutExpired as exc:
            raise TimeoutError(
                f'ssh did not end within {patience.seconds:g} s') from exc
        finally:
            process.kill()
    return process.returncode, said.decode(errors='replace').strip()


def place(via: str) -> tuple[str, int]:
    """Host and port of a jump host.

    :raises RunnerError: it is not one.
    """
    return _via(via)[1:]


def config(batch: Batch, folder: str, options: Any, shared: bool
           ) -> str:
    """Text of ssh_config.

    :param folder: the batch's folder, without blanks.
    :param shared: whether connections are kept for the next command.
    :raises RunnerError: a name or address that is not one.
    """
    lines = []
    for host in batch.hosts:
        lines += _block(host.name, host.ssh_host, host.ssh_port,
                        host.ssh_user)
        lines.append(f'  HostKeyAlias {host.name}')
        if host.ssh_via:
            lines.append(f'  ProxyJump {_jumps(batch)[host.ssh_via]}')
    for via, name in _jumps(batch).items():
        lines += _block(name, *place(via), _via(via)[0])
    files = ' '.join(filter(None, (f'{folder}/known_hosts',
                                   options.known_hosts)))
    return '\n'.join(lines) + '\n' + _COMMON.format(
        connect=options.connect_timeout, alive=options.alive_interval,
        folder=folder, files=files,
        sharing=_SHARED.format(folder=folder) if shared else '')


def known_hosts(batch: Batch) -> str:
    """Text of known_hosts.

    A jump host is the cluster's own head, and has to show the head's key:
    the users of any other node may be able to read that one's. An operator's
    jump host is in the file that the operator names.

    :raises RunnerError: a host key that is not one.
    """
    lines = [f'{host.name} {_checked(_KEY, host.host_key, "host key")}'
             for host in batch.hosts if host.host_key]
    doors = {(host.ssh_host, host.ssh_port): host.host_key
             for host in batch.hosts}
    doors |= {place(host.ssh_via): host.via_key for host in batch.hosts
              if host.ssh_via and host.via_key}
    for via in _jumps(batch):
        name, port = place(via)
        key = doors.get((name, port), '')
        name = name if port == 22 else f'[{name}]:{port}'
        if key:
            lines.append(f'{name} {_checked(_KEY, key, "host key")}')
    return ''.join(f'{line}\n' for line in lines)


def _jumps(batch: Batch) -> dict[str, str]:
    vias = dict.fromkeys(host.ssh_via for host in batch.hosts
                         if host.ssh_via)
    return {via: f'hpcdirect-jump-{number}'
            for number, via in enumerate(vias)}


def _via(text: str) -> tuple[str, str, int]:
    try:
        return jump(text)
    except ValueError as exc:
        raise _wrong('jump host', text) from exc


def _block(name: str, host: str, port: int, user: str) -> list[str]:
    return [f'Host {_checked(_NAME, name, "node name")}',
            f'  HostName {_checked(_ADDRESS, host, "address")}',
            f'  Port {int(port)}',
            f'  User {_checked(_USER, user, "user")}']


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if not pattern.fullmatch(text.strip()):
        raise _wrong(what, text)
    return text.strip()


def _wrong(what: str, text: str) -> RunnerError:
    return RunnerError(plugin='ansible',
                       reason=f'{text!r} cannot be used as a {what}.')
