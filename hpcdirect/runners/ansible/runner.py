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

"""Carries out elements with Ansible, in a process of its own session."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import json
import os
import pathlib
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect import processes
from hpcdirect.blueprints import parameters
from hpcdirect.exception import RunnerError
from hpcdirect.runners import base
from hpcdirect.runners.ansible import family
from hpcdirect.runners.ansible import folder as folders
from hpcdirect.runners.ansible.caps import Caps
from hpcdirect.runners.ansible.contact import Contact
from hpcdirect.runners.ansible.course import Course
from hpcdirect.runners.ansible.course import Setting
from hpcdirect.runners.ansible.redaction import Redaction

_POLL = 0.5
#: Seconds between two questions whether to go on.
_ASK = 0.8
#: Bytes; the worker cuts what it tells to far less.
_LONGEST_RECORD = 4 * 1024 * 1024
_STOPPED = 'The run was stopped.'
_WORKER = 'hpcdirect.runners.ansible.worker'


class AnsibleRunner(base.ElementRunner):
    """Plays the playbooks of elements over ssh.

    :param conf: its group is ``[ansible]``.
    """

    name = 'ansible'

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        options.register_group(conf, 'ansible')
        self._conf = conf
        # Batches that are over although a node was not told, by cluster.
        self._unclosed: dict[str, set[str]] = {}
        self._lock = threading.Lock()
        self._contact = Contact(conf)
        folders.sweep(conf.ansible.work_path)

    def carry_out(self, batch: base.Batch, listener: base.Listener,
                  stopped: Callable[[], bool]) -> None:
        """Do the batch and return when it is over.

        :raises RunnerError: it could not be started; nothing was done.
        """
        if not batch.tasks:
            return
        _check(batch)
        with self._lock:
            over = tuple(sorted(self._unclosed.get(batch.cluster_id, ())))
        redact = Redaction([batch.private_key, *(
            value for task in batch.tasks
            for value in (*task.secrets.values(), *task.hidden)), *(
            value for task in batch.tasks for value in parameters.secrets(
                task.element.parameters, task.variables))])
        with folders.made(self._conf, batch, over) as folder:
            course = Course(batch, listener, redact, Setting(
                folder.project, self._conf.ansible.connect_timeout,
                self._conf.ansible.run_output * 1024))
            try:
                reason, died = self._played(folder, listener, course,
                                            stopped)
            finally:
                self._close(batch, folder, course)
            course.finish(redact(reason), died)

    def reach(self, hosts: Sequence[base.Host], names: Collection[str],
              private_key: str) -> Mapping[str, str]:
        """Log in to them, once each, in the background."""
        return self._contact.reached(hosts, names, private_key)

    def close(self) -> None:
        """End the attempts to reach machines."""
        self._contact.close()

    def stop(self, process: base.Process) -> None:
        """End a worker that an earlier owner left, and all it started.

        On another machine, or in another container, nothing can be ended
        from here: there the nodes themselves refuse what is older than the
        next batch.

        :raises RunnerError: something is left that cannot be killed.
        """
        if process.host == processes.place() and not family.end(
                process.pid, process.started, self._conf.ansible.stop_grace):
            raise RunnerError(plugin='ansible', reason=(
                f'Processes of run {process.pid} cannot be killed.'))
        folders.sweep(self._conf.ansible.work_path)

    def _played(self, folder: folders.Folder, listener: base.Listener,
                course: Course, stopped: Callable[[], bool]
                ) -> tuple[str, bool]:
        """Let a worker play the batch.

        :returns: '' or why it was cut short, and whether the worker died.
        """
        with _errors() as errors, self._worker(folder, errors) as worker:
            listener.starting(base.Process(
                worker.pid, processes.started(worker.pid),
                processes.place()))
            course.started = True
            with contextlib.suppress(BrokenPipeError):
                os.write(_pipe(worker.stdin).fileno(), b'go\n')
            caps = Caps(
                worker.pid, self._conf.ansible.run_memory,
                self._conf.ansible.run_processes,
                self._conf.ansible.run_seconds)
            reason = _follow(_pipe(worker.stdout), course, caps, stopped)
            if reason:
                return reason, False
            if course.over:
                return '', False
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.wait(2)
            errors.seek(0)
            said = errors.read()[-4000:].decode(errors='replace').split('\n')
            last = next((line for line in reversed(said) if line.strip()),
                        'it said nothing')
            return ('The process that runs Ansible died (exit '
                    f'{worker.returncode}): {last}'), True

    @contextlib.contextmanager
    def _worker(self, folder: folders.Folder, errors: IO[bytes]
                ) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that waits for its go; when left, nothing of it is."""
        try:
            worker = subprocess.Popen(
                [sys.executable, '-m', _WORKER, str(folder.path)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                cwd=folder.project, env=_environment(folder.path),
                start_new_session=True)
        except OSError as exc:
            raise RunnerError(plugin='ansible', reason=(
                f'No process for the run can be started: {exc}')) from exc
        started = processes.started(worker.pid)
        try:
            yield worker
        finally:
            family.end(worker.pid, started, self._conf.ansible.stop_grace)
            worker.wait()
            _pipe(worker.stdin).close()
            _pipe(worker.stdout).close()

    def _close(self, batch: base.Batch, folder: folders.Folder,
               course: Course) -> None:
        """See to it that nodes let the next batch of this epoch in."""
        left = course.unclosed
        if course.started and not course.over:
            left = list(folder.fence.end(host.name for host in batch.hosts))
        with self._lock:
            keys = self._unclosed.setdefault(batch.cluster_id, set())
            if left:
                keys.add(batch.key)
            elif not keys:
                del self._unclosed[batch.cluster_id]


def _check(batch: base.Batch) -> None:
    """Refuse what cannot be begun, before anything is done."""
    known = {host.name for host in batch.hosts}
    for task in batch.tasks:
        if not task.element.can(task.verb):
            raise RunnerError(plugin='ansible', reason=(
                f'Element {task.element.name} has no {task.verb}.yaml.'))
        missing = sorted(set(task.nodes) - known)
        if missing:
            raise RunnerError(plugin='ansible', reason=(
                f'Nodes {", ".join(missing)} of element {task.element.name} '
                'are not among the hosts of the batch.'))


def _environment(path: pathlib.Path) -> dict[str, str]:
    """All that a worker needs; nothing of the service's own gets in."""
    search = os.environ.get('PATH', os.defpath)
    values = {
        'PATH': f'{pathlib.Path(sys.executable).parent}:{search}',
        'HOME': f'{path}/home', 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8',
        'TMPDIR': f'{path}/tmp',  # noqa: S108
        'PYTHONPATH': str(pathlib.Path(__file__).parents[3]),
        'ANSIBLE_CONFIG': f'{path}/ansible.cfg',
        'ANSIBLE_HOST_KEY_CHECKING': 'True', family.MARK: family.NEW}
    return values


def _follow(pipe: IO[bytes], course: Course, caps: Caps,
            stopped: Callable[[], bool]) -> str:
    """Hand on what the worker tells until it ends; else why it is to end."""
    buffer, asked = b'', 0.0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            # Both cost a look at the database or at all processes.
            if time.monotonic() - asked >= _ASK:
                if stopped():
                    return _STOPPED
                reason = caps.exceeded()
                if reason:
                    return reason
                asked = time.monotonic()
            if not selector.select(_POLL):
                continue
            read = os.read(pipe.fileno(), 65536)
            *lines, buffer = (buffer + read).split(b'\n')
            for line in lines:
                course.take(json.loads(line))
            if not read or course.over:
                return ''
            if len(buffer) > _LONGEST_RECORD:
                return 'The run told something too long to be read.'


def _errors() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # cannot be: both are asked for
        raise RunnerError(plugin='ansible', reason='The worker has no pipe.')
    return pipe
