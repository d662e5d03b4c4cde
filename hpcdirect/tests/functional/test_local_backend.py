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

"""Local machines: what they are, what they cannot do, what is left of them."""

from concurrent import futures
import contextlib
import http.server
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request

import fixtures
from oslo_config import cfg
import testtools

from hpcdirect import conf as options
from hpcdirect.backends import base
from hpcdirect.backends.local import LocalBackend
from hpcdirect.backends.local import boot
from hpcdirect.backends.local import cgroups
from hpcdirect.backends.local import checks
from hpcdirect.backends.local import mirror
from hpcdirect.backends.local import mounts
from hpcdirect.backends.local import network
from hpcdirect.backends.local.images import Images
from hpcdirect.blueprints.model import VolumeUse
from hpcdirect.exception import BackendError
from hpcdirect.tests.functional import local_bed as bed

FORWARD = pathlib.Path('/proc/sys/net/ipv4/ip_forward')
ROOT = pathlib.Path(__file__).parents[3]

#: A service that asks for machines and can be killed at any moment.
SERVICE = '''
import os, sys, time
sys.executable = os.environ.get('HPCT_PYTHON', sys.executable)
from hpcdirect.tests.functional import local_bed as bed
given = bed.Bed()
given.state, given.backends = sys.argv[1], []
backend = given.backend()
backend.ensure(bed.request(*sys.argv[4:], cluster_id=sys.argv[2],
                           public_key=sys.argv[3]))
print('begun', flush=True)
while True:
    backend.observe(sys.argv[2])
    time.sleep(0.05)
'''

#: A program that takes its time to begin, once, when it is asked for that.
SLOW = """#!/bin/sh
case "$*" in *"{word}"*) ! mkdir {folder}/once 2> /dev/null \\
    || cat {folder}/fifo;; esac
exec {program} "$@"
"""

BAKER = '''
import pathlib, sys
from hpcdirect.backends.local import mirror
from hpcdirect.backends.local.images import Images
Images(pathlib.Path(sys.argv[1]), mirror.Mirror(
    pathlib.Path(sys.argv[2], 'packages'))).lower(['hello', 'time'])
'''


class LocalTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        lacking = checks.lacking()
        if lacking:
            self.skipTest(' '.join(lacking))
        self.bed = self.useFixture(bed.Bed())
        self.backend = self.bed.backend()

    def up(self, *slots, **values):
        """A cluster whose machines are all up: its request and them."""
        request = bed.request(*slots, public_key=self.bed.public_key,
                              **values)
        ref = self.backend.ensure(request)
        return request, bed.machines(bed.settled(self.backend, ref))

    def run_on(self, machine, command, check=True, given=''):
        return self.bed.ssh(machine, command, check=check,
                            given=given).stdout.strip()


