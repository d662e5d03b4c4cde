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

"""What a page of a large table costs the API and its database.

    tables.py [--clusters 100000] [--requests 20] [--source TREE]

A MariaDB server of its own is filled by SQL: 50 projects, and for each
cluster 4 nodes, 2 deployments, 10 steps, 2 tags, 2 runs and 10 events. The
API is the one of TREE, another checkout for instance, as a process with HTTP
and accounts. CPU is that of the two processes, by /proc, and the limit is for
both together. README.rst beside this file says more.
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Callable
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any
import urllib.request

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HERE))

import bcrypt
import sqlalchemy as sa

from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.unit.blueprints import folders

LIMIT = 30.0
PROJECTS = 50
OWN = 'p7'
WORD = 'a-word'
_SERVE = ('from hpcdirect.cmd import {0} as one; '
          'raise SystemExit(one.main())')

# Rows by table, column by column; what is not named is empty.
NODES = ''.join(
    f"INSERT INTO nodes SET id='seed-{number}', cluster_id='seed', "
    f"name='{group}-{number}', node_group='{group}', incarnation=1, "
    f"status='UP', address='192.0.2.{number}', ref='r', ssh='{{}}', "
    "fault='', created_at=NOW(6), updated_at=NOW(6);"
    for number, group in enumerate(('head', *['compute'] * 3)))


class Filled:
    """A database with many rows in it."""

    def __init__(self, clusters: int) -> None:
        fixture = mariadb.MariaDB()
        fixture.setUp()
        self.url = fixture.url
        self.pid = mariadb._server.process.pid
        self._clusters = clusters
        self._engine = sa.create_engine(self.url, poolclass=sa.NullPool)

    def fill(self, ident: str) -> None:
        """Copy one cluster, which the API has made, many times."""
        with self._engine.begin() as connection:
            self._run = connection.exec_driver_sql
            self._run('SET GLOBAL innodb_buffer_pool_size = 1 << 30')
            self._run("SET SESSION sql_mode='', foreign_key_checks=0, "
                      'unique_checks=0')
            self._seed(ident)
            self._copies()
        tables = sa.inspect(self._engine).get_table_names()
        with self._engine.begin() as connection:
            connection.exec_driver_sql('ANALYZE TABLE ' + ', '.join(tables))

    def _seed(self, ident: str) -> None:
        """One cluster with an id of its own, and all that goes with it."""
        for table in ('deployments', 'generations', 'events'):
            self._run(f"UPDATE {table} SET cluster_id='seed' "
                      f"WHERE cluster_id='{ident}'")
        self._run(f"UPDATE clusters SET id='seed', status='ACTIVE', "
                  f"due_at=NULL WHERE id='{ident}'")
        self._run("UPDATE deployments SET id='seed-0', status='SUCCEEDED'")
        self._run("UPDATE events SET deployment_id='seed-0'")
        for statement in filter(None, NODES.split(';')):
            self._run(statement)
        self._copy('deployments', 'seed-0', id="'seed-1'")
        for number in range(10):
            deployment = f'seed-{number // 5}'
            self._run(
                f"INSERT INTO steps SET id='seed-{number}', "
                f"deployment_id='{deployment}', position={number % 5}, "
                "kind='apply', element='munge', nodes='[]', "
                "status='SUCCEEDED', reason=''")
        for number in range(2):
            self._run(
                f"INSERT INTO runs SET id='seed-{number}', "
                "cluster_id='seed', project_id='p7', "
                f"deployment_id='seed-{number}', step_id='seed-{number}', "
                "verb='apply', element='munge', nodes='[]', "
                "status='SUCCEEDED', summary='{}', runner='fake', "
                'created_at=NOW(6)')
            self._run(f"INSERT INTO cluster_tags SET cluster_id='seed', "
                      f"tag='word{number}'")
        for number in range(9):
            self._copy('events', None, id='NULL', kind="'task'",
                       task=f"'task {number}'")

    def _copies(self) -> None:
        at = "'2026-01-01' + INTERVAL s.seq SECOND"
        project = f"CONCAT('p', s.seq MOD {PROJECTS})"
        cluster, ident = "CONCAT('c', s.seq)", "CONCAT(t.id, '-', s.seq)"
        own = {'cluster_id': cluster, 'project_id': project,
               'created_at': at}
        deployment = "CONCAT(t.deployment_id, '-', s.seq)"
        for table, changes in {
                'clusters': {'id': cluster, 'name': "CONCAT('n', s.seq)",
                             'project_id': project, 'created_at': at,
                             'updated_at': at},
                'nodes': {'id': ident, 'cluster_id': cluster},
                'deployments': {**own, 'id': ident},
                'steps': {'id': ident, 'deployment_id': deployment},
                'cluster_tags': {'cluster_id': cluster},
                'runs': {**own, 'id': ident, 'deployment_id': deployment},
                'events': {'id': 'NULL', 'cluster_id': cluster,
                           'project_id': project,
                           'deployment_id': deployment, 'at': at},
        }.items():
            begin = time.monotonic()
            self._copy(table, None, self._clusters, **changes)
            print(f'  {table}: {time.monotonic() - begin:.0f} s', flush=True)

    def _copy(self, table: str, ident: str | None, times: int = 1,
              **changes: str) -> None:
        copy(self._run, table, ident, times, **changes)


def copy(run: Callable[[str], Any], table: str, ident: str | None,
         times: int = 1, *, where: str = '', **changes: str) -> None:
    """Insert rows of a table once more, but for some columns.

    :param run: carries out a statement of SQL.
    :param ident: of the row that is copied; None for every row.
    :param where: which rows ``t``, when it is not one and not all.
    :param changes: column -> an expression of SQL, where ``t`` is the row and
        ``s.seq`` the copy's number, from 1 to *times*.
    """
    columns = [row[0] for row in run(
        'SELECT column_name FROM information_schema.columns WHERE '
        f"table_schema = DATABASE() AND table_name = '{table}'")]
    names = ', '.join(f'`{name}`' for name in columns)
    values = ', '.join(changes.get(name, f't.`{name}`') for name in columns)
    if ident:
        where = f"t.id = '{ident}'"
    which = f'WHERE {where}' if where else ''
    limit = 'LIMIT 1' if table == 'events' and times == 1 else ''
    run(f'INSERT INTO {table} ({names}) SELECT {values} FROM '
        f'(SELECT * FROM {table} t {which} {limit}) t '
        f'JOIN seq_1_to_{times} s')


class Api:
    """The API of a source tree, as a process."""

    def __init__(self, source: pathlib.Path, url: str) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='hd-tables-'))
        self.port = service.free_port()
        self._source = source
        folders.write_tree(self.folder, {
            **folders.BLUEPRINT, 'infrastructure': {'fake': {'groups': {
                'head': {}, 'compute': {}}}}})
        secret = bcrypt.hashpw(WORD.encode(), bcrypt.gensalt(4)).decode()
        (self.folder / 'users').write_text(
            f'me:{secret}:{OWN}:admin,member\n')
        (self.folder / 'users').chmod(0o600)
        (self.folder / 'conf').write_text(f"""
