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

"""The folder of one batch: all that Ansible reads, and no longer than it.

It holds secrets, so it is made for its owner alone and removed whatever
happens; what a killed process left is found and removed later.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import shutil
import stat
from typing import Any

from oslo_config import cfg

from hpcdirect import owned
from hpcdirect.blueprints import content
from hpcdirect.blueprints import grading
from hpcdirect.exception import RunnerError
from hpcdirect.runners.ansible import documents
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible import ssh
from hpcdirect.runners.ansible.fence import Fence
from hpcdirect.runners.base import Batch
from hpcdirect.runners.base import Task

#: A play without tasks; that it begins says that no play was left out.
LAST_PLAY = 'hpcdirect: end of the batch'
#: Bytes of path that a unix socket may have, less what ssh appends.
_SOCKET_PATH = 107 - 17

_CONFIG = """\
[defaults]
executable = /bin/sh
forks = {forks}
gathering = explicit
host_key_checking = true
interpreter_python = /usr/bin/python3
local_tmp = {folder}/tmp
home = {folder}/home
nocolor = true
nocows = true
remote_user = root
retry_files_enabled = false
stdout_callback = default
task_timeout = {task_timeout}
timeout = {connect_timeout}
verbosity = 0
deprecation_warnings = false
module_strict_utf8_response = false
localhost_warning = false
command_warnings = false
[inventory]
enable_plugins = yaml
unparsed_is_failed = true
[connection]
pipelining = true
[ssh_connection]
pipelining = true
ssh_args = -F {folder}/ssh_config -o ControlMaster=auto \
-o ControlPersist=600 -o ControlPath={folder}/c/%n
"""


def ansible_name(name: str) -> str:
    """A name as Ansible allows it for a group: no dashes."""
    return name.replace('-', '_')


def segments(tasks: tuple[Task, ...]) -> list[list[int]]:
    """Indexes of tasks, cut where a group would need other nodes.

    Within one run of Ansible a group has the same nodes throughout; tasks
    of one element on other nodes have to go to a run of their own.
    """
    parts: list[list[int]] = [[]]
    groups: dict[str, dict[str, tuple[str, ...]]] = {}
    for number, task in enumerate(tasks):
        roles = dict(task.roles)
        if groups.setdefault(task.element.name, roles) != roles:
            parts.append([])
            groups = {task.element.name: roles}
        parts[-1].append(number)
    return parts


@dataclasses.dataclass(frozen=True)
class Folder:
    """A batch's folder."""

    path: pathlib.Path
    fence: Fence

    @property
    def project(self) -> str:
        """Where the playbooks are."""
        return str(self.path / 'project')


@contextlib.contextmanager
def made(conf: cfg.ConfigOpts, batch: Batch, over: tuple[str, ...]
         ) -> Iterator[Folder]:
    """The folder of a batch, complete; gone when the block is left.

    :param over: keys of earlier batches that nodes may think at work still.
    :raises RunnerError: it cannot be made.
    """
    with contextlib.ExitStack() as left:
        try:
            made = _new(conf, f'{batch.key[:8]}-{batch.epoch}-')
            left.callback(made.remove)
            left.callback(family.end_masters, made.path)
            filled = _filled(made.path, conf, batch, over)
        except OSError as exc:
            raise _unusable(conf, exc) from exc
        yield filled


def of_contact(conf: cfg.ConfigOpts, batch: Batch, shared: bool = False
               ) -> owned.Folder:
    """A folder with what ssh needs to reach the batch's hosts.

    :param shared: whether connections are kept for the next command; the
        caller ends them.
    :returns: ``ssh_config`` is in it; the caller removes it.
    :raises RunnerError: it cannot be made.
    """
    with contextlib.ExitStack() as left:
        try:
            made = _new(conf, 'ssh-')
            left.callback(made.remove)
            left.callback(family.end_masters, made.path)
            (made.path / 'c').mkdir(mode=0o700)
            _write_ssh(made.path, conf, batch, shared)
        except OSError as exc:
            raise _unusable(conf, exc) from exc
        left.pop_all()
    return made


def sweep(work_path: str) -> None:
    """Remove folders whose process has died, and end their connections."""
    with contextlib.suppress(OSError):
        for folder in owned.orphans(pathlib.Path(work_path).resolve(), ''):
            family.end_masters(folder)


def _new(conf: cfg.ConfigOpts, prefix: str) -> owned.Folder:
    return owned.make(_base(conf.ansible.work_path), prefix)


def _unusable(conf: cfg.ConfigOpts, problem: OSError) -> RunnerError:
    return RunnerError(plugin='ansible', reason=(
        f'The work folder {conf.ansible.work_path} cannot be used: '
        f'{problem}'))


def _base(work_path: str) -> pathlib.Path:
    base = pathlib.Path(work_path).resolve()
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = base.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise RunnerError(plugin='ansible', reason=(
            f'The work folder {base} must belong to the user that runs this '
            'service and be closed to all others (mode 0700).'))
    return base


