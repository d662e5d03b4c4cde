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

"""Requests a second of the API beside Ironic's, Heat's and Nova's.

    api.py [--rounds 5] [--seconds 3] [--clients 8] [--source TREE ...]

Brings up the bed of devstack/ when it is not up, as root. Each TREE (this one
when none is named) serves an API of its own, by uwsgi with one process of four
threads as the peers have, on the bed's Keystone, MariaDB and memcached. wrk
sends the requests, a new connection each, in rounds whose order turns. Prints
medians, CPU a request of the serving processes, and the ratios with their
bars. README.rst beside this file says more.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(HERE), str(HERE / 'benchmarks')]

import usage

BED = HERE / 'devstack/bed/bed'
#: What of a cluster Ironic's short list tells of a node.
SHORT = 'id,name,status,blueprint,protected,updated_at,links'
NUMBER = 20
BARS = (('GET one', 'best peer', 1.3), ('list, short', 'ironic', 1.3),
        ('list, full', 'ironic', 2.5), ('POST', 'ironic', 1.0))
_COUNTING = """
request = function()
  number = (number or {first}) + 1
  return wrk.format("POST", nil, nil, string.gsub({body!r}, "NUMBER",
                    "{name}" .. number))
end
"""


@dataclasses.dataclass
class Peer:
    """One API.

    :param port: where it listens; whoever listens there is measured.
    :param also: words of the command line of what else works for it.
    """

    name: str
    port: int
    requests: dict[str, tuple[str, str, str]]
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    also: str = ''

    def pids(self) -> set[int]:
        """Processes that answer, or help to."""
        said = subprocess.run(['ss', '-ltnpH', f'sport = :{self.port}'],
                              capture_output=True, text=True, check=True)
        found = set(map(int, re.findall(r'pid=(\d+)', said.stdout)))
        if self.also:
            more = subprocess.run(['pgrep', '-f', self.also], check=False,
                                  capture_output=True, text=True)
            found |= set(map(int, more.stdout.split()))
        return found

    def cpu(self) -> float:
        """Seconds of CPU that they have had."""
        seconds = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                seconds += usage.cpu(pid)
        return seconds


def main() -> int:
    """Measure in the bed's network."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=int, default=3)
    parser.add_argument('--clients', type=int, default=8)
    parser.add_argument('--source', type=pathlib.Path, action='append')
    asked = parser.parse_args()
    if 'HPCDIRECT_IN_BED' not in os.environ:
        subprocess.run([BED, 'up'], check=True)
        return subprocess.run(
            [BED, 'exec', 'env', 'HPCDIRECT_IN_BED=1', sys.executable,
             __file__, *sys.argv[1:]], check=False).returncode
    return measure(asked)


def measure(asked: argparse.Namespace) -> int:
    """Set up everybody, and let them take turns."""
    import openstack
    cloud = openstack.connect(cloud='bed-admin')
    headers = {'X-Auth-Token': cloud.auth_token}
    ours = [serve(source.resolve(), number, cloud)
            for number, source in enumerate(asked.source or [HERE])]
    try:
        peers = [*(peer for peer, _ in ours), ironic(cloud), heat(cloud),
                 nova(cloud)]
        for peer in peers:
            peer.headers.update(headers)
        seen = {(peer.name, kind): []
                for peer in peers for kind in peer.requests}
        print(f'Load {os.getloadavg()[0]:.1f}', flush=True)
        for turn in range(asked.rounds):
            order = peers[turn % len(peers):] + peers[:turn % len(peers)]
            for kind in ('GET one', 'list, short', 'list, full', 'POST'):
                for peer in order:
                    if kind in peer.requests:
                        seen[peer.name, kind].append(
                            sample(peer, kind, turn, asked))
        return report(seen, [peer.name for peer, _ in ours])
    finally:
        for _, process in ours:
            process.terminate()
            process.wait(30)


