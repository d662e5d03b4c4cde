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

"""A RabbitMQ broker of a test's own, on ports of the loopback."""

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import amqp
import fixtures

from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import service

# What is in PATH changes the user by itself and loses the environment.
SERVER = pathlib.Path('/usr/lib/rabbitmq/bin/rabbitmq-server')


def available():
    """Whether the broker is installed here."""
    return SERVER.exists()


class RabbitMQ(fixtures.Fixture):
    """A broker that can be killed and started again.

    :ivar url: what oslo.messaging connects to.
    """

    def _setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-rabbit-'))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.user = None
        if os.geteuid() == 0:
            self.user = 'rabbitmq'
            owner = pwd.getpwnam(self.user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self.port, names, peers = (service.free_port() for _ in range(3))
        self.url = f'rabbit://guest:guest@127.0.0.1:{self.port}/'
        (self.folder / 'rabbitmq.conf').write_text(
            f'listeners.tcp.1 = 127.0.0.1:{self.port}\n')
        self.environment = {
            'PATH': os.environ['PATH'], 'HOME': str(self.folder),
            'ERL_EPMD_PORT': str(names), 'ERL_EPMD_ADDRESS': '127.0.0.1',
            'RABBITMQ_DIST_PORT': str(peers),
            'RABBITMQ_NODENAME': f'test{self.port}@localhost',
            'RABBITMQ_MNESIA_BASE': f'{self.folder}/mnesia',
            'RABBITMQ_LOG_BASE': f'{self.folder}/log',
            'RABBITMQ_PID_FILE': f'{self.folder}/pid',
            'RABBITMQ_CONFIG_FILE': f'{self.folder}/rabbitmq.conf',
            'RABBITMQ_ENABLED_PLUGINS_FILE': f'{self.folder}/plugins',
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
                '-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 '
                '+sbwt none +sbwtdcpu none +sbwtdio none'}
        # Started by hand, or the broker leaves one behind.
        self._run('epmd', '-address', '127.0.0.1', '-port', str(names))
        self.start()

    def _run(self, *command):
        process = subprocess.Popen(
            command, env=self.environment, user=self.user, group=self.user,
            extra_groups=[] if self.user else None, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(service.kill, process)
        return process

    def start(self):
        """Start it, again after a kill; wait until it answers."""
        self.process = self._run(str(SERVER))
        local_bed.wait_for(self._answers, 120, 0.1)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError('RabbitMQ has ended')
        with contextlib.suppress(OSError, amqp.AMQPError), self.channel():
            return True

    def kill(self):
        """kill -9."""
        service.kill(self.process)

    @contextlib.contextmanager
    def channel(self):
        """Speak with the broker."""
        with amqp.Connection(f'127.0.0.1:{self.port}', 'guest', 'guest',
                             connect_timeout=5) as connection:
            yield connection.channel()

    def queue(self, name):
        """Messages and consumers of a queue; (0, 0) when it is not there."""
        try:
            with self.channel() as channel:
                found = channel.queue_declare(name, passive=True)
                return found.message_count, found.consumer_count
        except (OSError, amqp.AMQPError):
            return 0, 0

    def purge(self, name):
        """Throw away what is in a queue.

        :returns: how many messages that were.
        """
        with self.channel() as channel:
            return channel.queue_purge(name)
