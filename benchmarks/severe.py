#!/usr/bin/env python3
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

"""The nine gravest faults of a review, in two source trees, in one run.

Each is brought about as the review did it, first in the tree of the commit
that was reviewed, then in this one. What is printed are two figures a fault;
there is no peer but the past. Figures that end in "+" are where the benchmark
stopped waiting.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import inspect
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any
import urllib.parse

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]),
                str(pathlib.Path(__file__).resolve().parent)]

import sqlalchemy as sa
from sqlalchemy import orm
import usage
import yaml

from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import test_turns
from hpcdirect.tests.unit import test_keystone
from hpcdirect.tests.unit.backends import test_away

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Seconds that nothing here is waited for any longer.
ENOUGH = 30.0
#: What each service is started with: the fake backend counts how often it is
#: looked at and says long words of machines that fail, and the conductor tells
#: how many entries its queue and timers have.
_SERVE = """
import sys
sys.path.insert(0, {tree!r})
import dataclasses, pathlib, threading, time
from hpcdirect.backends import fake
from hpcdirect.cmd import all_in_one
from hpcdirect.conductor import service
folder = pathlib.Path({folder!r})
observe, seen = fake.FakeBackend.observe, fake._seen
def observed(self, ref):
    with (folder / 'looks').open('a') as file:
        file.write('.')
    return observe(self, ref)
def see(name, values):
    found = seen(name, values)
    return dataclasses.replace(found, fault='x' * {fault}) \\
        if found.fault else found
def size(conductor):
    if hasattr(conductor, '_turns'):
        return sum(conductor._turns.size())
    return conductor._pool._work_queue.qsize() + len(conductor._timers)
def started(self):
    start(self)
    def tell():
        while True:
            (folder / 'size.new').write_text(str(size(self)))
            (folder / 'size.new').replace(folder / 'size')
            time.sleep(0.1)
    threading.Thread(target=tell, daemon=True).start()
start, service.Conductor.start = service.Conductor.start, started
fake.FakeBackend.observe, fake._seen = observed, see
raise SystemExit(all_in_one.main())
"""


class Service(service.Service):
    """hpcdirect of one tree, with machines that exist on paper.

    :param fault: the length of what a machine says that fails.
    """

    def __init__(self, tree: pathlib.Path, fault: int = 10, **options: Any
                 ) -> None:
        super().__init__(backend='fake,heat', runner='fake', **options)
        self.tree = tree
        self.fault = fault

    def _setUp(self) -> None:
        super()._setUp()
        self.program = _SERVE.format(
            tree=str(self.tree), folder=str(self.folder), fault=self.fault)

    def _read_what_it_said(self) -> None:
        """The words of an old release are no concern of ours."""

    def stop(self) -> None:
        """Not every release ends when it is asked to."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    @property
    def cpu(self) -> float:
        """Seconds of CPU that the process has used."""
        return usage.cpu(self.process.pid)

    @property
    def looks(self) -> int:
        """How often machines were looked at."""
        path = self.folder / 'looks'
        return path.stat().st_size if path.exists() else 0

    @property
    def size(self) -> int:
        """Entries of the conductor's queue and timers."""
        return int((self.folder / 'size').read_text())


def until(condition: Callable[[], bool], seconds: float = ENOUGH) -> float:
    """Seconds until something is so; those that were waited for if never."""
    begun = time.monotonic()
    while not condition() and time.monotonic() - begun < seconds:
        time.sleep(0.05)
    return time.monotonic() - begun


def told(seconds: float) -> str:
    """A time, with a mark when it was not the end of it."""
    return f'{seconds:.1f} s' + '+' * (seconds >= ENOUGH)


@contextlib.contextmanager
def running(tree: pathlib.Path, broken: bool = False, **options: Any
            ) -> Iterator[Service]:
    """A service of a tree.

    :param broken: its machines never come up.
    """
    with tempfile.TemporaryDirectory(prefix='hd-') as folder:
        test_turns.write(pathlib.Path(folder))
        if broken:
            file = pathlib.Path(folder) / 'blueprints/plant/blueprint.yaml'
            plant = yaml.safe_load(file.read_text())
            plant['infrastructure']['fake']['groups']['worker']['fail'] = True
            file.write_text(yaml.safe_dump(plant))
        one = Service(tree, directories=(folder,), **options)
        with one:
            yield one.start()


def active(one: Service, name: str) -> bool:
    """Whether a cluster is there."""
    return bool(one.call('GET', f'/v1/clusters/{name}').json.get('status')
                == 'ACTIVE')


def edit(one: Service, statement: str) -> None:
    """Change rows of a service's database, behind its back."""
    with contextlib.closing(sqlite3.connect(
            one.folder / 'db.sqlite', timeout=30)) as rows, rows:
        rows.execute(statement)