def serve(source: pathlib.Path, number: int, cloud) -> tuple[
        Peer, subprocess.Popen]:
    """An API of a source tree, with twenty clusters at rest."""
    bed = pathlib.Path(os.environ['BED_PATH'])
    home = pathlib.Path(tempfile.mkdtemp(prefix='hd-api-'))
    port, database = 19517 + number, f'bench{number}'
    given = (bed / 'etc/hpcdirect/hpcdirect.conf').read_text()
    url = re.search(r'^connection = (.*)$', given, re.M)[1]
    given = given.replace(url, url.replace('/hpcdirect', f'/{database}', 1))
    given = re.sub(r'^enabled_backends.*$', 'enabled_backends = fake', given,
                   flags=re.M)
    given = re.sub(r'^state_path = .*/hpcdirect$', f'state_path = {home}',
                   given, flags=re.M)
    given = re.sub(r'^directories = .*$', f'directories = {source}', given,
                   flags=re.M)
    given = re.sub(r'^transport_url = .*$', 'transport_url = fake:/', given,
                   flags=re.M)
    if 'enabled_backends' not in given:
        given = given.replace('[DEFAULT]', '[DEFAULT]\n'
                              'enabled_backends = fake', 1)
    file = home / 'hpcdirect.conf'
    file.write_text(given)
    file.chmod(0o600)
    _database(database)
    environment = {**os.environ, 'HOME': str(home),
                   'PYTHONPATH': str(source)}
    subprocess.run([sys.executable, '-c', _fill(file)], check=True,
                   env=environment, cwd=source)
    process = subprocess.Popen(
        ['uwsgi', '--http-socket', f'127.0.0.1:{port}',
         '--module', 'hpcdirect.wsgi.api:application', '--home',
         str(pathlib.Path(sys.executable).parents[1]), '--master',
         '--processes', '1', '--threads', '4', '--enable-threads',
         '--lazy-apps', '--need-app', '--die-on-term', '--disable-logging',
         '--add-header', 'Connection: close', '--buffer-size', '65535'],
        env=environment, cwd=source, stdout=(home / 'log').open('w'),
        stderr=subprocess.STDOUT)
    base, headers = f'http://127.0.0.1:{port}/v1/clusters', {
        'X-Auth-Token': cloud.auth_token}
    end = time.monotonic() + 60
    while curl(f'{base}?limit=1', headers)[0] != 200:
        if time.monotonic() > end or process.poll() is not None:
            raise SystemExit((home / 'log').read_text()[-3000:])
        time.sleep(0.2)
    idents = [curl(base, headers, json.dumps({
        'name': f'bench-{one}', 'blueprint': 'bench'}))[1]['id']
        for one in range(NUMBER)]
    subprocess.run([sys.executable, '-c', _settle(file, idents)], check=True,
                   env=environment, cwd=source)
    body = json.dumps({'name': 'NUMBER', 'blueprint': 'bench'})
    return Peer(f'hpcdirect {source}', port, {
        'GET one': ('GET', f'{base}/{idents[0]}', ''),
        'list, short': ('GET', f'{base}?limit=20&fields={SHORT}'
                        '&sort=name', ''),
        'list, full': ('GET', f'{base}?limit=20&sort=name', ''),
        'POST': ('POST', base, body)}), process


def _database(name: str) -> None:
    """An empty database beside the bed's own, for the same user."""
    etc = pathlib.Path(os.environ['BED_PATH'], 'etc/mariadb.cnf').read_text()
    socket = re.search(r'^socket\s*=\s*(.*)$', etc, re.M)[1]
    subprocess.run(
        ['mariadb', f'--socket={socket}'], check=True, text=True,
        input=f'DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name}; '
              f"GRANT ALL ON {name}.* TO openstack@'127.0.0.1';")


def _fill(file: pathlib.Path) -> str:
    """Make tables, keys, and a blueprint that takes the fake backend."""
    return f"""
import pathlib, shutil
from oslo_config import cfg
from hpcdirect import conf as options
from hpcdirect.db import migration
from hpcdirect.keys import KeyRing
conf = cfg.ConfigOpts()
options.register_opts(conf)
conf([], project='hpcdirect', default_config_files=[{str(file)!r}])
migration.upgrade(conf)
KeyRing.load_or_create(conf.key_file)
from hpcdirect.tests.unit.blueprints import folders
root = pathlib.Path({str(file.parent)!r}, 'blueprints-of-bench')
folders.write_tree(root, {{**folders.BLUEPRINT, 'name': 'bench',
    'infrastructure': {{'fake': {{'groups': {{'head': {{}},
                                              'compute': {{}}}}}}}}}},
    tuple({{**one, 'name': one['name']}} for one in (
        folders.MUNGE, folders.SLURM)))
text = pathlib.Path({str(file)!r}).read_text()
pathlib.Path({str(file)!r}).write_text(text.replace(
    'directories = ', f'directories = {{root}},'))
"""


def _settle(file: pathlib.Path, idents: list[str]) -> str:
    """Have the clusters at rest, with nodes, steps, runs and layers."""
    return f"""
from oslo_config import cfg
from hpcdirect import conf as options
from hpcdirect.db.session import Database
from hpcdirect.tests.functional import rows
conf = cfg.ConfigOpts()
options.register_opts(conf)
conf([], project='hpcdirect', default_config_files=[{str(file)!r}])
database = Database(conf)
for ident in {idents!r}:
    rows.converged(database, ident)
"""


def ironic(cloud) -> Peer:
    """Twenty nodes and more, of the driver that the bed's have."""
    driver = next(iter(cloud.baremetal.nodes())).driver
    driver = cloud.baremetal.get_node(
        next(iter(cloud.baremetal.nodes())).id).driver
    have = [node.id for node in cloud.baremetal.nodes()]
    for _ in range(NUMBER - len(have)):
        have.append(cloud.baremetal.create_node(driver=driver).id)
    base = 'http://127.0.0.1:6385/v1/nodes'
    return Peer('ironic', 6385, {
        'GET one': ('GET', f'{base}/{have[0]}', ''),
        'list, short': ('GET', f'{base}?limit=20', ''),
        'list, full': ('GET', f'{base}/detail?limit=20', ''),
        'POST': ('POST', base, json.dumps(
            {'driver': driver, 'name': 'NUMBER'}))},
        {'X-OpenStack-Ironic-API-Version': '1.82'})


