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

"""Looks for tokens and passwords wherever something is left behind.

A token is whatever looks like one and Keystone knows, so none has to be
known beforehand. Each place is shown to have been searched by what is found
there: the id of the cluster.
"""

import contextlib
import json
import pathlib
import subprocess

import amqp
import fixtures
import openstack

from hpcdirect.tests.openstack import cloud

#: What Keystone's tokens look like; our own vault's boxes look so, too.
TOKEN = 'gAAAAA[A-Za-z0-9_-]{60,}'
#: RabbitMQ copies every message to it while it is told to.
TRACE = 'amq.rabbitmq.trace'
OURS = 'hpcdirect'


def _closed(connection):
    """Close it; the broker may have been quicker, as after a long silence."""
    with contextlib.suppress(OSError, amqp.exceptions.AMQPError):
        connection.close()


class Canary(fixtures.Fixture):
    """Listens to RabbitMQ from now on, and searches when asked to."""

    def _setUp(self):
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.passwords = json.loads(
            (cloud.PATH / 'etc/secrets.json').read_text())
        self.identity = openstack.connect('bed-admin').identity
        cloud.rabbitmqctl('trace_on')
        self.addCleanup(cloud.rabbitmqctl, 'trace_off')
        connection = amqp.Connection(
            '127.0.0.1:5672', 'openstack', self.passwords['rabbitmq'])
        connection.connect()
        self.addCleanup(_closed, connection)
        self._channel = connection.channel()
        self._queue = self._channel.queue_declare(exclusive=True).queue
        self._channel.queue_bind(self._queue, TRACE, 'publish.#')

    def places(self):
        """Name -> files and folders of what is searched."""
        (self.folder / 'database').write_bytes(subprocess.run(
            ['mariadb-dump', f'--socket={cloud.PATH}/run/mariadb/socket',
             OURS], check=True, capture_output=True).stdout)
        self._drain()
        return {
            'messages': [self.folder / 'messages'],
            'our messages': [self.folder / 'ours'],
            'database': [self.folder / 'database'],
            'logs': [cloud.PATH / 'log'],
            # What it wrote itself: below is the image that all share.
            'machines': sorted(cloud.DISKS.glob('*/upper'))}

    def _drain(self):
        """Write down all messages, and once more those in our exchange."""
        count = self._channel.queue_declare(
            self._queue, passive=True).message_count
        with (self.folder / 'messages').open('ab') as every, \
                (self.folder / 'ours').open('ab') as ours:

            def written(message):
                body = message.body if isinstance(message.body, bytes) \
                    else message.body.encode()
                whole = repr(message.headers).encode() + b'\n' + body + b'\n'
                every.write(whole)
                if message.headers['exchange_name'].startswith(OURS):
                    ours.write(whole)
                came.append(None)

            came = []
            self._channel.basic_consume(self._queue, consumer_tag='canary',
                                        no_ack=True, callback=written)
            while len(came) < count:
                try:
                    self._channel.connection.drain_events(timeout=10)
                except TimeoutError as exc:
                    raise AssertionError(
                        f'{count - len(came)} messages are lost') from exc
            # More come until it is told to end, and the files are open.
            self._channel.basic_cancel('canary')

    def holder(self, text):
        """Whose token it is, None when it is none."""
        found = self.identity.get('/auth/tokens?allow_expired=1', headers={
            'X-Subject-Token': text})
        return found.json()['token']['user']['name'] \
            if found.status_code == 200 else None

    def leaks(self, cluster_id, caller, kept):
        """What is where it should not be; also what could not be searched.

        :param cluster_id: stands in every place.
        :param caller: name of a user who asked nobody but hpcdirect.
        :param kept: secret -> what it is, of those that the machines keep.
        :returns: (place, what) for each.
        """
        known = {cluster_id: 'the cluster'} | kept | {
            password: f'password of {whose}'
            for whose, password in self.passwords.items()}
        strings = self.folder / 'strings'
        strings.write_text(''.join(f'{word}\n' for word in known))
        found = []
        for name, places in self.places().items():
            seen = {known[word] for word
                    in _found('-F', '-f', strings, *places)}
            if 'the cluster' not in seen:
                found.append((name, 'cannot have been searched'))
            holders = {self.holder(word) for word
                       in _found('-E', '-e', TOKEN, *places)} - {None}
            # Services tell each other the token of who asks them, ours
            # with it; nobody is to tell one of the caller's.
            found += [(name, f'token of {whose}') for whose in holders
                      if name != 'messages' or whose == caller]
            if name == 'machines':
                if missing := set(kept.values()) - seen:
                    found.append((name, f'without {missing}'))
                seen -= set(kept.values())
            found += [(name, what) for what in seen - {'the cluster'}]
        return found


def _found(*words):
    """The different strings that grep finds, in whatever files."""
    done = subprocess.run(
        ['grep', '--recursive', '--text', '--devices=skip',
         '--only-matching', '--no-filename', *words],
        capture_output=True, text=True, errors='replace')
    if done.returncode > 1 and not done.stdout:
        raise AssertionError(done.stderr)
    return set(done.stdout.splitlines())
