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

"""Pictures: everything is in them once, in its place, and nothing else."""

import os
from xml.etree import ElementTree

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect import states
from hpcdirect.dashboard import drawing
from hpcdirect.dashboard import text

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get('HPCDIRECT_EXAMPLES', '60')),
    deadline=None, database=None)
# An attribute of XML has no line ends.
NAMES = st.one_of(st.text(st.characters(exclude_characters='\n\r\t'),
                          min_size=1, max_size=30), st.sampled_from(
    ['"><script>', '{$ 1 $}', "' onload='x", '\u202e', '\ud800', '&amp;']))
LAYERS = [*states.LayerState, 'verified']


def topology(nodes, groups=('compute',), layers=3, name='demo'):
    """As the API shows it, of (name, place of its group, status) each."""
    return {
        'name': name,
        'groups': [{'name': one, 'label': '', 'ready': 1, 'count': 2}
                   for one in groups],
        'layers': [{'element': f'e{number}'} for number in range(layers)],
        'stacks': [
            {'layers': list(range(layers)), 'states': ['verified'] * layers},
            {'layers': [], 'states': []}],
        'nodes': {
            'name': [one[0] for one in nodes],
            'group': [one[1] for one in nodes],
            'status': [one[2] for one in nodes],
            'stack': [int(one[2] is None) for one in nodes],
            'wanted': [True] * len(nodes), 'fault': [''] * len(nodes)}}


def box(element):
    left, top, wide, tall = (float(element.get(name)) for name in (
        'x', 'y', 'width', 'height'))
    return left, top, left + wide, top + tall


def apart(one, other):
    return (one[2] <= other[0] or other[2] <= one[0]
            or one[3] <= other[1] or other[3] <= one[1])


class NodesTest(testtools.TestCase):

    def drawn(self, *args, **more):
        svg = ElementTree.fromstring(  # noqa: S314
            drawing.nodes(topology(*args, **more)))
        return svg, [one for one in svg if one.tag == 'g']

    @SETTINGS
    @hypothesis.given(
        st.lists(NAMES, min_size=1, max_size=3), st.integers(0, 5),
        st.lists(st.tuples(NAMES, st.integers(0, 2), st.one_of(
            st.none(), st.sampled_from(list(states.NodeStatus)))),
            max_size=80))
    def test_everything_is_there_once_in_its_place(self, groups, layers,
                                                   nodes):
        nodes = [(name, group % len(groups), status)
                 for name, group, status in nodes]
        svg, blocks = self.drawn(nodes, groups, layers, groups[0])
        self.assertEqual(
            sorted(text.visible(name) for name, _, _ in nodes),
            sorted(one.get('data-node') for one in blocks))
        _, _, wide, tall = map(float, svg.get('viewBox').split())
        frames = [box(one.find('rect')) for one in blocks]
        for place, frame in enumerate(frames):
            self.assertTrue(0 <= frame[0] < frame[2] <= wide, frame)
            self.assertTrue(0 <= frame[1] < frame[3] <= tall, frame)
            self.assertTrue(all(apart(frame, other)
                                for other in frames[:place]), frame)
        for one, frame in zip(blocks, frames, strict=True):
            inner = [box(part) for part in one.findall('rect')[1:]]
            for place, layer in enumerate(inner):
                self.assertFalse(apart(layer, frame))
                self.assertTrue(frame[1] <= layer[1] < layer[3] <= frame[3])
                self.assertTrue(all(apart(layer, other)
                                    for other in inner[:place]))
        # Nothing of what others wrote is markup.
        self.assertEqual(
            set(), {part.tag for part in svg.iter()}
            - {'svg', 'g', 'rect', 'text', 'title'})
        self.assertFalse([name for part in svg.iter() for name in part.attrib
                          if name.startswith('on') or name == 'style'])

    def test_a_node_says_what_it_is(self):
        _, (one, other) = self.drawn([('compute-0', 0, 'UP'),
                                      ('compute-1', 0, None)])
        self.assertEqual('compute-0, up, 3 of 3 layers',
                         one.get('aria-label'))
        self.assertEqual('compute-1, not there yet, 0 of 0 layers',
                         other.get('aria-label'))
        self.assertEqual(['0', '0'], [each.get('tabindex')
                                      for each in (one, other)])
        self.assertEqual('hpc-node hpc-up', one.get('class'))

    def test_many_nodes_are_one_square_each(self):
        said = topology([(f'compute-{number}', 0, 'UP')
                         for number in range(1000)], layers=12)
        picture = drawing.nodes(said)
        self.assertLess(len(picture), 350_000)
        svg = ElementTree.fromstring(picture)  # noqa: S314
        self.assertEqual(1000, len(svg.findall('g')))
        self.assertEqual(1000, len(svg.findall('g/rect')))


class BarTest(testtools.TestCase):

    def test_what_nobody_knows_has_no_value(self):
        self.assertIn('value="0.500"', drawing.bar(0.5, 'half'))
        self.assertNotIn('value', drawing.bar(None, '"'))
        self.assertIn('aria-label="&quot;"', drawing.bar(2, '"'))
