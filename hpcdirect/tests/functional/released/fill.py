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

"""Fill a database by the service that is on PYTHONPATH, and keep it.

    fill.py FOLDER PLACE

make.py runs this with the tree of some commit. So it uses nothing of the
tests but the fixture of a service, and the API.
"""

import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import sys
import time

from hpcdirect.tests.functional import service

CONTENT = pathlib.Path(__file__).resolve().with_name('content')
KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC62FFkmjGXIS3ikQRnkwYyQTTz5eOz6'
       'R/MSPBvCv7O6 ann')
#: Seconds that a step takes which the service is to die in.
LONG = 3


class Filling:
    """A service with clusters in every status."""

    def __init__(self, running):
        self.service = running
        self.marker = 0

    def ask(self, method, path, body=None, **headers):
        """A request that must be granted; what was answered."""
        answer = self.service.call(method, path, body, **headers)
        if answer.status not in (200, 202):
            raise AssertionError(f'{method} {path}: {answer.text}')
        return answer.json

    def make(self, name, more=None, **parameters):
        """A cluster at rest; its id."""
        ident = self.ask('POST', '/v1/clusters', {
            'name': name, 'blueprint': 'site', 'parameters': {
                'token': f'secret-of-{name}', **parameters}, **(more or {})},
            **{'Idempotency-Key': f'key-{name}'})['id']
        self.settle(name)
        return ident

    def change(self, name, status='ACTIVE', **body):
        """A cluster that is wanted otherwise, at rest again."""
        self.ask('PATCH', f'/v1/clusters/{name}', body)
        self.settle(name, status)

    def settle(self, name, status='ACTIVE'):
        """Wait for a cluster to be at rest, with this status."""
        found = self.service.settled(name, statuses=('ACTIVE', 'DEGRADED',
                                                     'ERROR'))
        if found['status'] != status:
            raise AssertionError(f'{name}: {found}')

    def until(self, true):
        """Wait until it is so; what happens is an event."""
        end = time.monotonic() + 120
        while not true():
            if time.monotonic() > end:
                raise AssertionError(self.service.log())
            events = self.ask('GET', '/v1/events?wait=2&limit=1000'
                              f'&marker={self.marker}')['events']
            self.marker = events[-1]['id'] if events else self.marker

    # -- at rest ----------------------------------------------------------

    def rest(self):
        """Clusters that nothing is done to."""
        self.quiet()
        self.make('rolled')
        self.change('rolled', parameters={'value': 2, 'kind': 2})
        self.change('rolled', generation=1)
        self.ask('POST', '/v1/clusters', {
            'name': 'copy', 'clone': {'cluster': 'rolled'},
            'parameters': {'token': 'secret-of-copy'}})
        self.settle('copy')
        self.make('failed', workers=4)
        self.change('failed', 'ERROR', parameters={
            'value': 2, 'fake_fail': ['worker-3']})
        lost = self.make('lost')
        lose(self.service.folder, lost, 'worker-1')
        self.until(lambda: self.ask('GET', '/v1/clusters/lost')['status']
                   == 'DEGRADED')
        self.make('gone')
        self.ask('DELETE', '/v1/clusters/gone')
        self.service.settled('gone')

    def quiet(self):
        """A cluster that has all that a cluster can have."""
        self.make('quiet', {
            'description': 'It has everything.', 'tags': ['one', 'two'],
            'expires_at': '2099-01-01T00:00:00Z'}, workers=3, value=5,
            users=[{'name': 'ann', 'keys': [KEY]}])
        self.change('quiet', parameters={'value': 6, 'kind': 2})
        self.change('quiet', elements={'extra': {'roles': {
            'node': ['worker']}, 'parameters': {
            'size': 2, 'word': 'secret-of-extra'}}})
        self.ask('POST', '/v1/clusters/quiet/users', {
            'name': 'bob', 'keys': [KEY], 'sudo': True, 'groups': ['lab'],
            'expires_at': '2099-01-01T00:00:00Z'})
        self.settle('quiet')
        self.change('quiet', node_groups={'worker': {
            'slots': ['worker-0', 'worker-2']}})
        self.change('quiet', node_groups={'worker': {
            'replace': ['worker-0'], 'force': True}})
        self.ask('POST', '/v1/plans', {'cluster': 'quiet', 'change': {
            'parameters': {'value': 7}}})

    # -- in the middle of something ---------------------------------------

    def work(self, hold):
        """Clusters that something is done to, until the service dies.

        :param hold: a file; the service dies at its failpoint without it.
        """
        for name in ('growing', 'changing', 'breaking', 'going'):
            self.make(name)
        self.make('checking', fake_delay=LONG)
        self.ask('POST', '/v1/clusters', {
            'name': 'making', 'blueprint': 'site', 'parameters': {
                'token': 'secret-of-making', 'spares': 1}})
        self.ask('PATCH', '/v1/clusters/growing', {
            'node_groups': {'spare': {'count': 1}}})
        self.until(lambda: all(self.building(name)
                               for name in ('making', 'growing')))
        for name, broken in (('changing', []), ('breaking', ['worker-0'])):
            self.ask('PATCH', f'/v1/clusters/{name}', {'parameters': {
                'value': 2, 'fake_delay': LONG, 'fake_fail': broken}})
        self.ask('POST', '/v1/clusters/checking/deployments',
                 {'operation': 'check'})
        self.until(lambda: all(self.at_work(name) for name in (
            'changing', 'breaking', 'checking')))
        hold.unlink()
        with contextlib.suppress(OSError):
            self.service.call('DELETE', '/v1/clusters/going')
        self.service.died()

    def building(self, name):
        """Whether machines of a cluster are waited for."""
        return 'BUILDING' in {node['status'] for node in self.ask(
            'GET', f'/v1/clusters/{name}/nodes')['nodes']}

    def at_work(self, name):
        """Whether an element that takes its time is being carried out."""
        ident = self.ask('GET', f'/v1/clusters/{name}')['id']
        return ('tool', 'RUNNING') in {
            (run['element'], run['status']) for run in self.ask(
                'GET', f'/v1/runs?cluster={ident}')['runs']}


