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

"""The planner on random element graphs and random histories."""

import os

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.blueprints.model import Role
from hpcdirect.planning import sizing
from hpcdirect.tests.unit.planning import world

# 'HPCDIRECT_EXAMPLES=1000000 python -m stestr ...' for the long run.
EXAMPLES = int(os.environ.get('HPCDIRECT_EXAMPLES', '40'))
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

WATCHES = ('', 'all.names', 'all.addresses')


@st.composite
def clusters(draw):
    """A world with up to six elements that stand on one another."""
    elements = []
    for number in range(draw(st.integers(1, 6))):
        below = [element.name for element in elements]
        watch = draw(st.sampled_from(WATCHES))
        elements.append(world.element(
            f'e{number}',
            requires=tuple(draw(st.lists(st.sampled_from(below), unique=True,
                                         max_size=2)) if below else ()),
            needs=draw(st.sampled_from(['node', 'node', 'cluster'])),
            data=('drain',) if draw(st.booleans()) else (),
            roles=(Role('all', watches=(watch,) if watch else ()),)))
    return world.World(world.blueprint(elements))


@st.composite
def histories(draw):
    """Changes: count, a slot dropped, replaced, a value, on and off."""
    return draw(st.lists(st.tuples(
        st.sampled_from(['count', 'drop', 'replace', 'value', 'switch',
                         'fail', 'dirty']),
        st.integers(0, 7), st.integers(0, 4)), max_size=8))


def change(cluster, what, first, second):
    """One change of what is wanted, or of what is there."""
    state, blueprint = cluster.state, cluster.blueprint
    elements = blueprint.elements
    name = elements[first % len(elements)].element.name
    slots = state.groups['compute']
    if what == 'count':
        return sizing.with_count(state, blueprint, 'compute', second)
    if what == 'drop' and slots:
        keep = [slot.name for slot in slots]
        keep.pop(first % len(keep))
        return sizing.with_slots(state, blueprint, 'compute', keep)
    if what == 'replace' and slots:
        return sizing.with_replaced(state, blueprint, 'compute',
                                    [slots[first % len(slots)].name])
    if what == 'value':
        return sizing.with_parameters(state, blueprint,
                                       {f'value_{name}': second})
    if what == 'switch':
        on = state.parameters[f'with_{name}']
        return sizing.with_parameters(state, blueprint,
                                       {f'with_{name}': not on})
    return state


class PropertiesTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(clusters(), histories(), st.randoms())
    def test_converge_reaches_what_is_wanted(self, cluster, history, random):
        cluster.converge()
        for what, first, second in history:
            cluster.state = change(cluster, what, first, second)
            if what == 'fail':
                # Anything may fail on any node; a retry goes on from there.
                cluster.converge(lambda node, step: random.random() < 0.3)
            else:
                cluster.converge()
        self.assertTrue(cluster.converge())
        self.assertEqual((), cluster.plan())
        self.assertEqual(set(cluster.wanted.members), set(cluster.nodes))
        self.assertEqual(set(cluster.wanted.layers), set(cluster.layers))
        for key, layer in cluster.wanted.layers.items():
            self.assertEqual(layer.digest, cluster.layers[key].digest)
            self.assertTrue(cluster.layers[key].verified)

    @SETTINGS
    @hypothesis.given(clusters(), st.integers(0, 4))
    def test_scaling_runs_nothing_on_those_that_watch_nothing(
            self, cluster, count):
        cluster.converge()
        before = set(cluster.nodes)
        cluster.state = sizing.with_count(
            cluster.state, cluster.blueprint, 'compute', count)
        cluster.ran.clear()
        cluster.converge()
        watching = {use.element.name for use in cluster.blueprint.elements
                    if use.element.roles[0].watches}
        for kind, (node, element, _) in cluster.ran:
            if node in before and kind in ('apply', 'verify'):
                self.assertIn(element, watching)

    @SETTINGS
    @hypothesis.given(clusters())
    def test_everything_reverted_leaves_nothing(self, cluster):
        cluster.converge()
        cluster.state = sizing.with_parameters(
            cluster.state, cluster.blueprint, {
                f'with_{use.element.name}': False
                for use in cluster.blueprint.elements})
        self.assertTrue(cluster.converge())
        self.assertEqual({}, cluster.layers)

    @SETTINGS
    @hypothesis.given(clusters(), st.randoms())
    def test_what_an_element_requires_is_there_first(self, cluster, random):
        requires = {use.element.name: use.element.requires
                    for use in cluster.blueprint.elements}
        cluster.converge(lambda node, step: random.random() < 0.2)
        cluster.converge()
        done = set()
        for kind, (node, element, _) in cluster.ran:
            if kind == 'apply':
                for below in requires[element]:
                    self.assertIn((node, below), done)
                done.add((node, element))