class MachineTest(LocalTest):
    """One cluster, looked at from its inside."""

    def test_a_host_of_its_own(self):
        _, machines = self.up('head-0', 'compute-0')
        ids = set()
        for name, machine in machines.items():
            said = self.run_on(machine, (
                'hostname; cat /etc/hostname; cat /etc/machine-id;'
                ' wc -c < /etc/resolv.conf; systemctl is-system-running'
                ' --wait; cat /proc/1/comm; ip -o -4 addr show eth0;'
                ' ip route show default')).splitlines()
            self.assertEqual([name, name], said[:2])
            ids.add(said[2])
            self.assertEqual(['0', 'running', 'systemd'], said[3:6])
            self.assertIn(f'{machine.address}/24', said[6])
            self.assertEqual([], said[7:])
        self.assertEqual(2, len(ids))

    def test_they_reach_each_other(self):
        _, machines = self.up('head-0', 'compute-0')
        self.run_on(machines['head-0'],
                    f'ping -c1 -W2 {machines["compute-0"].address}')

    def test_settings_of_its_own_network(self):
        _, machines = self.up('head-0')
        self.run_on(machines['head-0'],
                    'echo 1 > /proc/sys/net/ipv4/ip_forward')

    def test_packages(self):
        _, machines = self.up('head-0', 'compute-0', packages=['munge'])
        for machine in machines.values():
            # Brought by the image, and left for elements to start.
            self.assertEqual('disabled', self.run_on(
                machine, 'dpkg -s munge >/dev/null && systemctl is-enabled '
                         'munge', check=False))
        self.run_on(machines['head-0'], (
            'apt-get install -y -qq hello >/dev/null && '
            'apt-get update -qq && hello'))
        self.run_on(machines['head-0'], (
            'grep -r trusted /etc/apt/sources.list*; test $? = 1'))

    def test_a_volume_is_shared_and_outlives_machines(self):
        volume = VolumeUse('home', '/home', ('head', 'compute'))
        request, machines = self.up('head-0', 'compute-0', volumes=[volume])
        self.run_on(machines['head-0'], 'echo work > /home/file')
        self.assertEqual('work', self.run_on(machines['compute-0'],
                                             'cat /home/file'))
        ref = self.backend.ensure(bed.request(
            'head-0@2', 'compute-0', cluster_id=request.cluster_id,
            public_key=self.bed.public_key, volumes=[volume]))
        machines = bed.machines(bed.settled(self.backend, ref))
        self.assertEqual('work', self.run_on(machines['head-0'],
                                             'cat /home/file'))

    def test_a_link_does_not_lead_a_volume_to_the_host(self):
        trap = self.bed.folder / 'trap'
        volume = VolumeUse('data', '/data', ('head',))
        request, machines = self.up('head-0')
        self.run_on(machines['head-0'], f'ln -s {trap} /data')
        cgroups.kill(f'{request.cluster_id}/head-0')
        ref = self.backend.ensure(bed.request(
            'head-0', cluster_id=request.cluster_id, volumes=[volume],
            public_key=self.bed.public_key))
        machine = bed.wait_for(lambda: [
            m for m in self.backend.observe(ref).machines if m.fault])[0]
        self.assertIn('link', machine.fault)
        self.assertFalse(trap.exists())


class LimitTest(LocalTest):
    """What a machine may take."""

    def test_memory(self):
        _, machines = self.up('head-0', memory_mib=256)
        done = self.bed.ssh(machines['head-0'], (
            'python3 -c "x = bytearray(600 * 2**20); print(len(x))"'),
            check=False)
        self.assertNotEqual(0, done.returncode)
        self.assertEqual('', done.stdout)
        self.assertEqual('still here', self.run_on(machines['head-0'],
                                                   'echo still here'))

    def test_processes(self):
        request, _ = self.up('head-0', pids=100)
        said = [pathlib.Path(folder, 'pids.max') for folder in
                cgroups.folders(f'{request.cluster_id}/head-0')]
        self.assertEqual(['100'], [path.read_text().strip()
                                   for path in said if path.exists()])

    def test_not_for_people_of_a_cloud(self):
        conf = cfg.ConfigOpts()
        options.register_group(conf, 'api')
        conf([], default_config_files=[])
        self.assertRaises(BackendError, LocalBackend, conf)
        conf.set_override('allow_with_keystone', True, 'local')
        LocalBackend(conf)

    def test_what_makes_no_sense_is_refused(self):
        request = bed.request(
            'head-0', packages=['-o=APT::Update::Pre-Invoke::=id'],
            memory_mib=1, volumes=[
                VolumeUse('../../etc', '/home/../../etc', ('head',))])
        said = [finding.where for finding in self.backend.validate(request)]
        self.assertEqual(
            ['$.volumes.../../etc', '$.volumes.../../etc.mount',
             '$.infrastructure.local.groups.head.packages',
             '$.infrastructure.local.groups.head.memory_mib'], said)
        self.assertRaises(BackendError, self.backend.ensure, request)
        many = bed.request(*(f'compute-{n}' for n in range(300)))
        self.assertEqual(['$.node_groups'] * 2, [
            finding.where for finding in self.backend.validate(many)])


