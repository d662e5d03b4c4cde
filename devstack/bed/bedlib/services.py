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

"""The table of services: what each is, where it listens, when it works."""

from __future__ import annotations

import pathlib

from bedlib import settings
from bedlib.processes import Service

#: Started before any database is there, ended last.
INFRASTRUCTURE = ('mariadb', 'epmd', 'rabbitmq', 'memcached', 'mirror')


def table(bed: settings.Bed) -> dict[str, Service]:
    """All services by name, in the order they are started."""
    services = [*_infrastructure(bed), *_openstack(bed), *_hpcdirect(bed)]
    return {service.name: service for service in services}


def _uwsgi(bed: settings.Bed, name: str, port: int, path: str, module: str,
           arguments: str = '', **environment: str) -> Service:
    """An API: one process, since there are so many of them."""
    return Service(name, (
        f'{bed.venv}/bin/uwsgi', '--http-socket', f'127.0.0.1:{port}',
        '--module', f'{module}:application', '--pyargv', arguments,
        '--master', '--processes', '1', '--threads', '4', '--enable-threads',
        '--lazy-apps', '--need-app', '--die-on-term', '--disable-logging',
        # What is kept open here is cut off without a word to the client.
        '--add-header', 'Connection: close',
        '--buffer-size', '65535', '--http-chunked-input',
        '--procname-prefix', f'{name} '), environment, port, path)


def _infrastructure(bed: settings.Bed) -> list[Service]:
    rabbit = {
        'HOME': f'{bed.data}/rabbitmq',
        'RABBITMQ_NODENAME': 'rabbit@localhost',
        'RABBITMQ_MNESIA_BASE': f'{bed.data}/rabbitmq/mnesia',
        'RABBITMQ_LOG_BASE': f'{bed.data}/rabbitmq/log',
        'RABBITMQ_PID_FILE': f'{bed.data}/rabbitmq/pid',
        'RABBITMQ_CONFIG_FILE': f'{bed.data}/rabbitmq/rabbitmq.conf',
        'RABBITMQ_ENABLED_PLUGINS_FILE': f'{bed.data}/rabbitmq/plugins',
        'RABBITMQ_CONF_ENV_FILE': '/dev/null',
        'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS':
            '-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 '
            '+sbwt none +sbwtdcpu none +sbwtdio none'}
    # What is in PATH changes the user by itself and loses the environment.
    server = next(pathlib.Path('/usr/lib/rabbitmq').glob(
        'bin/rabbitmq-server'), pathlib.Path('rabbitmq-server'))
    return [
        Service('mariadb', (
            'mariadbd', f'--defaults-file={bed.etc}/mariadb.cnf'), port=3306),
        # Started by hand, or RabbitMQ leaves one behind.
        Service('epmd', ('epmd', '-address', '127.0.0.1'), port=4369,
                user='rabbitmq'),
        Service('rabbitmq', (str(server),), rabbit, 5672, user='rabbitmq'),
        Service('memcached', (
            'memcached', '-u', 'memcache', '-l', '127.0.0.1', '-m', '64'),
            port=11211),
        Service('mirror', (
            f'{bed.python}/bin/python',
            f'{bed.checkout}/devstack/bed/lib/mirror.py', bed.gateway,
            '3142'), port=3142, address=bed.gateway),
    ]


def _openstack(bed: settings.Bed) -> list[Service]:
    etc, programs = bed.etc, f'{bed.venv}/bin'
    nova = ('--config-file', f'{etc}/nova/nova.conf')
    return [
        _uwsgi(bed, 'keystone', 5000, '/v3', 'keystone.wsgi.api',
               f'--config-file {etc}/keystone/keystone.conf'),
        Service('ironic', (
            f'{programs}/ironic', '--config-file',
            f'{etc}/ironic/ironic.conf'), port=6385, path='/v1'),
        _uwsgi(bed, 'placement', 8778, '/', 'placement.wsgi.api',
               OS_PLACEMENT_CONFIG_DIR=f'{etc}/placement'),
        _uwsgi(bed, 'glance', 9292, '/', 'glance.wsgi.api',
               OS_GLANCE_CONFIG_DIR=f'{etc}/glance'),
        _uwsgi(bed, 'neutron', 9696, '/', 'neutron.wsgi.api',
               OS_NEUTRON_CONFIG_DIR=f'{etc}/neutron',
               OS_NEUTRON_CONFIG_FILES='neutron.conf;ml2_conf.ini'),
        # The paste file has to be the first, or there are no applications.
        _uwsgi(bed, 'nova-api', 8774, '/', 'nova.wsgi.osapi_compute',
               OS_NOVA_CONFIG_DIR=f'{etc}/nova', OS_NOVA_CONFIG_FILES=(
                   f'{bed.venv}/etc/nova/api-paste.ini;nova.conf')),
        _uwsgi(bed, 'heat-api', 8004, '/', 'heat.wsgi.api',
               f'--config-file {etc}/heat/heat.conf'),
        Service('nova-conductor', (f'{programs}/nova-conductor', *nova),
                after='rabbitmq'),
        Service('nova-scheduler', (f'{programs}/nova-scheduler', *nova),
                after='rabbitmq'),
        Service('heat-engine', (
            f'{programs}/heat-engine', '--config-file',
            f'{etc}/heat/heat.conf'), after='rabbitmq'),
        # It asks the conductor and waits ten seconds when it was too early.
        Service('nova-compute', (
            f'{programs}/nova-compute', '--config-file',
            f'{etc}/nova/nova-compute.conf'), after='nova-api'),
    ]


def _hpcdirect(bed: settings.Bed) -> list[Service]:
    etc = bed.etc / 'hpcdirect'
    surroundings = {
        # The API reads hpcdirect.conf of its home folder: a WSGI server's
        # command line is not an application's.
        'HOME': str(etc), 'PYTHONPATH': '',
        'APT_CONFIG': f'{bed.etc}/apt.conf',
        'PATH': f'{bed.python}/bin:/usr/sbin:/usr/bin:/sbin:/bin'}
    conductor = (f'{bed.python}/bin/hpcdirect-conductor', '--config-file',
                 f'{etc}/hpcdirect.conf')
    portal = Service('horizon', (
        f'{bed.cache}/portal/bin/python', '-W', 'ignore',
        f'{bed.checkout}/tools/portal/serve.py', 'horizon', '8080'), {
            'HPCDIRECT_PORTAL_STATE': f'{bed.data}/horizon',
            'HPCDIRECT_PORTAL_KEYSTONE': 'http://127.0.0.1:5000/v3',
            'PYTHONPATH': ''}, 8080, '/auth/login/')
    return [
        Service('hpcdirect-api', (
            f'{bed.venv}/bin/uwsgi', '--ini',
            f'{bed.checkout}/etc/hpcdirect/uwsgi.ini',
            '--home', str(bed.python)), surroundings, 9517, '/healthcheck'),
        *(Service(f'hpcdirect-conductor-{number}', conductor, surroundings,
                  after='rabbitmq')
          for number in range(1, bed.conductors + 1)),
        Service('hpcdirect-metrics', (
            f'{bed.python}/bin/hpcdirect-metrics', '--config-file',
            f'{etc}/hpcdirect.conf'), surroundings, 9519),
        *([portal] if bed.portal else [])]