def _filled(path: pathlib.Path, conf: cfg.ConfigOpts, batch: Batch,
            over: tuple[str, ...]) -> Folder:
    options = conf.ansible
    longest = max(len(host.name) for host in batch.hosts)
    if len(str(path)) + len('/c/') + longest > _SOCKET_PATH:
        raise RunnerError(plugin='ansible', reason=(
            f'[ansible]work_path {options.work_path} is too long for ssh '
            'control sockets; use a shorter one.'))
    for name in ('project', 'c', 'tmp', 'home', 'secrets', 'values'):
        (path / name).mkdir(mode=0o700)
    config = path / 'ssh_config'
    fence = Fence(str(config), options.fence_path, batch.epoch, batch.key,
                  over, options.fence_wait, options.connect_timeout,
                  {host.name: host.ssh_user for host in batch.hosts},
                  str(batch.wish))
    _write_ssh(path, conf, batch, shared=True)
    _write(path / 'ansible.cfg', _CONFIG.format(
        folder=path, forks=options.forks, task_timeout=options.task_timeout,
        connect_timeout=options.connect_timeout))
    parts = segments(batch.tasks)
    for number, part in enumerate(parts):
        site = [_import(path, index, batch.tasks[index]) for index in part]
        site.append({'name': LAST_PLAY, 'hosts': 'all',
                     'gather_facts': False, 'tasks': []})
        _write(path / f'project/site-{number}.yaml', documents.dump(site))
    _write(path / 'plan.json', json.dumps({
        'fence': dataclasses.asdict(fence), 'memory': options.run_memory,
        'hosts': {host.name: _host(host, fence) for host in batch.hosts},
        'segments': [_groups(batch, part) for part in parts]}))
    return Folder(path, fence)


def _write_ssh(path: pathlib.Path, conf: cfg.ConfigOpts, batch: Batch,
               shared: bool) -> None:
    """What ssh needs to reach the batch's hosts: ``ssh_config`` and so on."""
    _write(path / 'key', batch.private_key.rstrip('\n') + '\n')
    _write(path / 'known_hosts', ssh.known_hosts(batch))
    _write(path / 'ssh_config', ssh.config(
        batch, str(path), conf.ansible, shared=shared))


def _import(path: pathlib.Path, index: int, task: Task) -> dict[str, Any]:
    """The line of the site that plays a task; its files are put in place.

    The element is copied, all that its digest covers and nothing else: where
    an event came from is told by the path, and a change of the element while
    it is played does not matter.

    :raises RunnerError: it has changed since it was read.
    """
    name = f'{index:02d}-{task.element.name}'
    for part, source in content.files(task.element.folder).items():
        target = path / 'project' / name / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    if content.digest(path / 'project' / name, {grading.FILE}) \
            != task.element.digest:
        raise RunnerError(plugin='ansible', reason=(
            f'Nothing was run: the files of element {task.element.name}@'
            f'{task.element.version} were changed since it was ordered. Put '
            'them back and retry; or look at a plan, and retry to have it as '
            'it is now.'))
    secrets = {}
    (path / 'secrets' / name).mkdir(mode=0o700)
    for secret, value in task.secrets.items():
        file = path / 'secrets' / name / pathlib.PurePath(secret).name
        _write(file, value)
        secrets[secret] = str(file)
    kept = functools.partial(_kept, path / 'values')
    return {'import_playbook': f'{name}/{task.verb}.yaml',
            'vars': {word: documents.data(value, kept) for word, value in {
                **task.variables, 'hpc': task.facts,
                'hpc_secrets': secrets}.items()}}


def _kept(folder: pathlib.Path, text: str) -> str:
    """The path of a file that holds a text.

    Tasks share what is the same, such as the cluster's members.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    file = folder / f'{digest}.json'
    if not file.exists():
        _write(file, text)
    return str(file)


def _host(host: Any, fence: Fence) -> dict[str, Any]:
    values: dict[str, Any] = {
        'ansible_host': host.name,
        'ansible_shell_executable': fence.shell(host.name),
        'hpc_node': {
            'certificates': {}, **host.variables, 'name': host.name,
            'address': host.address, 'group': host.group,
            'host_key': host.host_key}}
    if host.ssh_user != 'root':
        values |= {'ansible_user': host.ssh_user, 'ansible_become': True}
    return values


def _groups(batch: Batch, part: list[int]) -> dict[str, list[str]]:
    """Groups of one run: node groups, and ``element_role`` of its tasks."""
    groups: dict[str, list[str]] = {}
    for host in batch.hosts:
        groups.setdefault(ansible_name(host.group), []).append(host.name)
    for index in part:
        element = batch.tasks[index].element
        for role in {role.name for role in element.roles} | set(
                batch.tasks[index].roles):
            groups[ansible_name(f'{element.name}_{role}')] = list(
                batch.tasks[index].roles.get(role, ()))
    return groups


def _write(path: pathlib.Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, 'w', encoding='utf-8') as file:
        file.write(text)