class IsolationTest(LocalTest):
    """Two clusters, one of which wants to reach what is not its own."""

    def setUp(self):
        super().setUp()
        _, ours = self.up('head-0')
        _, theirs = self.up('head-0')
        self.ours, self.theirs = ours['head-0'], theirs['head-0']
        before = FORWARD.read_text()
        self.addCleanup(FORWARD.write_text, before)
        # The worst case: a host that routes, and machines that know it.
        FORWARD.write_text('1')
        for machine in (self.ours, self.theirs):
            self.run_on(machine, 'ip route add default via '
                        f'{machine.address.rpartition(".")[0]}.1')

    def reaches(self, address, port):
        return self.bed.ssh(self.ours, (
            f'timeout 2 bash -c "exec 3<>/dev/tcp/{address}/{port}"'),
            check=False).returncode == 0

    def test_other_clusters_and_the_host(self):
        host = f'{self.ours.address.rpartition(".")[0]}.1'
        other = f'{self.theirs.address.rpartition(".")[0]}.1'
        ping = self.bed.ssh(self.ours,
                            f'ping -c1 -W1 {self.theirs.address}',
                            check=False)
        self.assertNotEqual(0, ping.returncode)
        self.assertFalse(self.reaches(self.theirs.address, 22))
        with socket.socket() as listener:
            listener.bind(('0.0.0.0', 0))  # noqa: S104
            listener.listen()
            port = listener.getsockname()[1]
            for address in (host, other, network.MIRROR):
                self.assertFalse(self.reaches(address, port), address)
        self.assertFalse(self.reaches('192.0.2.2', 22))
        bed.wait_for(lambda: self.backend.serve() and self.reaches(
            network.MIRROR, 3142), 10)


class ImageTest(testtools.TestCase):
    """What machines share is whole, whoever dies while making it."""

    def setUp(self):
        super().setUp()
        lacking = checks.lacking()
        if lacking:
            self.skipTest(' '.join(lacking))
        self.cache = pathlib.Path(tempfile.mkdtemp(
            prefix='hpcdirect-test-', dir='/var/tmp'))
        self.addCleanup(mounts.remove, self.cache)
        images = self._images(pathlib.Path(bed.CACHE))
        lower = pathlib.Path(images.lower(()))
        (self.cache / 'images').mkdir()
        # The base of everybody, and no layers yet.
        (self.cache / 'images' / lower.name).symlink_to(lower)

    def _images(self, cache):
        packages = mirror.Mirror(pathlib.Path(bed.CACHE, 'packages'))
        self.addCleanup(packages.stop)
        return Images(cache, packages)

    def test_killed_while_baking(self):
        process = subprocess.Popen(
            [sys.executable, '-c', BAKER, str(self.cache), bed.CACHE],
            env={**os.environ, 'PYTHONPATH': str(ROOT)})
        self.addCleanup(process.wait)
        bed.wait_for(lambda: list(self.cache.glob(
            'images/layer-*.new/var/lib/dpkg/updates')))
        process.kill()
        layer, _ = self._images(self.cache).lower(['hello', 'time']).split(
            ':')
        self.assertTrue(os.access(f'{layer}/usr/bin/hello', os.X_OK))
        self.assertEqual(
            'install ok installed\n', subprocess.run(
                ['sed', '-n', '/^Package: hello$/,/^$/s/^Status: //p',
                 f'{layer}/var/lib/dpkg/status'], capture_output=True,
                text=True).stdout)
        left = {path.name for path in (self.cache / 'images').iterdir()
                if not path.name.endswith('.lock')}
        self.assertEqual(2, len(left), left)
        self.assertEqual([], mounts.below(self.cache))

    def test_two_bake_at_once(self):
        with futures.ThreadPoolExecutor(2) as pool:
            one, other = pool.map(
                lambda _: self._images(self.cache).lower(['hello']), 'ab')
        self.assertEqual(one, other)

    def test_a_package_that_does_not_exist(self):
        wrong = self.assertRaises(
            BackendError, self._images(self.cache).lower, ['no-such-thing'])
        self.assertIn('no-such-thing', str(wrong))
        self.assertEqual([], mounts.below(self.cache))