def heat(cloud) -> Peer:
    """Twenty stacks of nothing."""
    template = {'heat_template_version': '2021-04-16', 'resources': {
        'nothing': {'type': 'OS::Heat::None'}}}
    project = cloud.current_project_id
    base = f'http://127.0.0.1:8004/v1/{project}/stacks'
    headers = {'X-Auth-Token': cloud.auth_token}
    for number in range(NUMBER):
        curl(base, headers, json.dumps({
            'stack_name': f'bench-{number}', 'template': template,
            'timeout_mins': 5}))
    ident = curl(base, headers)[1]['stacks'][0]
    return Peer('heat', 8004, {
        'GET one': ('GET', f'{base}/{ident["stack_name"]}/{ident["id"]}', ''),
        'list, short': ('GET', f'{base}?limit=20', '')},
        also='bin/heat-engine')


def nova(cloud) -> Peer:
    """A server; one that found no machine will do to be shown."""
    image = next(iter(cloud.image.images()))
    flavor = next(iter(cloud.compute.flavors()))
    server = cloud.compute.create_server(
        name='bench', image_id=image.id, flavor_id=flavor.id,
        networks='none')
    base = 'http://127.0.0.1:8774/v2.1/servers'
    return Peer('nova', 8774, {'GET one': ('GET', f'{base}/{server.id}', '')},
                {'OpenStack-API-Version': 'compute 2.90'},
                also='nova-conductor')


def curl(url: str, headers: dict[str, str], body: str = ''
         ) -> tuple[int, dict]:
    """Status and JSON of one request."""
    said = subprocess.run(
        ['curl', '-s', '-w', '\n%{http_code}', url, *(
            part for name, value in headers.items()
            for part in ('-H', f'{name}: {value}')),
         *(('-H', 'Content-Type: application/json', '-d', body)
           if body else ())], capture_output=True, text=True, check=False)
    text, _, status = said.stdout.rpartition('\n')
    try:
        return int(status or 0), json.loads(text)
    except ValueError:
        return int(status or 0), {}


def sample(peer: Peer, kind: str, turn: int, asked: argparse.Namespace
           ) -> tuple[float, float, float]:
    """Requests a second, milliseconds of CPU a request, p99 in ms."""
    method, url, body = peer.requests[kind]
    status, _ = curl(url, peer.headers, body.replace(
        'NUMBER', f'first-{kind[:1]}{turn}-{time.monotonic_ns()}'))
    if status not in (200, 201, 202):
        raise SystemExit(f'{peer.name}, {kind}: {status}')
    command = ['wrk', '-t1', f'-c{asked.clients}', f'-d{asked.seconds}s',
               '--latency', '--timeout', '30s', '-H', 'Connection: close']
    for name, value in {**peer.headers,
                        'Content-Type': 'application/json'}.items():
        command += ['-H', f'{name}: {value}']
    with tempfile.NamedTemporaryFile('w', suffix='.lua') as script:
        if method == 'POST':
            script.write(_COUNTING.format(
                first=0, body=body, name=f'b{time.monotonic_ns()}-'))
            script.flush()
            command += ['-s', script.name]
        before = peer.cpu()
        said = subprocess.run([*command, url], capture_output=True,
                              text=True, check=True).stdout
        spent = peer.cpu() - before
    if 'Non-2xx' in said:
        raise SystemExit(f'{peer.name}, {kind}: {said}')
    requests = int(re.search(r'(\d+) requests in', said)[1])
    number, unit = re.search(r'99%\s+([\d.]+)(us|ms|s)', said).groups()
    return (float(re.search(r'Requests/sec:\s+([\d.]+)', said)[1]),
            1000 * spent / max(1, requests),
            float(number) * {'us': 0.001, 'ms': 1, 's': 1000}[unit])


def report(seen: dict[tuple[str, str], list], ours: list[str]) -> int:
    """Print medians and ratios; 1 when a bar is missed by the first."""
    middle = {key: [statistics.median(column) for column
                    in zip(*values, strict=True)]
              for key, values in seen.items()}
    print(f'{"":46} {"req/s":>8} {"CPU ms":>8} {"p99 ms":>8}')
    for (name, kind), values in middle.items():
        print(f'{kind:12} {name:33}', *(f'{one:8.1f}' for one in values))
    missed = 0
    for name in ours:
        for kind, against, bar in BARS:
            peers = [values[0] for (other, what), values in middle.items()
                     if what == kind and other not in ours and (
                         against == 'best peer' or other == against)]
            ratio = middle[name, kind][0] / max(peers)
            cheap = '' if ratio >= bar else ' !'
            missed += name == ours[0] and ratio < bar
            print(f'{name}: {kind} over {against} {ratio:.2f} '
                  f'(bar {bar}){cheap}')
    print(f'Load {os.getloadavg()[0]:.1f}')
    return bool(missed)


if __name__ == '__main__':
    sys.exit(main())