# -- what is kept ---------------------------------------------------------

def machines(folder):
    """Reference -> slot -> machine, in whatever way the fake has them."""
    old = folder / 'fake.json'
    return json.loads(old.read_text()) if old.exists() else {
        path.stem: json.loads(path.read_text())
        for path in (folder / 'fake').glob('*.json')}


def lose(folder, ident, slot):
    """Take a machine of a cluster away behind the service's back."""
    old, ref = folder / 'fake.json', f'fake-{ident}'
    there = machines(folder)
    del there[ref][slot]
    path, said = (old, there) if old.exists() else (
        folder / f'fake/{ref}.json', there[ref])
    fresh = path.with_suffix('.fresh')
    fresh.write_text(json.dumps(said))
    fresh.replace(path)


def keep(folder, into):
    """Write down what a service left in its folder."""
    with contextlib.closing(sqlite3.connect(
            folder / 'db.sqlite')) as database:
        (into / 'database.sql').write_text(
            ''.join(f'{line}\n' for line in database.iterdump()))
    shutil.copyfile(folder / 'keys', into / 'keys')
    kept = machines(folder)
    for there in kept.values():
        for machine in there.values():
            # By a clock that is not the reader's; all are up by then.
            machine['up_at'] = 0.0
    (into / 'machines.json').write_text(
        json.dumps(kept, indent=1, sort_keys=True) + '\n')


def main(into, place):
    """Fill a database, and keep it in a folder."""
    with service.Service(
            backend='fake', runner='fake', directories=(CONTENT,),
            conductor={'watch_interval': 0.3, 'provision_timeout': 7200,
                       'lease_seconds': 4}) as running:
        hold = running.folder / 'hold'
        hold.touch()
        running.start(HPCDIRECT_FAILPOINT=place,
                      HPCDIRECT_FAILPOINT_ONCE=os.fspath(hold))
        filling = Filling(running)
        filling.rest()
        filling.work(hold)
        keep(running.folder, pathlib.Path(into))


if __name__ == '__main__':
    main(*sys.argv[1:])
