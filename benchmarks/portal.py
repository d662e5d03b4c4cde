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

"""The portal's pages beside Horizon's own page of stacks, in one Horizon.

    portal.py [--sizes 20 1000 10000] [--rounds 20] [--viewers 50]

As many clusters in our tables as stacks in Heat's, each behind its real API.
README.rst beside this file says more.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import html
import json
import os
import pathlib
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE), str(HERE / 'benchmarks')]

from keystoneauth1 import session
from keystoneauth1.identity import v3
import openstack
import requests
import sqlalchemy as sa
import tables

from hpcdirect.client import proxy
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import rabbitmq
from hpcdirect.tests.functional import service

STACKS = 'stacks (Horizon)'
#: A page beside the stacks' at the largest size; milliseconds of CPU of a
#: poll; other pages while many poll beside idle.
PAGE, POLL, CROWD = 0.8, 15.0, 1.5
WARM = 3
_LOGIN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Bed(contextlib.ExitStack):
    """Keystone, both APIs and Horizon, on ports of the loopback."""

    def __init__(self, cache: pathlib.Path) -> None:
        super().__init__()
        self.state = pathlib.Path(tempfile.mkdtemp(prefix='hd-portal-'))
        self.callback(shutil.rmtree, self.state, ignore_errors=True)
        self.bin = cache / 'portal/bin'
        self._cache, self._word = cache, secrets.token_urlsafe(16)
        self.urls = []
        for fixture in (mariadb.MariaDB(), mariadb.MariaDB(),
                        rabbitmq.RabbitMQ()):
            fixture.setUp()
            self.callback(fixture.cleanUp)
            self.urls.append(fixture.url)
        # portal.sh takes two that follow each other.
        self.port = service.free_port()
        self.ours, self.heat, self.horizon = (
            service.free_port() for _ in range(3))
        self.keystone = f'http://127.0.0.1:{self.port + 1}/v3'

    def up(self) -> None:
        """Start them all; one cluster and one stack are there."""
        (self.state / 'people.json').write_text(json.dumps({
            'password': self._word, 'projects': ['lab'], 'people': [
                {'name': 'alice', 'project': 'lab', 'role': 'member'},
                {'name': 'hpcdirect', 'project': 'service',
                 'role': 'admin'}]}))
        command = [HERE / 'tools/portal.sh', 'up', self.state / 'portal',
                   self._cache, str(self.port),
                   f'http://127.0.0.1:{self.ours}']
        self.callback(subprocess.run, [
            HERE / 'tools/portal.sh', 'down', self.state / 'portal'])
        with (self.state / 'people.json').open() as people:
            subprocess.run(command, stdin=people, check=True, env={
                'HPCDIRECT_PORTAL_STACKS': '1', **os.environ})
        self._hpcdirect()
        self._stacks()
        self.start('horizon', self.bin / 'python', '-W', 'ignore',
                   HERE / 'benchmarks/portal_app.py', 'horizon',
                   str(self.horizon),
                   HPCDIRECT_PORTAL_STATE=str(self.state / 'portal'),
                   HPCDIRECT_PORTAL_KEYSTONE=self.keystone)
        self.reach('horizon', f'http://127.0.0.1:{self.horizon}/auth/login/')

    def start(self, name: str, *command: Any, **environment: str
              ) -> subprocess.Popen:
        """A process that ends with this; what it says is in a file."""
        with (self.state / f'{name}.log').open('w') as log:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=HERE,
                env={**os.environ, **environment}, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                start_new_session=True)
        self.callback(service.kill, process)
        return process

    def reach(self, name: str, url: str) -> None:
        """Wait until somebody answers there."""
        def answered() -> bool:
            with contextlib.suppress(OSError):
                requests.get(url, timeout=60)
                return True
            return False

        local_bed.wait_for(answered, 180, 0.2, lambda: (
            self.state / f'{name}.log').read_text()[-4000:])

    def session(self, person: str, project: str) -> session.Session:
        """Somebody's way to the APIs."""
        return session.Session(auth=v3.Password(
            self.keystone, username=person, password=self._word,
            project_name=project, user_domain_id='default',
            project_domain_id='default'))

    def _account(self, *more: str) -> str:
        return '\n'.join((
            'auth_type = password', f'auth_url = {self.keystone}',
            'username = hpcdirect', f'password = {self._word}',
            'user_domain_id = default', *more))

    def _hpcdirect(self) -> None:
        """A cluster that a conductor has made; then the API alone."""
        content = self.state / 'content'
        subprocess.run([sys.executable, '-m', 'hpcdirect.tests.ui.content',
                        content], check=True, cwd=HERE)
        account = self._account('project_name = service',
                                'project_domain_id = default')
        file = self.state / 'hpcdirect.conf'
        file.write_text(f"""
[DEFAULT]
state_path = {self.state}/service
key_file = {self.state}/keys
enabled_backends = fake
enabled_runners = fake
transport_url = fake:/
[api]
host = 127.0.0.1
port = {self.ours}
auth_strategy = keystone
[blueprints]
directories = {content}
[database]
connection = {self.urls[0].replace('%', '%%')}
[keystone_authtoken]
www_authenticate_uri = {self.keystone}
{account}
[service_auth]
{account}
""")
        url = f'http://127.0.0.1:{self.ours}'
        programs = pathlib.Path(sys.executable).parent
        both = self.start('all-in-one', programs / 'hpcdirect-all-in-one',
                          '--config-file', file)
        self.reach('all-in-one', url)
        hpc = proxy.attach(openstack.connection.Connection(
            session=self.session('alice', 'lab')))
        self.cluster = hpc.wait(hpc.create_cluster(
            name='seed', blueprint='slurm', parameters={
                'users': [{'name': 'ada'}]}), timeout=300)
        if self.cluster.status != 'ACTIVE':
            raise SystemExit(self.cluster.status_reason)
        both.terminate()
        both.wait(60)
        self.start('api', programs / 'hpcdirect-api', '--config-file', file)
        self.reach('api', url)

    def _stacks(self) -> None:
        """Heat with an engine, and a stack of nothing."""
        account = self._account('project_name = service',
                                'project_domain_id = default')
        etc, file = self.bin.parent / 'etc/heat', self.state / 'heat.conf'
        file.write_text(f"""
[DEFAULT]
transport_url = {self.urls[2]}
num_engine_workers = 1
auth_encryption_key = {secrets.token_hex(16)}
region_name_for_services = RegionOne
environment_dir = {etc}/environment.d
template_dir = {etc}/templates
[database]
connection = {self.urls[1].replace('%', '%%')}
[paste_deploy]
api_paste_config = {etc}/api-paste.ini
[clients_keystone]
auth_uri = {self.keystone.removesuffix('/v3')}
[oslo_messaging_notifications]
driver = noop
[keystone_authtoken]
www_authenticate_uri = {self.keystone}
{account}
[trustee]
{self._account()}
""")
        admin = openstack.connection.Connection(
            session=self.session('admin', 'admin')).identity
        heat = admin.create_service(type='orchestration', name='heat')
        url = f'http://127.0.0.1:{self.heat}/v1'
        for interface in ('public', 'internal', 'admin'):
            admin.create_endpoint(
                service_id=heat.id, interface=interface,
                region_id='RegionOne', url=f'{url}/%(tenant_id)s')
        given = '--config-file', file
        subprocess.run([self.bin / 'heat-manage', *given, 'db_sync'],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        self.start('heat-engine', self.bin / 'heat-engine', *given)
        self.start('heat-api', self.bin / 'python', '-W', 'ignore',
                   HERE / 'benchmarks/portal_app.py', 'heat', str(self.heat),
                   *given)
        self.reach('heat-api', f'http://127.0.0.1:{self.heat}/')
        alice = self.session('alice', 'lab')
        asked = {'stack_name': 'seed', 'timeout_mins': 5, 'template': {
            'heat_template_version': '2021-04-16',
            'description': 'Nothing.',
            'resources': {'nothing': {'type': 'OS::Heat::None'}}}}
        there: dict[str, Any] = {
            'endpoint_filter': {'service_type': 'orchestration'},
            'raise_exc': False}

        def made() -> bool:
            # The engine may not listen yet.
            found = alice.get('/stacks', **there)
            stacks = found.json().get('stacks') if found.ok else None
            if stacks == []:
                alice.post('/stacks', json=asked, **there)
            return bool(stacks) and (
                stacks[0]['stack_status'] == 'CREATE_COMPLETE')

        local_bed.wait_for(made, 300, 0.5, lambda: (
            self.state / 'heat-engine.log').read_text()[-4000:])

    def fill(self, have: int, wanted: int) -> None:
        """Copy the cluster and the stack until there are so many of each."""
        number = f'(s.seq + {have})'
        times, ident = wanted - have, self.cluster.id
        at = f"'2026-01-01' + INTERVAL {number} SECOND"
        name = f"CONCAT('n', {number})"
        cluster = f"CONCAT('c', {number})"
        own = {'cluster_id': cluster, 'created_at': at}
        copied = f"CONCAT(LEFT(t.id, 20), '-', {number})"
        deployment = copied.replace('t.id', 't.deployment_id')
        step = copied.replace('t.id', 't.step_id')
        with _connected(self.urls[0]) as run:
            if not have:
                run('DELETE FROM events WHERE id NOT IN (SELECT id FROM '
                    '(SELECT id FROM events ORDER BY id DESC LIMIT 10) t)')
            mine = (f"t.cluster_id = '{ident}'", f"t.id = '{ident}'",
                    't.deployment_id IN (SELECT id FROM deployments '
                    f"WHERE cluster_id = '{ident}')")
            for table, which, changes in (
                    ('clusters', mine[1], {
                        'id': cluster, 'name': name, 'created_at': at,
                        'updated_at': at, 'due_at': 'NULL'}),
                    ('nodes', mine[0], {'id': copied, 'cluster_id': cluster}),
                    ('layers', mine[0], {'id': copied,
                                         'cluster_id': cluster}),
                    ('generations', mine[0], {**own, 'id': copied}),
                    ('steps', mine[2], {'id': copied,
                                        'deployment_id': deployment}),
                    ('runs', mine[0], {**own, 'id': copied,
                                       'step_id': step,
                                       'deployment_id': deployment}),
                    ('events', mine[0], {
                        'id': 'NULL', 'cluster_id': cluster, 'at': at,
                        'deployment_id': deployment}),
                    ('deployments', mine[0], {**own, 'id': copied})):
                tables.copy(run, table, None, times, where=which,
                            **changes)
        with _connected(self.urls[1]) as run:
            template = run('SELECT raw_template_id FROM stack '
                           "WHERE name = 'seed'").scalar()
            seed = run("SELECT id FROM stack WHERE name = 'seed'").scalar()
            tables.copy(run, 'raw_template', template, times,
                        id=f'{template} + {number}')
            tables.copy(run, 'stack', seed, times,
                        id=f"CONCAT(LEFT(t.id, 20), '-', {number})",
                        name=name, created_at=at,
                        raw_template_id=f'{template} + {number}')

    def busy(self, ident: str) -> None:
        """One of the clusters is in the middle of a change."""
        with _connected(self.urls[0]) as run:
            run("UPDATE clusters SET status = 'UPDATING' "
                f"WHERE id = '{ident}'")
            run("UPDATE deployments SET status = 'RUNNING', finished_at = "
                f"NULL WHERE cluster_id = '{ident}'")
            run("UPDATE steps SET status = 'RUNNING' WHERE deployment_id IN "
                f"(SELECT id FROM deployments WHERE cluster_id = '{ident}') "
                'ORDER BY position DESC LIMIT 1')


@contextlib.contextmanager
def _connected(url: str):
    """What carries out SQL there; all is committed at the end."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("SET SESSION sql_mode='', foreign_key_checks=0, unique_checks=0")
        yield run
    names = ', '.join(sa.inspect(engine).get_table_names())
    with engine.begin() as connection:
        connection.exec_driver_sql(f'ANALYZE TABLE {names}')


@dataclasses.dataclass
class Took:
    """What one answer took, seconds."""

    wall: float
    cpu: float
    calls: int


class Visitor:
    """Somebody who is logged in, on a connection that is kept."""

    def __init__(self, bed: Bed, person: str) -> None:
        self._base = f'http://127.0.0.1:{bed.horizon}'
        self._http = requests.Session()
        self._http.trust_env = False
        found = self._http.get(f'{self._base}/auth/login/')
        self._http.post(f'{self._base}/auth/login/', data={
            'csrfmiddlewaretoken': _LOGIN.search(found.text)[1],
            'username': person, 'password': bed._word, 'region': 'default',
        }, headers={'Referer': self._base}, allow_redirects=False)

    def copy(self) -> Visitor:
        """The same person in another window, on a connection of its own."""
        found = object.__new__(Visitor)
        found._base, found._http = self._base, requests.Session()
        found._http.trust_env = False
        found._http.cookies.update(self._http.cookies)
        return found

    def ask(self, path: str, form: dict[str, str] | None = None,
            **query: str) -> tuple[requests.Response, Took]:
        """A page or a poll.

        :raises SystemExit: it is none.
        """
        headers = {'X-Requested-With': 'XMLHttpRequest'} if query else {}
        if form is not None:
            form = {**form, 'csrfmiddlewaretoken': next(
                one.value for one in self._http.cookies
                if one.name.startswith('csrftoken'))}
        answer = self._http.request(
            'GET' if form is None else 'POST', f'{self._base}{path}',
            params=query, data=form, headers={
                **headers, 'Referer': self._base}, allow_redirects=False,
            timeout=120)
        if answer.status_code != 200:
            raise SystemExit(f'{path}: {answer.status_code} '
                             f'{answer.headers.get("Location", "")}')
        wall, cpu, calls = answer.headers['X-Measured'].split()
        return answer, Took(float(wall), float(cpu), int(calls))


def pages(cluster: str) -> dict[str, tuple[str, str]]:
    """A title -> who looks, and where."""
    found = {STACKS: ('alice', '/project/stacks/'),
             'Overview': ('alice', '/project/hpc/'),
             'Blueprints': ('alice', '/project/hpc_blueprints/'),
             'Launch': ('alice', '/project/hpc_blueprints/slurm/launch'),
             'Clusters': ('alice', '/project/hpc_clusters/')}
    for title in ('Live', 'Layers', 'Users', 'Monitoring', 'History',
                  'Settings'):
        name = '' if title == 'Live' else title.lower()
        found[title] = 'alice', f'/project/hpc_clusters/{cluster}/{name}'
    return {**found, 'Admin': ('admin', '/admin/hpc/'),
            'Admin, clusters': ('admin', '/admin/hpc/clusters')}


def compare(bed: Bed, people: dict[str, Visitor], size: int, rounds: int
            ) -> int:
    """Print a line for each page; how many are over the bar."""
    shown = pages(bed.cluster.id)
    seen: dict[str, list[Took]] = {title: [] for title in shown}
    titles = list(shown)
    for turn in range(rounds + WARM):
        for title in titles[turn % len(titles):] + titles[
                :turn % len(titles)]:
            person, path = shown[title]
            answer, took = people[person].ask(path)
            if turn == 0 and title == STACKS and 'seed' not in answer.text \
                    and 'n1' not in answer.text:
                raise SystemExit('Horizon shows no stacks')
            if turn >= WARM:
                seen[title].append(took)
    middle = {title: Took(*(statistics.median(column) for column in zip(
        *map(dataclasses.astuple, all_of), strict=True)))
        for title, all_of in seen.items()}
    bar, over = middle[STACKS].wall, 0
    for title, took in middle.items():
        missed = title != STACKS and (
            took.calls > 2
            or (size >= 10000 and took.wall > PAGE * bar))
        over += missed
        print(f'{title:20} {size:6} {took.calls:5.0f} '
              f'{took.wall * 1000:9.1f} {took.cpu * 1000:8.1f} '
              f'{took.wall / bar:6.2f}{" !" if missed else ""}', flush=True)
    return over


class Window:
    """A page that is open, and polls as its script does."""

    def __init__(self, visitor: Visitor, path: str) -> None:
        self.visitor = visitor
        found, _ = visitor.ask(path)
        tag = re.search(r'<\w+ [^>]*data-poll="([^"]*)"[^>]*>', found.text)
        self.path, query = html.unescape(tag[1]).partition('?')[::2]
        self.query = dict(one.split('=', 1) for one in query.split('&')
                          if one)
        self.query |= {name: html.unescape(value) for name, value in
                       re.findall(r'data-ask-(\w+)="([^"]*)"', tag[0])}
        self.wait = float(re.search(r'data-wait="([^"]*)"', tag[0])[1])

    def poll(self) -> Took:
        """Once; what it is asked with next time is what was told."""
        answer, took = self.visitor.ask(self.path, **{'_': '', **self.query})
        found = answer.json()
        if found.get('next'):
            self.query['since'] = found['next']
        self.query |= found.get('ask', {})
        self.wait = found['wait']
        return took


def polls(bed: Bed, people: dict[str, Visitor], moving: str, rounds: int
          ) -> int:
    """Print a line for each poll; how many are over the bar."""
    alice, admin = people['alice'], people['admin']
    live = f'/project/hpc_clusters/{bed.cluster.id}/live'
    open_windows = {
        'Overview': Window(alice, '/project/hpc/'),
        'Clusters': Window(alice, '/project/hpc_clusters/'),
        'Live, moving': Window(alice, f'/project/hpc_clusters/{moving}/'),
        'Live, at rest': Window(
            alice, f'/project/hpc_clusters/{bed.cluster.id}/')}
    asked = {title: window.poll for title, window in open_windows.items()}
    alice.ask('/project/hpc_blueprints/slurm/launch')
    typed = {'name': 'another'}
    asked |= {
        'Live, machines anew': lambda: alice.ask(live, picture='1')[1],
        'Live, steps anew': lambda: alice.ask(
            live, going='1', deployment=bed.cluster.deployment['id'])[1],
        'Capacity': lambda: alice.ask('/project/hpc/capacity', _='')[1],
        'Launch, typing': lambda: alice.ask(
            '/project/hpc_blueprints/slurm/review', typed, _='')[1],
        'Leftovers': lambda: admin.ask('/admin/hpc/leftovers', _='')[1]}
    seen: dict[str, list[Took]] = {title: [] for title in asked}
    for turn in range(rounds + WARM):
        for title, ask in asked.items():
            took = ask()
            if turn >= WARM:
                seen[title].append(took)
    over = 0
    print(f'\n{"poll":20} {"calls":>5} {"server ms":>9} {"CPU ms":>8}')
    for title, all_of in seen.items():
        calls = max(took.calls for took in all_of)
        wall, cpu = (statistics.median(getattr(took, name)
                                       for took in all_of) * 1000
                     for name in ('wall', 'cpu'))
        missed = calls > 1 or cpu > POLL
        over += missed
        print(f'{title:20} {calls:5} {wall:9.1f} {cpu:8.1f}'
              f'{" !" if missed else ""}', flush=True)
    return over


def crowd(people: dict[str, Visitor], moving: str, viewers: int,
          seconds: float) -> int:
    """Other pages while many poll; how many are over the bar."""
    alice = people['alice']
    others = {title: path for title, (person, path) in pages(moving).items()
              if title in (STACKS, 'Overview', 'Blueprints', 'Clusters',
                           'Layers')}

    def look() -> dict[str, float]:
        took: dict[str, list[float]] = {title: [] for title in others}
        end = time.monotonic() + seconds
        while time.monotonic() < end or len(took[STACKS]) < 5:
            for title, path in others.items():
                begun = time.monotonic()
                alice.ask(path)
                took[title].append(time.monotonic() - begun)
        return {title: statistics.median(all_of) * 1000
                for title, all_of in took.items()}

    windows = [Window(alice.copy(), f'/project/hpc_clusters/{moving}/')
               for _ in range(viewers)]
    over, done = threading.Event(), [0] * viewers

    def watch(number: int) -> None:
        # Not all at once.
        wait = windows[number].wait * number / viewers
        while not over.wait(wait):
            windows[number].poll()
            done[number] += 1
            wait = windows[number].wait

    idle = [look()]
    threads = [threading.Thread(target=watch, args=(number,))
               for number in range(viewers)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    busy = look()
    lasted = time.monotonic() - begun
    over.set()
    for thread in threads:
        thread.join()
    idle.append(look())
    missed = 0
    print(f'\n{viewers} viewers, {sum(done) / lasted:.1f} polls/s'
          f'\n{"page":20} {"idle ms":>9} {"busy ms":>9} {"ratio":>6}')
    for title in others:
        quiet = statistics.mean(one[title] for one in idle)
        ratio = busy[title] / quiet
        missed += ratio > CROWD
        print(f'{title:20} {quiet:9.1f} {busy[title]:9.1f} {ratio:6.2f}'
              f'{" !" if ratio > CROWD else ""}', flush=True)
    return missed


def main() -> int:
    """Measure, and say what is over a bar."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--sizes', type=int, nargs='+',
                        default=[20, 1000, 10000])
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--viewers', type=int, default=50)
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--cache', type=pathlib.Path, default=pathlib.Path(
        '~/.cache/hpcdirect/stacks').expanduser())
    asked = parser.parse_args()
    print(f'Load {os.getloadavg()[0]:.1f}', flush=True)
    with Bed(asked.cache.resolve()) as bed:
        bed.up()
        people = {name: Visitor(bed, name) for name in ('alice', 'admin')}
        print(f'{"page":20} {"number":>6} {"calls":>5} {"server ms":>9} '
              f'{"CPU ms":>8} {"ratio":>6}')
        have = over = 0
        for size in asked.sizes:
            # The one that all are copies of counts as well.
            bed.fill(have, size - 1)
            have = size - 1
            over += compare(bed, people, size, asked.rounds)
        bed.busy('c1')
        over += polls(bed, people, 'c1', asked.rounds)
        if asked.viewers:
            over += crowd(people, 'c1', asked.viewers, asked.seconds)
    print(f'Load {os.getloadavg()[0]:.1f}; {over} over the bars')
    return bool(over)


if __name__ == '__main__':
    sys.exit(main())