class MirrorTest(testtools.TestCase):
    """What the mirror gives away, and to whom it speaks."""

    def setUp(self):
        super().setUp()
        self.mirror = mirror.Mirror(pathlib.Path(bed.CACHE, 'packages'))
        port = self.mirror.serve('127.0.0.1', 0)
        self.addCleanup(self.mirror.stop)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({'http': f'http://127.0.0.1:{port}'}))

    def status(self, url, method='GET'):
        request = urllib.request.Request(url, method=method)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as exc:
            return exc.code

    def test_nothing_but_packages(self):
        site = mirror.plain(mirror.sources()[1])
        self.assertEqual(200, self.status(f'{site}/dists/bookworm/Release',
                                          'HEAD'))
        for url in (f'{site}/', f'{site}/pool/../../etc/passwd',
                    f'{site}/pool/%2e%2e/%2e%2e/x', f'{site}/indices/x',
                    f'{site}.example.org/dists/x', f'{site}@127.0.0.1/pool/x',
                    'http://169.254.169.254/dists/x',
                    'http://127.0.0.1:22/pool/x'):
            self.assertEqual(404, self.status(url), url)
        self.assertEqual(501, self.status(f'{site}/pool/x', 'POST'))

    def test_sources_of_both_forms(self):
        folder = pathlib.Path(self.useFixture(bed.fixtures.TempDir()).path)
        (folder / 'apt.conf').write_text(
            f'Dir::Etc::sourcelist "{folder}/one.list";\n'
            f'Dir::Etc::sourceparts "{folder}";\n')
        (folder / 'one.list').write_text(
            'deb [arch=amd64] http://a/debian/ bookworm main contrib\n'
            '# deb http://b/debian bookworm main\n'
            'deb-src http://c/debian bookworm main\n'
            'deb http://d/debian bookworm stable\n')
        (folder / 'two.sources').write_text(
            'Types: deb deb-src\nURIs: https://e/debian\n'
            'Suites: bookworm bookworm-updates\nComponents: main\n\n'
            'Types: deb\nURIs: http://f/debian\nSuites: bookworm\n'
            'Components: main\nEnabled: no\n')
        self.useFixture(bed.fixtures.EnvironmentVariable(
            'APT_CONFIG', str(folder / 'apt.conf')))
        self.assertEqual(
            [('http://a/debian', 'bookworm'), ('https://e/debian', 'bookworm'),
             ('https://e/debian', 'bookworm-updates')],
            sorted(mirror._entries.__wrapped__()))

    def test_half_a_file_is_not_kept(self):
        folder = self.useFixture(bed.fixtures.TempDir()).path
        broken = mirror.Mirror(pathlib.Path(folder))
        with _Broken() as port:
            broken._sites = {'http://a': f'http://127.0.0.1:{port}'}
            self.assertIsNone(broken.fetch('http://a/pool/x.deb'))
        self.assertEqual([], [path for path in pathlib.Path(folder).rglob('*')
                              if path.is_file()])

    def test_a_connection_serves_many_files(self):
        folder = pathlib.Path(self.useFixture(bed.fixtures.TempDir()).path)
        cached = mirror.Mirror(folder)
        with _Counting() as site:
            cached._sites = {'http://a': site.address}
            for name in 'xyz':
                got = cached.fetch(f'http://a/pool/{name}.deb')
                self.assertEqual(f'/pool/{name}.deb', got.read_text())
            self.assertIsNone(cached.fetch('http://a/pool/none'))
        self.assertEqual(1, site.connections)

    def test_out_of_reach(self):
        folder = pathlib.Path(self.useFixture(bed.fixtures.TempDir()).path)
        cached = mirror.Mirror(folder)
        self.useFixture(bed.fixtures.MonkeyPatch(
            'hpcdirect.backends.local.mirror._LATELY', -1))
        with _Broken(b'whole', promise=5) as port:
            cached._sites = {'http://a': f'http://127.0.0.1:{port}'}
            first = cached.fetch('http://a/dists/x/InRelease')
        self.assertEqual('whole', first.read_text())
        self.assertEqual(first, cached.fetch('http://a/dists/x/InRelease'))
        self.assertIsNone(cached.fetch('http://a/dists/y/InRelease'))


class _Paths(http.server.BaseHTTPRequestHandler):
    """Each package holds its own path; there is nothing else."""

    protocol_version = 'HTTP/1.1'

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):
        known = self.path.endswith('.deb')
        body = self.path.encode() if known else b'no such file'
        self.send_response(200 if known else 404)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class _Counting(http.server.ThreadingHTTPServer):
    """A mirror that counts those who come."""

    connections = 0

    def __init__(self):
        super().__init__(('127.0.0.1', 0), _Paths)
        self.address = f'http://127.0.0.1:{self.server_port}'

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return super().__enter__()

    def __exit__(self, *args):
        self.shutdown()
        super().__exit__(*args)


class _Broken:
    """A server of one answer, that may promise more than it sends."""

    def __init__(self, text=b'half', promise=99):
        self.text = text
        self.promise = promise

    def __enter__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self.socket.getsockname()[1]

    def _serve(self):
        with self.socket.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n'
                               b'Connection: close\r\n\r\n%b'
                               % (self.promise, self.text))

    def __exit__(self, *_):
        self.socket.close()


