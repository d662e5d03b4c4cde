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

"""What is on a node: a program that is sent there and run by its python3.

It needs nothing but the standard library and changes nothing but one file
below /run, in which it remembers what files it has read already.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
import grp
import hashlib
import json
import os
import pwd
import stat
import subprocess
from typing import Any
import zlib

#: Folders whose content is compared.
ROOTS = ('/etc', '/home', '/opt', '/root', '/srv', '/usr', '/var')
#: Folders that are only searched for secrets.
SEARCHED = ('/run', '/tmp')  # noqa: S108
#: Files of accounts, of which shadow's tools keep the one before, "NAME-".
ACCOUNTS = ('passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid')
READ = '/run/hpcdirect-trial.json'
UNITS = ('.service', '.socket', '.timer', '.path', '.mount', '.automount',
         '.swap')
# What follows from somebody being logged in, as we are.
TRANSIENT = ('user@', 'user-runtime-dir@', 'session-', 'run-', 'ssh@')
HIDDEN = ('/proc', '/sys', '/dev', '/run')


def run(*command: str) -> list[str]:
    """The lines that a command prints; none when there is no such one."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, check=False,
            env=dict(os.environ, LC_ALL='C'))
    except OSError:
        return []
    return done.stdout.decode(errors='replace').splitlines()


class Files:
    """Reads files, each only once as long as it does not change."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = {name: value.encode() for name, value
                        in secrets.items()}
        self.key = hashlib.sha256(json.dumps(
            sorted(secrets.items())).encode()).hexdigest()
        self.known: dict[str, list[Any]] = {}
        self.found: dict[str, str] = {}
        try:
            with open(READ) as file:
                kept = json.load(file)
            if kept['key'] == self.key:
                self.known = kept['files']
        except (OSError, ValueError, KeyError):
            pass
        self.read: dict[str, list[Any]] = {}

    def digest(self, path: str, status: os.stat_result) -> str:
        """What stands for a file's content."""
        mark = [status.st_ino, status.st_size, status.st_mtime_ns,
                status.st_ctime_ns]
        known = self.known.get(path)
        if not known or known[0] != mark:
            known = [mark, *self._contents(path)]
        self.read[path] = known
        for name in known[2]:
            self.found[f'{name}: {path}'] = ''
        return str(known[1])

    def _contents(self, path: str) -> list[Any]:
        total, tail = hashlib.sha256(), b''
        secrets: set[str] = set()
        longest = max(map(len, self.secrets.values()), default=1)
        try:
            with open(path, 'rb') as file:
                while True:
                    part = file.read(1 << 20)
                    if not part:
                        break
                    total.update(part)
                    part = tail + part
                    secrets.update(name for name, value
                                   in self.secrets.items() if value in part)
                    tail = part[-longest:]
        except OSError as exc:  # gone meanwhile, or not to be read
            return [f'unreadable: {exc.strerror}', []]
        return [total.hexdigest()[:24], sorted(secrets)]

    def save(self) -> None:
        """Remember what was read, for the next time."""
        handle = os.open(READ, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, 'w') as file:
            json.dump({'key': self.key, 'files': self.read}, file)


def describe(path: str, status: os.stat_result, files: Files
             ) -> list[Any]:
    """What of a path is compared: kind, mode, owner, group and content."""
    mode = status.st_mode
    kind, content = 'other', ''
    if stat.S_ISLNK(mode):
        return ['link', 0, status.st_uid, status.st_gid, os.readlink(path)]
    if stat.S_ISDIR(mode):
        kind = 'folder'
    elif stat.S_ISREG(mode):
        kind, content = 'file', files.digest(path, status)
    return [kind, stat.S_IMODE(mode), status.st_uid, status.st_gid, content]


def paths(roots: Iterable[str], files: Files) -> dict[str, list[Any]]:
    """Everything below some folders, each on its own file system only."""
    found: dict[str, list[Any]] = {}
    for root in roots:
        try:
            device = os.stat(root).st_dev
        except OSError:
            continue
        todo = [root]
        while todo:
            folder = todo.pop()
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                    found[entry.path] = describe(entry.path, status, files)
                except OSError:
                    continue
                if stat.S_ISDIR(status.st_mode) and (
                        status.st_dev == device):
                    todo.append(entry.path)
    return found


def backups(found: dict[str, list[Any]]) -> None:
    """Of a backup of accounts counts what the file itself has no more."""
    for name in ACCOUNTS:
        path = f'/etc/{name}-'
        if found.pop(path, None) is None:
            continue
        with open(path) as old:
            lines = old.read().splitlines()
        with open(path[:-1]) as now:
            names = {line.split(':')[0] for line in now}
        for line in lines:
            if line.split(':')[0] not in names:
                found[f'{path} ({line.split(":")[0]})'] = ['entry']