# -- the faults, by their numbers in the review -------------------------------

def unique_items(tree: pathlib.Path) -> str:
    """51 kB of tags that cannot be sorted."""
    with running(tree) as one:
        used = one.cpu
        one.call('POST', '/v1/clusters', {
            'name': 'x', 'blueprint': 'plant',
            'tags': [{'a': number} for number in range(4000)]})
        return f'{one.cpu - used:.2f} s of CPU'


def query(tree: pathlib.Path) -> str:
    """59 kB of query fields, from nobody."""
    with running(tree) as one:
        used = one.cpu
        where = urllib.parse.urlsplit(one.url)
        with socket.create_connection((where.hostname, where.port)) as caller:
            caller.sendall(b'GET /v1?' + b'&'.join(
                b'a%d' % number for number in range(10000))
                + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
            with contextlib.suppress(ConnectionError):
                while caller.recv(65536):
                    pass
        return f'{one.cpu - used:.2f} s of CPU'


def nudges(tree: pathlib.Path) -> str:
    """One order, asked for 60 times, whose machine is long in coming."""
    with running(tree) as one:
        rates = []
        for times in (1, 60):
            for _ in range(times):
                one.call('POST', '/v1/clusters', {
                    'name': 'x', 'blueprint': 'plant',
                    'parameters': {'boot': 600}},
                    **{'Idempotency-Key': 'same'})
                time.sleep(0.1)
            time.sleep(2)
            seen = one.looks
            time.sleep(10)
            rates.append((one.looks - seen) / 10)
        return '{:.1f}, then {:.1f} looks/s'.format(*rates)


def queue(tree: pathlib.Path) -> str:
    """A worker, a run of 25 seconds, 30 clusters, and a delete."""
    with running(tree, conductor={'workers': 1}) as one:
        one.create('gone', 'plant', boot=600)
        one.create('long', 'plant', seconds=25)
        until(lambda: one.call(
            'GET', '/v1/clusters/long').json['status'] == 'CREATING' and bool(
                one.get('/v1/runs')['runs']))
        for number in range(30):
            one.create(f'c{number}', 'plant', boot=600)
        begun = time.monotonic()
        one.call('DELETE', '/v1/clusters/gone')
        until(lambda: one.call('GET', '/v1/clusters/gone').status == 404)
        took = time.monotonic() - begun
        # The queue has at least eight seconds to grow.
        time.sleep(max(0.0, 8 - took))
        return f'delete {told(took)}, {one.size} entries'


def silent_cloud(tree: pathlib.Path) -> str:
    """Both workers ask a Heat that never answers."""
    heat = test_away.Heat()
    with contextlib.ExitStack() as stack:
        stack.callback(heat.close)
        cloud = test_away.Cloud('')
        stack.enter_context(cloud)
        cloud.roles['ours'] = ['member']
        cloud.services = {'orchestration': heat.url}
        one = stack.enter_context(running(
            tree, conductor={'workers': 2, 'watch_interval': 1},
            service_auth={
                'auth_type': 'password', 'auth_url': cloud.url,
                'username': 'hpcdirect', 'password': test_keystone.PASSWORD,
                'project_name': 'home', 'user_domain_id': 'default',
                'project_domain_id': 'default'}))
        names = ('one', 'two', 'three')
        for name in names:
            one.create(name, 'plant')
        until(lambda: all(active(one, name) for name in names))
        edit(one, "UPDATE clusters SET backend = 'heat', "
             "backend_ref = 'ours/x'")
        until(lambda: heat.asked >= 2)
        one.create('other', 'plant')
        return 'another is there after ' + told(until(
            lambda: active(one, 'other')))


def clock(tree: pathlib.Path) -> str:
    """Resting clusters after a step of the clock by an hour."""
    with running(tree, conductor={'watch_interval': 1}) as one:
        one.create('x', 'plant')
        until(lambda: active(one, 'x'))
        # As rows are that were written before it was set back.
        edit(one, 'UPDATE clusters SET due_at = due_at + 3600')
        seen = one.looks
        return 'looked at after ' + told(until(
            lambda: one.looks > seen + 1))


def long_text(tree: pathlib.Path) -> str:
    """A machine that fails with more words than a column holds."""
    own = mariadb.MariaDB()
    with own, running(tree, broken=True, fault=70000,
                      database={'connection': own.url}) as one:
        one.create('x', 'plant')

        def over() -> bool:
            return all(each['status'] == 'FAILED' for each in one.get(
                '/v1/clusters/x/deployments')['deployments'])

        took = until(over)
        engine = sa.create_engine(own.url, poolclass=sa.NullPool)
        with engine.connect() as rows:
            epoch = rows.exec_driver_sql('SELECT epoch FROM clusters').scalar()
        return f'over after {told(took)}, claimed {epoch} times'


# -- those that are of the database: their source, in a process of the tree ---

_INSIDE = """
import sys
sys.path.insert(0, {tree!r})
import inspect, threading, time
import sqlalchemy as sa
from sqlalchemy import orm
{source}
print({name}({url!r}))
"""


def locked_row(url: str) -> str:
    """Somebody has locked one of two clusters; both are to be renewed."""
    from hpcdirect.db import leases
    engine = sa.create_engine(url)
    with orm.Session(engine) as session:
        for name in 'ab':
            session.execute(sa.text(
                "UPDATE clusters SET owner = 'me', epoch = 1, "
                'lease_until = 9e9 WHERE name = :name'), {'name': name})
        session.commit()
    with engine.connect() as rows:
        idents = dict(rows.exec_driver_sql(
            "SELECT name, id FROM clusters WHERE name IN ('a', 'b')").all())
    held = dict.fromkeys(idents.values(), 1)
    older = 'owner' not in inspect.signature(leases.renew).parameters
    began = time.monotonic()
    with engine.connect() as somebody:
        somebody.execute(sa.text(
            'SELECT id FROM clusters WHERE id = :id FOR UPDATE'),
            {'id': idents['a']})
        timer = threading.Timer(12, somebody.rollback)
        timer.start()
        with orm.Session(engine) as session:
            if older:
                leases.renew(session, held.items(), 10.0)
            else:
                leases.renew(session, 'me', held, 10.0)
            session.commit()
        took = time.monotonic() - began
        timer.cancel()
    return f'renewed after {took:.2f} s'


def summer_time(url: str) -> str:
    """The second after summer time ends, by the database's clock."""
    from hpcdirect.db.clock import utc_seconds
    engine = sa.create_engine(url)
    # What says SYSDATE takes no notice of a time that is set; NOW tells the
    # same local time.
    asked = str(sa.select(utc_seconds()).compile(engine)).replace(
        'SYSDATE', 'NOW')
    found = []
    with engine.connect() as rows:
        for at in (1792889999, 1792890000):
            rows.execute(sa.text(f'SET timestamp = {at}'))
            found.append(float(rows.scalar(sa.text(asked))))
    return f'a second lasts {found[1] - found[0]:+.0f} s'


def of_database(tree: pathlib.Path, work: Callable[[str], str]) -> str:
    """Do one of these on a MariaDB in Berlin, whose tables are the tree's."""
    own = mariadb.Own()
    with own, running(tree, database={
            'connection': own.server.url('own')}) as one:
        for cluster in 'ab':
            one.create(cluster, 'plant')
            until(lambda cluster=cluster: active(one, cluster))
        one.stop()
        done = subprocess.run(
            [sys.executable, '-c', _INSIDE.format(
                tree=str(tree), source=inspect.getsource(work),
                name=work.__name__, url=own.server.url('own'))],
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True)
        return done.stdout.strip()


FAULTS: dict[int, tuple[str, Callable[[pathlib.Path], str]]] = {
    1: ('uniqueItems of 51 kB', unique_items),
    2: ('10,000 query fields', query),
    3: ('60 repeated orders', nudges),
    4: ('one busy worker', queue),
    5: ('a silent cloud', silent_cloud),
    6: ('a row locked for 12 s',
        lambda tree: of_database(tree, locked_row)),
    7: ('summer time ends', lambda tree: of_database(tree, summer_time)),
    8: ('a clock set back an hour', clock),
    9: ('70 kB of fault', long_text),
}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--before', metavar='COMMIT',
                        help='the commit of the other tree; none for this '
                        'tree alone')
    parser.add_argument('--only', type=int, nargs='+', default=list(FAULTS),
                        metavar='NUMBER', choices=list(FAULTS),
                        help='some of the faults')
    asked = parser.parse_args()
    print('load', *os.getloadavg())
    with tempfile.TemporaryDirectory() as folder:
        trees = {'now': ROOT}
        if asked.before:
            packed = subprocess.run(
                ['git', '-C', str(ROOT), 'archive', asked.before],
                check=False, capture_output=True)
            if packed.returncode:
                parser.error(packed.stderr.decode().strip())
            subprocess.run(['tar', '-x', '-C', folder], input=packed.stdout,
                           check=True)
            trees = {asked.before: pathlib.Path(folder), **trees}
        print(f'{"":28}', *(f'{name:32}' for name in trees))
        for number in asked.only:
            title, bring_about = FAULTS[number]
            print(f'{number} {title:26}', *(
                f'{bring_about(tree):32}' for tree in trees.values()),
                flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
