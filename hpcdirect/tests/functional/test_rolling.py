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

"""Eight nodes full of jobs are changed, a few at a time; no job notices."""

import collections
import os
import re
import subprocess

import testtools

from hpcdirect.tests import public_keys
from hpcdirect.tests.functional import nodes
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import soak

COUNT, MOST = 8, 2
#: Seconds, nodes and tasks of the jobs, dealt out in turn.
MIXED = ((3, 1, 1), (8, 1, 2), (5, 2, 2), (12, 1, 1), (4, 1, 2), (9, 3, 3),
         (2, 1, 1), (15, 1, 2))
SUBMIT = """\
mkdir -p ~/jobs && cd ~/jobs || exit
while read -r seconds nodes tasks; do
  sbatch --parsable -N$nodes -n$tasks -o %j.out --wrap "
    echo begun; srun -n$tasks sleep $seconds && echo ended"
done
"""
#: Until told to stop: which nodes start no job, each second.
WATCH = """\
while [ ! -e /tmp/enough ]; do
  sinfo -h -N -o '%n %T' | awk '$2 ~ /drain|down|fail|maint/ {print $1}' |
    sort -u | paste -sd ' ' >> /tmp/out
  sleep 1
done
"""
SPOIL = """\
d=/etc/systemd/system/slurmd.service.d
mount --bind $d $d && mount -o remount,ro,bind $d
"""


#: From its next start on, slurmd says something and dies, as it does of a
#: setting that it does not like.
DIES = """\
cat > /etc/systemd/system/slurmd.service.d/zz-dies.conf <<'UNIT'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'echo fatal: no such cgroup >&2; exit 1'
UNIT
"""


class _Case(testtools.TestCase):
    """A Slurm cluster on local machines."""

    count, network = COUNT, '10.220.0.0/16'

    def setUp(self):
        super().setUp()
        self.service = self.useFixture(service.Service(
            backend='local', local={'network': self.network}))
        self.useFixture(nodes.Leftovers(self.service))
        self.service.start()
        self.uuid = self.service.create(
            'demo', 'slurm', compute_count=self.count, users=[{
                'name': 'alice', 'keys': [public_keys.line('alice')]}])['id']
        cluster = self.rest()
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])

    def rest(self):
        return self.service.settled('demo', seconds=1800)

    def run_on(self, node, script):
        """What a script prints on a machine, as root."""
        machine = nodes.Machine(self.service, self.uuid, node)
        done = subprocess.run(
            ['nsenter', '-t', str(machine.init()), '--all', 'bash', '-c',
             script], capture_output=True, text=True, timeout=600)
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout

    def change(self, *features):
        answer = self.service.call('PATCH', '/v1/clusters/demo', {
            'elements': {'slurm': {'parameters': {
                'features': list(features)}}}})
        self.assertEqual(202, answer.status, answer.text)


@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class DeadDaemonTest(_Case):
    """A wave whose slurmd is dead is no success, though it is drained."""

    count, network = 2, '10.222.0.0/16'

    def test_the_wave_fails(self):
        for name in ('compute-0', 'compute-1'):
            self.run_on(name, DIES)
        self.change('fast')
        cluster = self.rest()
        self.assertEqual('ERROR', cluster['status'])
        first = cluster['failures'][0]
        self.assertEqual(('slurm', 'compute-0'),
                         (first['element'], first['node']))
        self.assertIn('fatal: no such cgroup', first['message'])
        # The next wave did not begin.
        self.assertEqual('compute-1 idle\n', self.run_on(
            'head-0', "sinfo -h -N -n compute-1 -o '%n %t' | sort -u"))


@soak.only
@testtools.skipIf(os.geteuid() != 0, 'machines need root')
class RollingTest(_Case):

    def submit(self, count):
        said = '\n'.join(' '.join(map(str, MIXED[number % len(MIXED)]))
                         for number in range(count))
        return self.run_on(
            'head-0', f"runuser -l alice -c '{SUBMIT}' <<'JOBS'\n"
            f'{said}\nJOBS\n').split()

    def features(self):
        """Features besides the group's -> nodes."""
        found = collections.defaultdict(list)
        for line in self.run_on(
                'head-0', "sinfo -h -N -o '%n %f' | sort -u").splitlines():
            name, said = line.split()
            found[said.partition(',')[2]].append(name)
        return dict(found)

    def test_jobs_do_not_notice(self):
        jobs = self.submit(40)
        self.assertEqual(40, len(jobs))
        self.run_on('head-0', 'rm -f /tmp/enough /tmp/out; '
                    f"setsid bash -c '{self.quoted(WATCH)}' "
                    '> /dev/null 2>&1 < /dev/null &')
        self.change('fast')
        cluster = self.rest()
        self.assertEqual('ACTIVE', cluster['status'],
                         cluster['status_reason'])
        self.assertEqual(['fast'], list(self.features()))
        self.went_well(jobs)
        waves = self.waves()
        print(f'\nsampled {len(waves)} times; out at once: '
              f'{collections.Counter(map(len, waves))}')
        self.assertEqual(COUNT, len(set().union(*waves)))
        self.halts()

    def quoted(self, text):
        return text.replace("'", "'\\''")

    def halts(self):
        """A failure in the second wave."""
        jobs = self.submit(40)
        self.run_on('compute-2', SPOIL)
        self.change('faster')
        cluster = self.rest()
        self.assertEqual('ERROR', cluster['status'])
        self.assertIn('compute-2 and compute-3 were put back',
                      cluster['status_reason'])
        print(cluster['status_reason'])
        self.assertEqual({
            'faster': ['compute-0', 'compute-1'],
            'fast': [f'compute-{number}' for number in range(2, 8)]},
            self.features())
        self.waves()
        self.run_on('compute-2', 'umount /etc/systemd/system/slurmd.service.d')
        self.assertEqual(202, self.service.call(
            'POST', '/v1/clusters/demo/deployments',
            {'operation': 'retry'}).status)
        self.assertEqual('ACTIVE', self.rest()['status'])
        self.assertEqual(['faster'], list(self.features()))
        self.went_well(jobs)
        self.run_on('head-0', 'touch /tmp/enough')

    def waves(self):
        """The nodes that were out, each second until now."""
        text = self.run_on('head-0', 'cat /tmp/out; : > /tmp/out')
        found = [set(line.split()) for line in text.split('\n')[:-1]]
        self.assertNotEqual([], found)
        self.assertLessEqual(max(map(len, found)), MOST)
        return found

    def went_well(self, jobs):
        """Each job ran once, to its end."""
        self.run_on('head-0', 'while [ -n "$(squeue -h)" ]; do sleep 1; done')
        for job in jobs:
            self.assertEqual('begun\nended\n', self.run_on(
                'head-0', f'cat /home/alice/jobs/{job}.out'), job)
            said = self.run_on('head-0', f'scontrol show job {job}')
            self.assertRegex(said, 'JobState=COMPLETED', said)
            self.assertEqual(['0'], re.findall(r'Restarts=(\d+)', said))