[DEFAULT]
state_path = {self.folder}
key_file = {self.folder}/keys
use_stderr = true
enabled_backends = fake
enabled_runners = fake
transport_url = fake:/
[api]
port = {self.port}
auth_strategy = basic
[blueprints]
directories = {self.folder}
[database]
connection = {url.replace('%', '%%')}
""")

    def start(self) -> None:
        """Make the tables and the keys; serve."""
        subprocess.run(self._command(_SERVE.format('db_manage'), 'upgrade'),
                       cwd=self._source, check=True)
        subprocess.run(self._command(
            'from hpcdirect.keys import KeyRing; '
            f'KeyRing.load_or_create({str(self.folder / "keys")!r})'),
            cwd=self._source, check=True)
        self.process = subprocess.Popen(
            self._command(_SERVE.format('api')), cwd=self._source,
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "log").open("w"))
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.get('/v1')
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit('hpcdirect-api does not answer')

    def _command(self, code: str, *arguments: str) -> list[str]:
        return [sys.executable, '-c', 'import sys; sys.path.insert(0, '
                f'{str(self._source)!r}); {code}',
                '--config-file', str(self.folder / 'conf'), *arguments]

    def get(self, path: str, body: object = None) -> dict:
        """The JSON of an answer."""
        token = base64.b64encode(f'me:{WORD}'.encode()).decode()
        request = urllib.request.Request(
            f'http://127.0.0.1:{self.port}{path}',
            data=None if body is None else json.dumps(body).encode(),
            headers={'Authorization': f'Basic {token}',
                     'Content-Type': 'application/json'})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def cpu(pid: int) -> float:
    """Milliseconds that a process has had of processors so far."""
    spent = 0
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        try:
            spent += int((task / 'schedstat').read_text().split()[0])
        except OSError:
            continue
    return spent / 1e6


def pages(clusters: int) -> dict[str, str]:
    """What is asked for: a name -> a path."""
    own = clusters // PROJECTS
    found = {}
    rest = min(100, own // 4)
    for name, mark, last in (
            ('clusters', 'c{}', rest), ('deployments', 'seed-0-{}', rest // 2),
            ('runs', 'seed-0-{}', rest // 2)):
        found[f'own {name}, first'] = f'/v1/{name}?limit=100'
        for place, number in (('middle', own // 2), ('last', last)):
            marker = mark.format(number * PROJECTS + 7)
            found[f'own {name}, {place}'] = (
                f'/v1/{name}?limit=100&marker={marker}')
    for place, more in (('first', ''), (
            'middle', f'&marker=c{clusters // 2}'), ('last', '&marker=c101')):
        found[f'all clusters, {place}'] = (
            f'/v1/clusters?limit=100&all_projects=true{more}')
    for place, number in (('first', 0), ('middle', clusters * 5),
                          ('last', clusters * 10 - 5000)):
        found[f'own events, {place}'] = f'/v1/events?limit=100&marker={number}'
    found['own events, level=error (none)'] = '/v1/events?level=error'
    for title, query in (
            ('fields=id,name,status', 'limit=100&fields=id,name,status'),
            ('status= (none)', 'limit=100&status=ERROR'),
            ('sort=name', 'limit=100&sort=name'), ('name=', 'name=n57')):
        found[f'own clusters, {title}'] = f'/v1/clusters?{query}'
        found[f'all clusters, {title}'] = (
            f'/v1/clusters?all_projects=true&{query}')
    found['one cluster'] = '/v1/clusters/c57'
    found['own summary'] = '/v1/summary'
    found['blueprints'] = '/v1/blueprints'
    return found


def main() -> int:
    """Measure, and say what is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--clusters', type=int, default=100000)
    parser.add_argument('--requests', type=int, default=20)
    parser.add_argument('--source', type=pathlib.Path, default=HERE)
    asked = parser.parse_args()
    print(f'Load {os.getloadavg()[0]:.1f}; {asked.clusters} clusters; '
          f'{asked.source}', flush=True)
    database = Filled(asked.clusters)
    api = Api(asked.source.resolve(), database.url)
    api.start()
    try:
        database.fill(api.get('/v1/clusters', {
            'name': 'seed', 'blueprint': 'small'})['id'])
        over = measure(api, database.pid, asked)
    finally:
        api.stop()
    print(f'Load {os.getloadavg()[0]:.1f}; {over} over {LIMIT:.0f} ms')
    return bool(over)


def measure(api: Api, database: int, asked: argparse.Namespace) -> int:
    """Print a line for each kind of page; how many cost too much."""
    over = 0
    print(f'{"page of 100 unless said":40} {"entries":>7} {"API ms":>7} '
          f'{"DB ms":>7} {"both":>7}')
    for title, path in pages(asked.clusters).items():
        answer = api.get(path)
        entries = next((len(value) for value in answer.values()
                        if isinstance(value, list)), 1)
        before = cpu(api.process.pid), cpu(database)
        for _ in range(asked.requests):
            api.get(path)
        spent = [(cpu(pid) - then) / asked.requests for pid, then in zip(
            (api.process.pid, database), before, strict=True)]
        over += sum(spent) > LIMIT
        print(f'{title:40} {entries:7} {spent[0]:7.1f} {spent[1]:7.1f} '
              f'{sum(spent):7.1f}{" !" if sum(spent) > LIMIT else ""}',
              flush=True)
    return over


if __name__ == '__main__':
    sys.exit(main())
