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

"""MariaDB's folder, RabbitMQ's, and the tables of all services.

Making Nova's and Neutron's tables takes most of a first start, so what comes
out is kept in the cache, by the digest of the releases that made it. There is
no password in it: Nova's cells name their database by a template.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent import futures
import pathlib
import shutil
import subprocess

from bedlib import processes
from bedlib import settings

_NAMES = ('keystone', 'ironic', 'placement', 'glance', 'neutron', 'nova',
          'nova_api', 'nova_cell0', 'heat')
_CELL = '{scheme}://{username}:{password}@{hostname}:{port}/'


def prepare(bed: settings.Bed) -> None:
    """The folders of MariaDB and RabbitMQ, which are not root's."""
    for folder, user in ((bed.data / 'rabbitmq', 'rabbitmq'),
                         (bed.run / 'mariadb', 'mysql')):
        folder.mkdir(exist_ok=True)
        shutil.chown(folder, user, user)
    config = bed.data / 'rabbitmq' / 'rabbitmq.conf'
    shutil.copy(bed.etc / 'rabbitmq.conf', config)
    plugins = bed.data / 'rabbitmq' / 'plugins'
    plugins.write_text('[].\n')
    for path in (config, plugins):
        shutil.chown(path, 'rabbitmq', 'rabbitmq')
    data = bed.data / 'mariadb'
    if not (data / 'mysql').is_dir():
        data.mkdir(exist_ok=True)
        shutil.chown(data, 'mysql', 'mysql')
        processes.run(bed, 'mariadb-install', 'mariadb-install-db',
                      f'--defaults-file={bed.etc}/mariadb.cnf',
                      '--auth-root-authentication-method=socket',
                      '--skip-test-db')


def create(bed: settings.Bed) -> None:
    """All databases and the user who owns them, empty for now."""
    lines = ["CREATE USER IF NOT EXISTS openstack@'127.0.0.1';",
             "ALTER USER openstack@'127.0.0.1' IDENTIFIED BY "
             f"'{bed.secrets['database']}';"]
    for name in (*_NAMES, 'hpcdirect'):
        lines += [f'CREATE DATABASE IF NOT EXISTS {name};',
                  f"GRANT ALL ON {name}.* TO openstack@'127.0.0.1';"]
    subprocess.run(_client(bed, 'mariadb'), input='\n'.join(lines),
                   text=True, check=True)


def fill(bed: settings.Bed) -> None:
    """The tables of all OpenStack services, once."""
    done = bed.data / 'tables'
    kept = bed.cache / f'tables-{bed.venv.name}.sql'
    if done.exists():
        return
    if kept.exists():
        with kept.open() as file:
            subprocess.run(_client(bed, 'mariadb'), stdin=file, check=True)
    else:
        _make(bed)
        _keep(bed, kept)
    done.touch()


def fill_hpcdirect(bed: settings.Bed) -> None:
    """Its tables, as this checkout wants them, and its key file."""
    for verb in ('upgrade', 'create-key'):
        processes.run(bed, 'hpcdirect-db-manage',
                      f'{bed.python}/bin/hpcdirect-db-manage',
                      '--config-file', f'{bed.etc}/hpcdirect/hpcdirect.conf',
                      verb)


def _make(bed: settings.Bed) -> None:
    """Nova's beside all the others': it takes as long as they do."""
    with futures.ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(_run_all, bed, _nova(bed)),
                     pool.submit(_run_all, bed, _others(bed))]:
            made.result()


def _run_all(bed: settings.Bed, commands: Iterable[list[str]]) -> None:
    for program, *arguments in commands:
        processes.run(bed, f'tables-{program}', f'{bed.venv}/bin/{program}',
                      *arguments)


def _others(bed: settings.Bed) -> list[list[str]]:
    etc = bed.etc
    return [
        ['keystone-manage', '--config-file', f'{etc}/keystone/keystone.conf',
         'db_sync'],
        ['ironic-dbsync', '--config-file', f'{etc}/ironic/ironic.conf',
         'upgrade'],
        ['heat-manage', '--config-file', f'{etc}/heat/heat.conf', 'db_sync'],
        ['placement-manage', '--config-file',
         f'{etc}/placement/placement.conf', 'db', 'sync'],
        ['glance-manage', '--config-file', f'{etc}/glance/glance-api.conf',
         'db_sync'],
        ['neutron-db-manage', '--config-file', f'{etc}/neutron/neutron.conf',
         '--config-file', f'{etc}/neutron/ml2_conf.ini', 'upgrade', 'head']]


def _nova(bed: settings.Bed) -> list[list[str]]:
    manage = ['nova-manage', '--config-file', f'{bed.etc}/nova/nova.conf']
    return [
        [*manage, 'api_db', 'sync'],
        [*manage, 'cell_v2', 'map_cell0', '--database_connection',
         f'{_CELL}nova_cell0?{{query}}'],
        [*manage, 'db', 'sync'],
        [*manage, 'cell_v2', 'create_cell', '--name', 'cell1',
         '--database_connection', f'{_CELL}{{path}}?{{query}}',
         '--transport-url', _CELL]]


def _keep(bed: settings.Bed, path: pathlib.Path) -> None:
    new = path.with_suffix(f'.{bed.name}')
    with new.open('w') as file:
        subprocess.run([*_client(bed, 'mariadb-dump'), '--databases',
                        *_NAMES], stdout=file, check=True)
    new.rename(path)


def _client(bed: settings.Bed, program: str) -> list[str]:
    return [program, f'--socket={bed.run}/mariadb/socket', '--user=root']