def packages() -> tuple[dict[str, str], dict[str, str]]:
    """Package -> version and state; package -> marked as automatic."""
    lines = run('dpkg-query', '-W', '-f',
                '${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n')
    found = {words[0]: ' '.join(words[1:]) for words in
             (line.split() for line in lines) if words}
    marks: dict[str, str] = {}
    name = ''
    try:
        with open('/var/lib/apt/extended_states') as file:
            for line in file:
                key, _, value = line.strip().partition(': ')
                if key == 'Package':
                    name = value
                elif key == 'Auto-Installed' and value == '1':
                    marks[name] = ''
    except OSError:
        pass
    return found, marks


def units() -> tuple[dict[str, str], dict[str, str]]:
    """Unit file -> enabled or not; unit -> active, and the like."""
    files = {words[0]: words[1] for words in (
        line.split() for line in run(
            'systemctl', 'list-unit-files', '--no-legend', '--no-pager',
            '--plain', '--full')) if len(words) > 1}
    active = {words[0]: words[2] for words in (
        line.split() for line in run(
            'systemctl', 'list-units', '--all', '--no-legend', '--no-pager',
            '--plain', '--full')) if len(words) > 3
        and words[0].endswith(UNITS) and words[2] not in (
            'inactive', 'deactivating')
        and not words[0].startswith(TRANSIENT)}
    return files, active


def mounts() -> dict[str, str]:
    """Mount point -> type and source."""
    found: dict[str, str] = {}
    with open('/proc/self/mountinfo') as file:
        for line in file:
            left, _, right = line.partition(' - ')
            place, words = left.split()[4], right.split()
            if not (place + '/').startswith(tuple(
                    name + '/' for name in HIDDEN)):
                found[place] = ' '.join(words[:2])
    return found


def sysctls() -> dict[str, str]:
    """The kernel's settings of this node alone: name -> value."""
    found: dict[str, str] = {}
    for root, _, names in os.walk('/proc/sys/net'):
        for name in names:
            settle(found, os.path.join(root, name))
    for name in ('hostname', 'domainname', 'shmmax', 'shmall', 'shmmni',
                 'msgmax', 'msgmnb', 'msgmni', 'sem'):
        settle(found, '/proc/sys/kernel/' + name)
    return found


def settle(found: dict[str, str], path: str) -> None:
    """Add one setting, if it can be read."""
    if path.endswith(('_count', '/tcp_fastopen_key')):
        return  # the kernel's own: it counts, or draws a key when asked
    try:
        with open(path) as file:
            found[path[len('/proc/sys/'):].replace('/', '.')] = (
                ' '.join(file.read().split()))
    except (OSError, UnicodeError):
        return


def processes() -> dict[str, str]:
    """Whose programs run, but for those by which we look."""
    own, pid = set(), os.getpid()
    table: dict[int, tuple[int, str, str, int]] = {}
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat') as file:
                before, _, after = file.read().rpartition(')')
            table[int(name)] = (int(after.split()[1]), after.split()[0],
                                before.partition('(')[2],
                                os.stat('/proc/' + name).st_uid)
        except OSError:
            continue
    while pid in table:
        own.add(pid)
        pid = table[pid][0]
    found: dict[str, str] = {}
    for number, (_, state, command, uid) in table.items():
        # What sshd starts for a connection comes and goes with it.
        if number in own or state == 'Z' or command in ('sshd', '(sd-pam)'):
            continue
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = str(uid)
        found[f'{command} ({user})'] = ''
    return found


def network() -> dict[str, str]:
    """Interfaces and routes."""
    found = dict.fromkeys(os.listdir('/sys/class/net'), 'interface')
    with open('/proc/net/route') as file:
        for line in list(file)[1:]:
            words = line.split()
            found[f'{words[1]}/{words[7]}'] = 'route by ' + words[0]
    return found


def look(secrets: dict[str, str]) -> dict[str, dict[str, Any]]:
    """All of it: kind -> name -> what is compared."""
    files = Files(secrets)
    there = paths(ROOTS, files)
    backups(there)
    installed, marks = packages()
    unit_files, active = units()
    found: dict[str, dict[str, Any]] = {
        'path': there, 'package': installed,
        'automatic package': marks, 'unit file': unit_files,
        'unit': active, 'mount': mounts(), 'setting': sysctls(),
        'process': processes(), 'network': network(),
        'user': {one.pw_name: f'{one.pw_uid}:{one.pw_gid} {one.pw_dir} '
                              f'{one.pw_shell}' for one in pwd.getpwall()},
        'group': {one.gr_name: f'{one.gr_gid} '
                               f'{",".join(sorted(one.gr_mem))}'
                  for one in grp.getgrall()}}
    files.save()
    if secrets:
        paths(SEARCHED, files)
    found['secret'] = files.found
    return found


def main(secrets: dict[str, str]) -> None:
    """Look and print it: JSON, compressed, in base64."""
    print(base64.b64encode(zlib.compress(
        json.dumps(look(secrets)).encode(), 1)).decode())
