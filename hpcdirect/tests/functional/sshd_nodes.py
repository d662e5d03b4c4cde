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

"""Nodes for tests of runners: sshd processes of our own on this machine.

They share one file system; what has to differ from node to node is told
apart by the node's name.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import threading
import time
import unittest
import uuid

from oslo_config import cfg

from hpcdirect import conf as options
from hpcdirect.blueprints import content
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import Role
from hpcdirect.runners import base
from hpcdirect.runners.ansible import family

SSHD = shutil.which('sshd', path='/usr/sbin:/usr/local/sbin:/usr/bin')

_SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
MaxStartups 100
Subsystem sftp internal-sftp
"""


def _key(path):
    subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '',
                    '-f', str(path)], check=True)
    return path.read_text(), path.with_name(
        f'{path.name}.pub').read_text().strip()


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


class Node:
    """One sshd."""

    def __init__(self, folder, name, public_key):
        self.name, self.port = name, free_port()
        self.folder = folder / name
        self.folder.mkdir()
        self.host_key = _key(self.folder / 'host_key')[1]
        (self.folder / 'authorized_keys').write_text(public_key)
        (self.folder / 'config').write_text(_SSHD_CONFIG.format(
            port=self.port, folder=self.folder))
        self.process = subprocess.Popen(
            [SSHD, '-D', '-e', '-f', str(self.folder / 'config')],
            stderr=subprocess.DEVNULL, start_new_session=True)

    def wait(self):
        for _ in range(200):
            with socket.socket() as sock:
                if not sock.connect_ex(('127.0.0.1', self.port)):
                    return
            time.sleep(0.02)
        raise AssertionError('sshd does not start')

    def sessions(self):
        """pids of the processes that sshd made for connections."""
        done = subprocess.run(
            ['pgrep', '-P', str(self.process.pid)], capture_output=True,
            text=True)
        return [int(pid) for pid in done.stdout.split()]

    def host(self, **values):
        return base.Host(**{
            'name': self.name, 'group': self.name.rpartition('-')[0],
            'address': '127.0.0.1', 'ssh_host': '127.0.0.1',
            'ssh_port': self.port, 'host_key': self.host_key, **values})

    def close(self):
        for pid in [self.process.pid, *self.sessions()]:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


class Recorder(base.Listener):
    """Remembers what it was told, in order."""

    def __init__(self):
        self.told = []
        self.process = None
        self.started = threading.Event()

    def starting(self, process):
        self.process = process
        self.told.append(('starting', process))
        self.started.set()

    def progress(self, progress):
        self.told.append(('progress', progress))

    def begun(self, run_id):
        self.told.append(('begun', run_id))

    def ended(self, outcome):
        self.told.append(('ended', outcome))

    @property
    def outcomes(self):
        return {each.run_id: each for kind, each in self.told
                if kind == 'ended'}

    @property
    def steps(self):
        return [each for kind, each in self.told if kind == 'progress']

    @property
    def log(self):
        return ''.join(step.output for step in self.steps)


@unittest.skipIf(SSHD is None or os.geteuid(),
                 'needs sshd (openssh-server) and root')
class NodesCase(unittest.TestCase):
    """Tests that work on nodes of their own."""

    names: tuple[str, ...] = ('compute-0', 'compute-1')

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.makedirs('/run/sshd', exist_ok=True)
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-'))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        cls.private_key, public = _key(cls.folder / 'key')
        cls.nodes = {}
        for name in cls.names:
            cls.nodes[name] = Node(cls.folder, name, public)
            cls.addClassCleanup(cls.nodes[name].close)
        for node in cls.nodes.values():
            node.wait()

    def setUp(self):
        self.marks = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        self.conf = self.configured()

    def configured(self, **values):
        conf = cfg.ConfigOpts()
        conf([], project='hpcdirect', default_config_files=[])
        options.register_group(conf, 'ansible')
        defaults = {'work_path': f'{self.folder}/w',
                    'fence_path': f'{self.marks}/fence/{{node}}',
                    'connect_timeout': 3, 'fence_wait': 5,
                    'alive_interval': 1, 'stop_grace': 1}
        for name, value in {**defaults, **values}.items():
            conf.set_override(name, value, 'ansible')
        return conf

    def element(self, name='probe', apply='', roles=('node',), **verbs):
        """An element of playbooks given as text."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder)) / name
        folder.mkdir()
        nothing = f'- hosts: {name.replace("-", "_")}_node\n'
        texts = {'apply': apply, 'revert': nothing, 'verify': nothing,
                 **verbs}
        for verb, text in texts.items():
            (folder / f'{verb}.yaml').write_text(textwrap.dedent(text))
        return Element(name=name, version='1.0.0', label=name,
                       description='', folder=folder,
                       digest='0',
                       roles=tuple(Role(role) for role in roles))

    def task(self, element, nodes=None, verb=base.Verb.APPLY, **values):
        nodes = tuple(self.names) if nodes is None else tuple(nodes)
        # A test may have added to its files.
        element = dataclasses.replace(
            element, digest=content.digest(element.folder))
        return base.Task(**{
            'run_id': str(uuid.uuid4()), 'verb': verb, 'element': element,
            'roles': {'node': nodes}, 'variables': {}, 'facts': {},
            **values})

    def batch(self, *tasks, **values):
        return base.Batch(**{
            'key': str(uuid.uuid4()), 'cluster_id': 'c', 'epoch': 1,
            'hosts': tuple(node.host() for node in self.nodes.values()),
            'tasks': tasks, 'private_key': self.private_key, **values})

    def carried_out(self, runner, batch, stopped=lambda: False):
        listener = Recorder()
        runner.carry_out(batch, listener, stopped)
        return listener

    def eventually(self, condition, seconds=120.0):
        limit = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), limit, 'waited in vain')
            time.sleep(0.05)

    def assert_nothing_left(self, process):
        self.assertEqual([], family.members(process.pid, process.started))
        self.assertEqual([], list((self.folder / 'w').glob('*')))
