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


"""The planner on very many random element graphs and histories.

Hypothesis gives seeds only, so that thousands go by in a minute; the same
properties with examples that shrink are in ``unit/planning``.
"""

import gc
import os
import random

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.blueprints.model import Role
from hpcdirect.exception import Invalid
from hpcdirect.planning import elements
from hpcdirect.planning import sizing
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import tracing
from hpcdirect.tests.unit.planning import world

EXAMPLES = int(os.environ.get('HPCDIRECT_EXAMPLES')
               or (20000 if soak.SOAK else 5000))
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))
CHANGES = ('count', 'drop', 'replace', 'value', 'kind', 'switch', 'off', 'on',
           'member')


def made(dice):
    """A world of one to five elements, and two that it may be given."""
    names = []
    found = []
    for number in range(dice.randint(1, 5) + 2):
        watch = dice.choice(('', 'all.names', 'all.addresses'))
        found.append(world.element(
            f'e{number}', needs=dice.choice(('node', 'node', 'cluster')),
            requires=tuple(dice.sample(names, min(len(names), dice.choice(
                (0, 1, 1, 2))))),
            data=('drain',) if dice.random() < 0.4 else (),
            rolling=dice.random() < 0.3,
            roles=(Role('all', watches=(watch,) if watch else ()),)))
        names.append(f'e{number}')
    return world.World(world.blueprint(found[:-2]), world.found(*found))


def changed(cluster, dice):
    """What is wanted after one change, asked for as the API asks."""
    state, blueprint = cluster.state, cluster.blueprint
    known = [use.element.name for use in blueprint.elements]
    name = dice.choice(known)
    slots = [slot.name for slot in state.groups['compute']]
    what = dice.choice(CHANGES)
    if what == 'count':
        return sizing.with_count(state, blueprint, 'compute',
                                  dice.randint(0, 4))
    if what == 'drop' and slots:
        slots.remove(dice.choice(slots))
        return sizing.with_slots(state, blueprint, 'compute', slots)
    if what == 'replace' and slots:
        return sizing.with_replaced(state, blueprint, 'compute',
                                     [dice.choice(slots)])
    if what in ('value', 'kind'):
        return sizing.with_parameters(
            state, blueprint, {f'{what}_{name}': dice.randint(0, 3)})
    if what == 'switch':
        return sizing.with_parameters(state, blueprint, {
            f'with_{name}': not state.parameters[f'with_{name}']})
    if what == 'member' and cluster.nodes:
        # Nobody asked for it: a machine answers at another address.
        cluster.moved(dice.choice(sorted(cluster.nodes)))
        return state
    if what in ('off', 'on'):
        extra = [f'e{len(known)}', f'e{len(known) + 1}']
        return elements.changed(
            state, blueprint, {dice.choice([*known, *extra]):
                               {} if what == 'on' else None},
            cluster.element_of)
    return state


class HistoriesTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        tracing.off(self)
        # What is there already is no garbage, and is looked at no more.
        gc.freeze()
        self.addCleanup(gc.unfreeze)

    @SETTINGS
    @hypothesis.given(st.integers(0, 2 ** 63))
    def test_whatever_happened_it_gets_there(self, seed):
        dice = random.Random(seed)  # noqa: S311
        cluster = made(dice)
        cluster.converge()
        for _ in range(dice.randint(1, 4)):
            before = {name: node for name, (node, _) in
                      cluster.nodes.items()}
            old = cluster.wanted
            try:
                cluster.state = changed(cluster, dice)
            except Invalid:
                continue
            cluster.ran.clear()
            if dice.random() < 0.4:
                # Anything may fail anywhere; a retry goes on from there.
                cluster.converge(lambda node, step: dice.random() < 0.3)
                self.assertTrue(cluster.converge())
            else:
                settled = not old or self.agrees(cluster, old)
                self.assertTrue(cluster.converge())
                if settled:
                    self.untouched(cluster, old, before)
            self.reached(cluster)
        self.nothing_is_left(cluster)

    def agrees(self, cluster, wanted):
        """Whether it stood as it was wanted before the change."""
        return all(key in cluster.layers and cluster.layers[key].digest
                   == layer.digest for key, layer in wanted.layers.items())

    def reached(self, cluster):
        self.assertEqual((), cluster.plan())
        wanted = cluster.wanted
        self.assertEqual(set(wanted.members), set(cluster.nodes))
        self.assertEqual(set(wanted.layers), set(cluster.layers))
        for key, layer in wanted.layers.items():
            seen = cluster.layers[key]
            self.assertEqual((layer.digest, layer.base, True),
                             (seen.digest, seen.base, seen.verified))

    def untouched(self, cluster, old, before):
        """No layer ran whose inputs are what they were."""
        off = {key for kind, key in cluster.ran if kind == 'revert'}
        new = cluster.wanted.layers
        for kind, key in cluster.ran:
            node = before.get(key[0])
            same = (kind == 'apply' and node is not None and key in old.layers
                    and node.incarnation == new[key].incarnation
                    and old.layers[key].digest == new[key].digest)
            if same:
                # It went along with what it stands on.
                self.assertIn(key, off)

    def nothing_is_left(self, cluster):
        """Everything is taken off, in an order that holds."""
        names = [use.element.name for use in cluster.blueprint.elements]
        cluster.ran.clear()
        standing = {key: set(layer.requires)
                    for key, layer in cluster.layers.items()}
        state = cluster.state
        cluster.state = elements.changed(
            state, cluster.blueprint, dict.fromkeys([*names, *(
                one.name for one in state.elements)]),
            cluster.element_of)
        self.assertTrue(cluster.converge())
        self.assertEqual({}, cluster.layers)
        for kind, (node, name, role) in cluster.ran:
            if kind == 'revert':
                del standing[node, name, role]
                for (other, _, _), needs in standing.items():
                    self.assertFalse(other == node and name in needs,
                                     'taken away from under another')
