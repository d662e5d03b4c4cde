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


"""Whatever of an element is broken, its verify says so, and apply mends it.

Nothing here knows any element: what is broken one by one is what the layers
wrote down of themselves on the nodes, their files, units and packages.
"""

import collections
import json
import os
import shlex
import unittest

from hpcdirect.runners.base import Verb
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_trials
from hpcdirect.trials import layout as layouts
from hpcdirect.trials.bed import Bed
from hpcdirect.trials.selection import Asked
from hpcdirect.trials.selection import Selection
from hpcdirect.trials.stage import Stage

#: Elements that are broken each time; a walk through all takes half an hour.
QUICK = ('munge',)
NAMES = (*test_trials.SHIPPED, *test_trials.LARGE) if soak.SOAK else QUICK

#: Prints every layer that a node knows, as JSON.
LAYERS = """python3 -c '
import glob, json, os
print(json.dumps({os.path.basename(path)[:-5]: json.load(open(path))
                  for path in glob.glob("/var/lib/hpcdirect/layers/*.json")}))
'"""
#: So that removing a package asks nobody and starts nothing.
REMOVE = ('DEBIAN_FRONTEND=noninteractive SUDO_FORCE_REMOVE=yes '
          'dpkg --force-all --remove {} > /dev/null 2>&1')
PID = '$(systemctl show -p MainPID --value {})'

Damage = collections.namedtuple('Damage', 'what command undo said')


def damages(record):
    """Every way in which we break a layer, of its own record."""
    for path, kept in sorted(record['wrote'].items()):
        file = shlex.quote(path)
        if 'sha256' in kept:
            yield Damage(f'{path} changed', f'printf "\\n# x" >> {file}', '',
                         path)
        if kept['kind'] == 'link':
            yield Damage(f'{path} led astray',
                         f'ln -sfn /nonexistent {file}', '', path)
        else:
            yield Damage(f'{path} of another mode',
                         f'chmod {kept["mode"] ^ 0o001:o} {file}', '', path)
            yield Damage(f'{path} of another owner', f'chown 4242 {file}',
                         '', path)
        if kept['kind'] == 'file':
            yield Damage(f'{path} gone', f'rm {file}', '', path)
    for unit in record['units']:
        yield Damage(f'{unit} stopped', f'systemctl stop {unit}', '', unit)
        yield Damage(f'{unit} disabled', 'SYSTEMCTL_SKIP_SYSV=1 systemctl '
                     f'-q disable {unit}', '', unit)
        # One whose file is the layer's own cannot be masked.
        yield Damage(f'{unit} masked', f'systemctl -q mask {unit} '
                     f'2> /dev/null; systemctl stop {unit}', '', unit)
        yield Damage(f'{unit} hung', f'pid={PID.format(unit)}; '
                     '[ $pid = 0 ] || kill -STOP $pid; echo $pid',
                     f'kill -CONT {PID.format(unit)}', '')
    for package in record['packages']:
        yield Damage(f'{package} removed', REMOVE.format(package), '',
                     package)


@soak.in_turn('damage')
@unittest.skipUnless(os.geteuid() == 0, 'needs root to make nodes')
class DamageTest(unittest.TestCase):

    maxDiff = None

    def test_every_damage_is_seen_and_mended(self):
        asked = Asked(NAMES)
        selection = Selection(asked)
        plans = [layouts.plan(wish, selection.find)
                 for wish in selection.wishes(asked)]
        volumes = {}
        for plan in plans:
            volumes |= plan.volumes
        with Bed(1 if not soak.SOAK else 2, self.say) as bed:
            self.stage = Stage(bed, volumes.values())
            self.stage.boot(plans[0], self.say)
            for plan in plans:
                with self.subTest(plan.judged[0]):
                    self.walk(plan)

    def say(self, text):
        if soak.SOAK:
            print(text, flush=True)

    def walk(self, plan):
        """Put an element on, break it in every way, take it off."""
        self.plan, self.names = plan, plan.judged
        self.stage.lay(plan, self.say)
        before = self.layers()
        self.well(self.stage.play(plan, (Verb.APPLY, self.names)))
        try:
            mine = collections.defaultdict(dict)  # layer -> node -> record
            for node, layers in self.layers().items():
                for name in layers.keys() - before[node].keys():
                    mine[name][node] = layers[name]
            self.assertTrue(mine)
            total = sum(self.break_layer(nodes) for nodes in mine.values())
            self.say(f'{self.names[0]}: {total} damages')
        finally:
            self.well(self.stage.play(plan, (Verb.REVERT, self.names)))

    def break_layer(self, nodes):
        """Break a layer in every way, on each of its nodes by turns."""
        left = list(damages(next(iter(nodes.values()))))
        total = len(left)
        while left:
            # A daemon that hangs is found out by what it does for others:
            # nothing else is to be broken meanwhile.
            alone = not left[0].said or any(
                not one.said for one in left[:len(nodes)])
            now, left = (left[:1], left[1:]) if alone else (
                left[:len(nodes)], left[len(nodes):])
            self.break_and_mend(dict(zip(nodes, now, strict=False)))
        return total

    def break_and_mend(self, broken):
        """Break each node in its way: verify sees it, apply mends it."""
        said = self.on({node: one.command for node, one in broken.items()})
        (right,) = self.stage.play(self.plan, (Verb.VERIFY, self.names))
        found = {cause.node: cause.message for cause in right.failures}
        for node, one in broken.items():
            if not one.said and said[node].strip() == '0':
                continue  # a unit without a process
            self.assertIn(node, found, f'not seen: {one.what} on {node}')
            self.assertIn(one.said, found[node], one.what)
        self.on({node: one.undo for node, one in broken.items()})
        what = [one.what for one in broken.values()]
        on, right = self.stage.play(self.plan, (Verb.APPLY, self.names),
                                    (Verb.VERIFY, self.names))
        self.assertEqual(((), ()), (on.failures, right.failures), what)

    def on(self, commands):
        """What commands print, each on its node."""
        cases = '\n'.join(f'{node}) {command or ":"} ;;'
                          for node, command in commands.items())
        return {node: said.decode() for node, said in self.stage.everywhere(
            f'case $(hostname) in\n{cases}\nesac').items()}

    def layers(self):
        return {node: json.loads(said) for node, said
                in self.stage.everywhere(LAYERS).items()}

    def well(self, played):
        for one in played:
            self.assertEqual((), one.failures)


if __name__ == '__main__':
    unittest.main()
