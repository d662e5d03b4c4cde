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

"""What hpcdirect is for: a Slurm cluster, from its order to its end.

One cluster of real machines lives through it all: it runs MPI jobs, grows,
shrinks under a job, loses an element and gets it back, and goes. What has
happened is read off the machines, over the ssh that its users use.
"""

import contextlib
import os
import pathlib
import socket
import subprocess

import fixtures
import testtools

from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional.local_bed import wait_for

EXAMPLES = service.ROOT / 'blueprints' / 'slurm' / 'examples'
METRICS = 9100

# Hands in what stands in its arguments and waits for the end; $job is its
# number. Slurm forgets a job some minutes after that, not at once.
SUBMIT = """\
job=$(sbatch --parsable %s) || exit
while [ -n "$(squeue -h -j $job)" ]; do sleep 0.2; done
"""


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class MainJobTest(testtools.TestCase):
    """The sections stand in the order in which they were cheapest."""

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', local={'network': '10.218.0.0/16'}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.keys = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path) / 'alice'
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '',
                        '-C', 'alice', '-f', self.keys], check=True)

    def test_from_order_to_end(self):
        self.refuse_before_anything_is_there()
        self.create()
        self.run_mpi()
        self.limit()
        self.grow()
        self.shrink_under_a_job()
        self.replace()
        self.do_nothing()
        self.a_node_reboots_itself()
        self.a_user_comes_and_goes()
        self.switch_monitoring()
        self.what_others_did_stays()
        self.damage_is_seen_and_mended()
        self.delete()

    # -- sections ---------------------------------------------------------

    def refuse_before_anything_is_there(self):
        """What cannot be made is refused at once, with all reasons."""
        self.assertFindings(
            {'$.parameters.compute_count'}, self.post(compute_count=5000))
        wrong = self.post(compute_cuont=2, monitor=True, timezone='no where',
                          users=[{'nam': 'alice'}])
        places = {finding['where'] for finding
                  in self.assertFindings(None, wrong)}
        said = str(wrong.json)
        for name in ('compute_cuont', 'monitor', 'nam'):
            self.assertIn(name, said)
        self.assertIn('$.parameters.timezone', places)
        self.assertTrue([place for place in places
                         if place.startswith('$.parameters.users')], places)
        answer = self.post('slurmy')
        self.assertIn(answer.status, (400, 404))
        self.assertIn('slurmy', answer.text)
        self.assertEqual([], self.service.get('/v1/clusters')['clusters'])
        self.assertEqual([], self.service.get('/v1/deployments')[
            'deployments'])
        self.assertEqual([], nodes.left(self.service))

    def create(self):
        public = self.keys.with_suffix('.pub').read_text().strip()
        self.uuid = self.service.create(compute_count=2, users=[
            {'name': 'alice', 'keys': [public]}])['id']
        self.assertEqual((409, 'hpcdirect.duplicate_name'),
                         self.refused(self.post()))
        self.assertEqual((409, 'hpcdirect.cluster_busy'), self.refused(
            self.service.call('PATCH', '/v1/clusters/demo', {
                'parameters': {'monitoring': False}})))
        self.assertEqual((409, 'hpcdirect.cluster_busy'), self.refused(
            self.service.call('POST', '/v1/clusters/demo/deployments',
                              {'operation': 'retry'})))
        cluster = self.settled()
        self.assertEqual({'head': 1, 'compute': 2, 'special': 0}, {
            group['name']: group['ready']
            for group in cluster['node_groups']})
        self.assertEqual('head-0', cluster['login']['node'])

    def run_mpi(self):
        """The example of the blueprint, as its owner would hand it in."""
        for name in ('ring.c', 'job.sh'):
            self.ssh(f'cat > {name}', (EXAMPLES / name).read_text())
        out = self.ssh(SUBMIT % 'job.sh' + 'cat ring-$job.out')
        self.assertIn('right: ring 6, sum 6, wanted 6', out)
        self.assertEqual({'compute-0', 'compute-1'}, {
            line.rpartition(' ')[2] for line in out.splitlines()
            if line.startswith('rank ')})

    def limit(self):
        """A login and a job have the limits of element base.

        Root of this host may not be free to raise its own: then what it has.
        """
        wanted = subprocess.run(
            ['bash', '-c', 'for limit in "-n 65536" "-l unlimited"; do'
             ' (ulimit $limit && ulimit ${limit% *}) 2> /dev/null'
             ' || ulimit -H ${limit% *}; done'],
            check=True, capture_output=True, text=True).stdout.split()
        said = 'ulimit -n; ulimit -l'
        self.assertEqual(wanted * 2, self.ssh(
            f"{said}; srun -N1 bash -c '{said}'").split())

    def grow(self):
        """A third node comes; the first two do not notice."""
        before, pids = self.last_event(), self.pids('compute-0', 'compute-1')
        deployment = self.changed('PATCH', '/v1/clusters/demo', {
            'node_groups': {'compute': {'count': 3}}})
        self.assertEqual('scale', deployment['operation'])
        self.assertEqual({'compute-0': 'idle', 'compute-1': 'idle',
                          'compute-2': 'idle'}, self.sinfo())
        self.assertEqual('compute-2\n',
                         self.ssh('srun -w compute-2 hostname'))
        self.assertEqual({'head-0', 'compute-2'}, self.touched(before))
        self.assertEqual(pids, self.pids('compute-0', 'compute-1'))

    def shrink_under_a_job(self):
        """A node goes when its job is done, and not before."""
        pids = self.pids('compute-0', 'compute-2')
        job = self.ssh('sbatch --parsable -w compute-1 '
                       '--wrap "sleep 8; echo done > file"').strip()
        self.ssh(f'until squeue -h -t R -j {job} | grep -q .; do '
                 'sleep 0.1; done')
        before = self.last_event()
        deployment = self.changed('PATCH', '/v1/clusters/demo', {
            'node_groups': {'compute': {
                'slots': ['compute-0', 'compute-2']}}})
        drain = next(step for step in deployment['steps']
                     if step['kind'] == 'drain')
        self.assertEqual(('slurm', 'SUCCEEDED'),
                         (drain['element'], drain['status']))
        self.assertIn('compute-1', drain['nodes'])
        record = self.ssh(f'cat file; scontrol -o show job {job}')
        self.assertEqual('done', record.splitlines()[0])
        self.assertIn('JobState=COMPLETED', record)
        self.assertIn('Restarts=0', record)
        self.assertEqual({'compute-0': 'idle', 'compute-2': 'idle'},
                         self.sinfo())
        self.assertEqual(['compute-0', 'compute-2', 'head-0'], sorted(
            node['name'] for node in self.service.get(
                '/v1/clusters/demo/nodes')['nodes']))
        cluster = self.service.get('/v1/clusters/demo')
        self.assertIn({'name': 'compute', 'count': 2, 'ready': 2,
                       'slots': ['compute-0', 'compute-2']},
                      cluster['node_groups'])
        self.assertEqual(2, cluster['parameters']['compute_count'])
        self.assertEqual({'head-0', 'compute-1'}, self.touched(before))
        self.assertEqual(pids, self.pids('compute-0', 'compute-2'))

    def replace(self):
        """A node gets another machine; the others do not notice."""
        before, pids = self.last_event(), self.pids('compute-0')
        machine = nodes.Machine(self.service, self.uuid, 'compute-2')
        machine.run('touch', '/root/mine')
        self.changed('PATCH', '/v1/clusters/demo', {
            'node_groups': {'compute': {'replace': ['compute-2']}}})
        self.assertEqual({'compute-0': 'idle', 'compute-2': 'idle'},
                         self.sinfo())
        self.assertEqual('compute-2\n',
                         self.ssh('srun -w compute-2 hostname'))
        self.assertNotIn('mine', machine.run('ls', '/root'))
        self.assertEqual({'head-0', 'compute-2'}, self.touched(before))
        self.assertEqual(pids, self.pids('compute-0'))

    def do_nothing(self):
        """Converging what has converged touches nothing."""
        before = self.last_event()
        deployment = self.changed('POST', '/v1/clusters/demo/deployments',
                                  {'operation': 'retry'})
        self.assertEqual('retry', deployment['operation'])
        self.assertEqual([], deployment['plan'])
        self.assertEqual([], deployment['steps'])
        self.assertEqual([], self.service.get(
            f'/v1/runs?deployment={deployment["id"]}')['runs'])
        self.assertEqual(set(), self.touched(before))

    def a_node_reboots_itself(self):
        """It comes back with its layers, and nobody has to do a thing."""
        before, machine = self.last_event(), self.on('compute-0')
        pids, old = self.pids('compute-2'), machine.processes('slurmd')
        with contextlib.suppress(subprocess.CalledProcessError):
            machine.run('systemctl', 'reboot')
        wait_for(lambda: machine.processes('slurmd') - old)
        self.assertEqual('compute-0\n',
                         self.ssh('srun -w compute-0 hostname'))
        self.assertEqual({'compute-0': 'idle', 'compute-2': 'idle'},
                         self.sinfo())
        self.assertEqual('ACTIVE', self.service.get(
            '/v1/clusters/demo')['status'])
        self.assertEqual(set(), self.touched(before))
        self.assertEqual(pids, self.pids('compute-2'))

    def a_user_comes_and_goes(self):
        """One account is made and taken away; nobody else notices."""
        before, pids = self.last_event(), self.pids('compute-0', 'compute-2')
        public = self.keys.with_suffix('.pub').read_text().strip()
        self.changed('POST', '/v1/clusters/demo/users',
                     {'name': 'bob', 'keys': [public]})
        uid = self.service.get('/v1/clusters/demo/users/bob')['uid']
        names = ('head-0', 'compute-0', 'compute-2')
        self.assertEqual({f'{uid}\n'}, {
            self.on(name).run('id', '-u', 'bob') for name in names})
        self.assertEqual('bob compute-2\n', self.ssh(
            'echo $(whoami) $(srun -w compute-2 hostname)', user='bob'))
        self.ssh('echo mine > file', user='bob')
        session = subprocess.Popen(
            self.login_as('bob', 'echo in; sleep 600'), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(session.kill)
        self.assertEqual('in\n', session.stdout.readline())
        self.changed('DELETE', '/v1/clusters/demo/users/bob?home=archive',
                     None)
        self.assertNotEqual(0, session.wait(30))
        session.stdout.close()
        for name in names:
            self.assertNotIn('bob', self.on(name).run(
                'sh', '-c', 'getent passwd; ls /home /etc/ssh/users'))
        self.assertEqual('mine\n', self.on('head-0').run(
            'tar', '-xzOf', '/home/.gone/bob.tar.gz', 'bob/file'))
        self.assertEqual({'users'}, {
            event['element'] for event in self.service.events(self.uuid)
            if event['id'] > before and event['kind'] == 'task'})
        self.assertEqual(pids, self.pids('compute-0', 'compute-2'))

    def switch_monitoring(self):
        """An element is taken off, and put on again."""
        pids = self.pids('compute-0', 'compute-2')
        names = ('head-0', 'compute-0', 'compute-2')
        self.assertEqual([True] * 3, [self.measured(name) for name in names])
        off = self.changed('PATCH', '/v1/clusters/demo', {
            'parameters': {'monitoring': False}})
        self.assertEqual([('revert', 'monitoring', 'SUCCEEDED')],
                         self.steps(off))
        self.assertEqual([('revert', 'monitoring')], [
            (run['verb'], run['element']) for run in self.service.get(
                f'/v1/runs?deployment={off["id"]}')['runs']])
        self.assertEqual([False] * 3, [self.measured(name)
                                       for name in names])
        on = self.changed('PATCH', '/v1/clusters/demo', {
            'parameters': {'monitoring': True}})
        self.assertEqual([('apply', 'monitoring', 'SUCCEEDED'),
                          ('verify', 'monitoring', 'SUCCEEDED')],
                         self.steps(on))
        self.assertEqual([True] * 3, [self.measured(name) for name in names])
        self.assertEqual(pids, self.pids('compute-0', 'compute-2'))

    def what_others_did_stays(self):
        """A drain by hand, and the first name, outlive a rolling change."""
        head = self.on('head-0')
        head.run('scontrol', 'update', 'nodename=compute-0', 'state=drain',
                 'reason=bad-DIMM')
        self.named('course')
        self.changed('PATCH', '/v1/clusters/course', {'elements': {'slurm': {
            'parameters': {'features': ['fast'], 'max_time': 90}}}})
        note, = {layer['note'] for layer in self.service.get(
            f'/v1/clusters/{self.uuid}/layers?node=compute-0')['layers']
                 } - {''}
        self.assertRegex(note, r'^closed in Slurm: ?bad-DIMM \[root@')
        shown = self.service.call('POST', '/v1/plans', {
            'cluster': self.uuid, 'change': {'elements': {'slurm': {
                'parameters': {'features': ['slow']}}}}}).json
        self.assertIn(f'compute-0: {note}', ' '.join(
            change['reason'] for change in shown['changes']))
        record = head.run('scontrol', '-o', 'show', 'node', 'compute-0')
        for text in ('+DRAIN+', ' Reason=bad-DIMM', 'Features=compute,fast'):
            self.assertIn(text, record)
        self.assertEqual({'compute-0': 'drained', 'compute-2': 'idle'},
                         self.sinfo())
        self.assertIn('ClusterName=demo\n', head.read(
            '/etc/slurm/slurm.conf'))
        self.assertEqual('compute-2.demo.hpc\n',
                         self.ssh('srun hostname -f'))
        self.named('demo')

    def named(self, name):
        self.assertEqual(200, self.service.call(
            'PATCH', f'/v1/clusters/{self.uuid}', {'name': name}).status)

    def damage_is_seen_and_mended(self):
        """What nobody recorded is found on the nodes, and put right."""
        limits = '/etc/security/limits.d/50-hpcdirect.conf'
        self.on('head-0').run('bash', '-c', (
            'echo "PartitionName=rogue Nodes=ALL" >> /etc/slurm/slurm.conf; '
            'scontrol reconfigure'))
        self.on('compute-0').run('systemctl', 'stop', 'slurmd')
        self.on('compute-2').run('rm', limits)
        if soak.SOAK:
            self.a_check_tells(limits)
        # And one of which no check has told.
        self.on('compute-0').run('rm', limits)
        cluster, done = self.again('repair')
        self.assertEqual(('ACTIVE', 'SUCCEEDED'), (
            cluster['status'], done['status']), done['failures'])
        for name in ('compute-0', 'compute-2'):
            self.assertIn('memlock', self.on(name).read(limits))
        self.assertNotIn('rogue', self.ssh('sinfo -h -o %R'))
        # The drain by hand was no damage.
        self.assertEqual({'compute-0': 'drained', 'compute-2': 'idle'},
                         self.sinfo())

    def a_check_tells(self, limits):
        """All of it, and it changes nothing."""
        cluster, done = self.again('check')
        self.assertEqual(('ERROR', 'FAILED'),
                         (cluster['status'], done['status']))
        found = {(one['node'], one['element']): one['message']
                 for one in done['failures']}
        for key, text in ((('head-0', 'slurm'), 'slurm.conf has another'),
                          (('compute-0', 'slurm'), 'slurmd is inactive'),
                          (('compute-2', 'base'), f'{limits} is gone')):
            self.assertIn(text, found.pop(key, ''), found)

    def again(self, operation):
        """The cluster and the deployment, when that is over."""
        answer = self.service.call(
            'POST', f'/v1/clusters/{self.uuid}/deployments',
            {'operation': operation})
        self.assertEqual(202, answer.status, answer.text)
        cluster = self.service.settled(self.uuid)
        return cluster, self.service.get(
            f'/v1/deployments/{cluster["deployment"]["id"]}')

    def delete(self):
        """Nothing is left but what was said about it."""
        answer = self.service.call('DELETE', '/v1/clusters/demo')
        self.assertEqual((202, 'DELETING'),
                         (answer.status, answer.json['status']))
        self.assertIsNone(self.service.settled())
        self.assertEqual([], nodes.left(self.service))
        for path in ('demo', self.uuid, f'{self.uuid}/nodes'):
            self.assertEqual(404, self.service.call(
                'GET', f'/v1/clusters/{path}').status)
        self.assertEqual(404, self.service.call(
            'DELETE', f'/v1/clusters/{self.uuid}').status)
        events = self.service.events(self.uuid)
        self.assertIn(('step', 'release', 'SUCCEEDED'), {
            (event['kind'], event['verb'], event['message'])
            for event in events})
        self.assertIn(('task', 'compute-2', 'ok'), {
            (event['kind'], event['node'], event['result'])
            for event in events})
        run = next(event['run_id'] for event in events if event['run_id'])
        self.assertEqual(self.uuid, self.service.get(f'/v1/runs/{run}')[
            'cluster_id'])
        # To others there is no such cluster, and never was.
        self.assertEqual(400, self.service.call(
            'GET', f'/v1/events?cluster={self.uuid}',
            user='member-theirs').status)

    # -- the service ------------------------------------------------------

    def post(self, blueprint='slurm', **parameters):
        return self.service.call('POST', '/v1/clusters', {
            'name': 'demo', 'blueprint': blueprint,
            'parameters': parameters})

    def refused(self, answer):
        """Status and code of a refusal."""
        return answer.status, answer.json['errors'][0]['code']

    def assertFindings(self, places, answer):
        """It was refused for what is in these places; the findings."""
        self.assertEqual((400, 'hpcdirect.invalid'), self.refused(answer))
        findings = answer.json['errors'][0]['findings']
        if places is not None:
            self.assertEqual(places, {finding['where']
                                      for finding in findings})
        return findings

    def settled(self):
        """The cluster, which has to be well."""
        cluster = self.service.settled(self.uuid)
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        self.login = cluster['login']
        return cluster

    def changed(self, method, path, body):
        """Change something and wait; the deployment that did it."""
        answer = self.service.call(method, path, body)
        self.assertEqual(202, answer.status, answer.text)
        deployment = self.service.get(
            f'/v1/deployments/{self.settled()["deployment"]["id"]}')
        self.assertEqual('SUCCEEDED', deployment['status'])
        return deployment

    def steps(self, deployment):
        return [(step['kind'], step['element'], step['status'])
                for step in deployment['steps']]

    def last_event(self):
        return self.service.events(self.uuid)[-1]['id']

    def touched(self, marker):
        """Nodes that a task was played on after an event."""
        return {event['node'] for event in self.service.events(self.uuid)
                if event['id'] > marker and event['kind'] == 'task'}

    # -- the machines -----------------------------------------------------

    def on(self, name):
        return nodes.Machine(self.service, self.uuid, name)

    def login_as(self, user, command):
        """The words that run a shell command at the login node."""
        address, port = self.login['address'], self.login['port']
        known = self.keys.with_name('known_hosts')
        name = address if port == 22 else f'[{address}]:{port}'
        known.write_text(f'{name} {self.login["host_key"]}\n')
        options = (
            f'UserKnownHostsFile={known}', 'GlobalKnownHostsFile=/dev/null',
            'StrictHostKeyChecking=yes', 'BatchMode=yes',
            'IdentitiesOnly=yes', 'IdentityAgent=none')
        return ['ssh', '-F', '/dev/null', '-i', self.keys, '-p', str(port),
                *(word for option in options for word in ('-o', option)),
                f'{user}@{address}', command]

    def ssh(self, command, text='', user='alice'):
        """Run a shell command at the login node; its output."""
        done = subprocess.run(
            self.login_as(user, command), input=text, text=True,
            capture_output=True, timeout=120)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def sinfo(self):
        """Node -> state, as Slurm has it."""
        return dict(line.split() for line
                    in self.ssh('sinfo -h -N -o "%N %T"').splitlines())

    def pids(self, *names):
        """Node -> pid of its slurmd, counted inside of it."""
        found = {}
        for name in names:
            found[name] = int(nodes.Machine(self.service, self.uuid, name).run(
                'systemctl', 'show', '-p', 'MainPID', '--value', 'slurmd'))
            self.assertGreater(found[name], 1)
        return found

    def measured(self, name):
        """Whether a node gives numbers to Prometheus."""
        node = self.service.get(f'/v1/clusters/demo/nodes/{name}')
        with socket.socket() as client:
            client.settimeout(10)
            return client.connect_ex((node['address'], METRICS)) == 0