class EndTest(LocalTest):
    """Machines die, services die, and in the end nothing is left."""

    def test_a_machine_dies(self):
        request, machines = self.up('head-0', 'compute-0')
        self.run_on(machines['head-0'], 'echo kept > /root/file')
        cgroups.kill(f'{request.cluster_id}/head-0')
        ref = self.backend.reference(request.cluster_id,
                                     request.project_id)
        seen = bed.machines(self.backend.observe(ref))
        self.assertEqual(base.MachineStatus.FAILED, seen['head-0'].status)
        self.assertEqual('Its init process ended.', seen['head-0'].fault)
        self.assertEqual(machines['compute-0'], seen['compute-0'])
        self.backend.ensure(request)
        after = bed.machines(bed.settled(self.backend, ref))
        self.assertEqual(machines, after)
        self.assertEqual('kept', self.run_on(after['head-0'],
                                             'cat /root/file'))

    def test_a_machine_turns_itself_off(self):
        request, machines = self.up('head-0')
        self.bed.ssh(machines['head-0'], 'systemctl poweroff', check=False)
        ref = self.backend.reference(request.cluster_id,
                                     request.project_id)
        bed.wait_for(lambda: self.backend.observe(ref).machines[0].status
                     == base.MachineStatus.FAILED, 30)
        self.assertEqual(
            'Its init process ended. Its console says last: It was turned '
            'off from within.', self.backend.observe(ref).machines[0].fault)
        self.backend.ensure(request)
        bed.settled(self.backend, ref)

    def test_a_machine_reboots_itself(self):
        volume = VolumeUse('home', '/home', ('head',))
        request, machines = self.up('head-0', volumes=[volume])
        before = self.booted(machines['head-0'])
        self.run_on(machines['head-0'], 'echo mine | tee /root/a /home/b')
        self.bed.ssh(machines['head-0'], 'systemctl reboot', check=False)
        # Nobody asks for it: it comes by itself.
        bed.wait_for(lambda: self.booted(machines['head-0']) not in (
            before, ''), 30)
        after = bed.settled(self.backend, request.cluster_id)
        self.assertEqual(machines, bed.machines(after))
        self.assertEqual('mine\nmine\nrunning', self.run_on(
            machines['head-0'],
            'cat /root/a /home/b; systemctl is-system-running --wait'))

    def booted(self, machine):
        """When its init was started; '' while it does not say."""
        done = self.bed.ssh(machine, 'cat /proc/1/stat', check=False)
        return done.stdout.split()[21] if done.returncode == 0 else ''

    def test_a_namespace_that_was_made_meanwhile(self):
        # By what a killed service had begun, and nobody waited for.
        name = f'hpct{os.getpid()}'
        path = pathlib.Path('/run/netns', name)
        self.addCleanup(subprocess.run, ['ip', 'netns', 'del', name],
                        check=True)
        seen = []
        for _ in range(2):
            subprocess.run([sys.executable, '-I', '-S', boot.__file__,
                            'space', name], check=True)
            seen.append(path.stat().st_ino)
        self.assertEqual(2, len(set(seen)))
        mounted = pathlib.Path('/proc/self/mountinfo').read_text()
        self.assertEqual(1, mounted.count(f' {path} '))

    def test_the_service_is_killed_at_any_moment(self):
        request = bed.request('head-0', 'compute-0',
                              public_key=self.bed.public_key)
        for moment in (0.0, 0.1, 0.2, 0.35, 0.5):
            process = self._service(request)
            # Not a wait for something: the moment is what is varied.
            threading.Event().wait(moment)
            self._kill(process)
            backend = self.bed.backend()
            ref = backend.ensure(request)
            machines = bed.machines(bed.settled(backend, ref))
            self.assertEqual('head-0', self.run_on(machines['head-0'],
                                                   'hostname'))
            if moment == 0.2:
                continue    # so that the next finds machines that run
            backend.delete(ref)
            bed.gone(backend, ref)

    def test_what_a_killed_service_has_begun_is_waited_for(self):
        for program, word in ((sys.executable, 'space'), ('ip', '-n hpcd'),
                              ('mount', 'overlay'), ('sh', 'start')):
            request = bed.request('head-0', public_key=self.bed.public_key)
            folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            name = pathlib.Path(program).name
            (folder / name).write_text(SLOW.format(
                word=word, folder=folder, program=shutil.which(program)))
            (folder / name).chmod(0o755)
            os.mkfifo(folder / 'fifo')
            process = self._service(
                request, PATH=f'{folder}:{os.environ["PATH"]}',
                **({'HPCT_PYTHON': str(folder / name)}
                   if program == sys.executable else {}))
            # It opens as soon as the program is there.
            with (folder / 'fifo').open('w'):
                self._kill(process)
                # Whoever works on the cluster now waits for it.
                self.assertTrue(self.backend._records.locked(
                    request.cluster_id), word)
                self.backend.ensure(request)
            machines = bed.machines(bed.settled(
                self.backend, request.cluster_id))
            self.assertEqual('head-0', self.run_on(
                machines['head-0'], 'hostname'), word)
            self.backend.delete(request.cluster_id)
            bed.gone(self.backend, request.cluster_id)

    def test_machines_outlive_the_service(self):
        request = bed.request('head-0', public_key=self.bed.public_key)
        process = self._service(request)
        before = bed.settled(self.backend, request.cluster_id)
        boot = self.run_on(before.machines[0], 'cat /proc/1/stat')
        self._kill(process)
        self.assertEqual(before, self.backend.observe(request.cluster_id))
        self.backend.ensure(request)
        after = bed.settled(self.backend, request.cluster_id)
        self.assertEqual(before, after)
        # Its init is the one it was: field 22 is when it was started.
        self.assertEqual(boot.split()[21], self.run_on(
            after.machines[0], 'cat /proc/1/stat').split()[21])

    def test_a_delete_goes_on(self):
        request, _ = self.up('head-0', 'compute-0')
        with self.backend._records.lock(request.cluster_id):
            # Somebody holds it: nothing is done but the wish written down.
            self.backend.delete(request.cluster_id)
            self.assertEqual(base.InfraStatus.DELETING, self.backend.observe(
                request.cluster_id).status)
        later = self.bed.backend()
        bed.gone(later, request.cluster_id)

    def test_nothing_is_left(self):
        request, _ = self.up('head-0', 'compute-0')
        # A mount; a bridge and two cables; two namespaces; groups.
        self.assertGreaterEqual(len(self._seen(request.cluster_id)), 8)
        left = list(self.backend.leftovers())
        self.assertEqual(
            {'machine', 'process', 'network', 'namespace', 'mount'},
            {one.kind for one in left})
        self.assertTrue(all(one.cluster_id == request.cluster_id
                            for one in left))
        self.backend.delete(request.cluster_id)
        bed.gone(self.backend, request.cluster_id)
        self.assertEqual([], list(self.backend.leftovers()))
        self.assertEqual([], self._seen(request.cluster_id))
        # The record goes a moment before the folder it was in.
        bed.wait_for(lambda: not list(self.bed.state.glob('clusters/*')), 1)
        self.assertEqual({'clusters', 'locks'}, {
            path.name for path in self.bed.state.iterdir()})
        with network.choosing():
            # Other tests and people may have machines here.
            if not network.bridges():
                self.assertNotIn('hpcdirect', subprocess.run(
                    ['nft', 'list', 'tables'], capture_output=True,
                    text=True).stdout)
                self.assertFalse(os.path.exists('/run/hpcdirect-inotify'))

    def test_swept_when_even_the_files_are_gone(self):
        request, _ = self.up('head-0')
        record = self.bed.state / 'clusters' / request.cluster_id
        (record / 'record.json').unlink()
        self.backend.clear()
        self.assertEqual([], list(self.backend.leftovers()))
        self.assertFalse(record.exists())

    def _seen(self, cluster_id):
        """Mounts, links, namespaces and groups; of this cluster alone."""
        mounted = [line.split()[1] for line in
                   pathlib.Path('/proc/mounts').read_text().splitlines()
                   if str(self.bed.state) in line]
        name = network.bridge(cluster_id)[:-1]
        links = pathlib.Path('/sys/class/net').glob(f'{name}*')
        spaces = pathlib.Path('/run/netns').glob(f'{name}*')
        groups = [path for path in cgroups.folders(cluster_id)
                  if path.exists()]
        return [*mounted, *map(str, [*links, *spaces, *groups])]

    def _service(self, request, **environment):
        process = subprocess.Popen(
            [sys.executable, '-c', SERVICE, str(self.bed.state),
             request.cluster_id, request.public_key,
             *(slot.name for slot in request.slots)],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), **environment})
        self.addCleanup(self._kill, process)
        self.assertEqual('begun\n', process.stdout.readline())
        return process

    def _kill(self, process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
