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


"""Any template becomes flat HOT in which nothing is named in vain."""

import os

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.blueprints import flat
from hpcdirect.blueprints import hot
from hpcdirect.tests.unit.backends import world

EXAMPLES = int(os.environ.get('HPCDIRECT_EXAMPLES', '20'))
SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

ATTRIBUTES = (['refs'], ['refs', 0], ['first_address'], ['resource.0'],
              ['resource.5.name'], ['refs_map'], ['attributes', 'name'],
              ['networks', 'inside', 0], [])
NESTED_ATTRIBUTES = (['refs'], ['address'], ['resource.1.address'],
                     ['ports', 0], ['attributes', 'label'], ['resource.0'])


@st.composite
def values(draw, names, parameters):
    """A value that names some of these, at some depth."""
    kind = draw(st.sampled_from(['resource', 'attr', 'param', 'plain', 'in']))
    if kind == 'resource':
        return {'get_resource': draw(st.sampled_from(sorted(names)))}
    if kind == 'attr':
        name = draw(st.sampled_from(sorted(names)))
        return {'get_attr': [name, *draw(st.sampled_from(names[name]))]}
    if kind == 'param':
        return {'get_param': draw(st.sampled_from(parameters))}
    if kind == 'in':
        return {'list_join': [',', [draw(values(names, parameters))]]}
    return draw(st.sampled_from(['plain', 'n-%index%', 3, None, ['a'], {}]))


@st.composite
def templates(draw):
    """A template and the counts of its groups."""
    groups = {f'g{number}': draw(st.sampled_from(
        ['single', 'many', 'nested'])) for number in range(draw(
            st.integers(1, 3)))}
    parameters = ['p0', 'p1', 'OS::stack_name']
    names = {'net': (['name'],), 'other': (['show'],)} | {
        group: NESTED_ATTRIBUTES if kind == 'nested' else ATTRIBUTES[:-1]
        for group, kind in groups.items()}
    plain = {name: names[name] for name in ('net', 'other')}
    value = values(names, parameters)
    resources = {}
    for group, kind in groups.items():
        server = {'type': hot.SERVER, 'properties': {
            'user_data': draw(value), 'metadata': {'it': draw(value)}}}
        if draw(st.booleans()):
            server['depends_on'] = draw(st.sampled_from(sorted(names)))
        if kind == 'nested':
            server = {'type': 'node.yaml', 'properties': {
                'net': draw(values(plain, parameters)),
                'image': draw(values(plain, parameters)),
                'label': 'label-%index%'}}
        resources[group] = server if kind == 'single' else {
            'type': hot.GROUP, 'properties': {
                'count': {'get_param': 'p0'}, 'resource_def': server}}
    for name in plain:
        resources[name] = {'type': 'OS::Neutron::Net', 'properties': {
            'name': draw(value)}}
    template = {
        'heat_template_version': '2021-04-16',
        'parameters': {'p0': {'type': 'number', 'default': 1},
                       'p1': {'type': 'string'},
                       'public_key': {'type': 'string'}},
        'resources': resources,
        'outputs': {'all': {'value': draw(value)}}}
    return template, groups


def numbers(draw, groups):
    """Slots, by the groups that may have them."""
    return [f'{group}-{number}' for group, kind in groups.items()
            for number in (
                range(draw(st.integers(0, 1))) if kind == 'single' else
                sorted(draw(st.sets(st.integers(0, 5), max_size=4))))]


class PropertiesTest(testtools.TestCase):
    """What holds for every template."""

    def flat(self, template, groups, names):
        return flat.expand(
            hot.parse(world.text(template)), {'node.yaml': world.NODE},
            [flat.TemplateSlot(name, name.rpartition('-')[0])
             for name in names],
            {'p1': 'one'}, groups).plain()

    @SETTINGS
    @hypothesis.given(st.data())
    def test_every_name_is_there_and_nothing_is_grouped(self, data):
        template, groups = data.draw(templates())
        names = numbers(data.draw, groups)
        found = self.flat(template, groups, names)
        self.assertEqual(set(), world.dangling(found))
        self.assertEqual(set(names), {
            name for name, resource in found['resources'].items()
            if resource['type'] == hot.SERVER})
        self.assertNotIn(hot.GROUP, {
            resource['type'] for resource in found['resources'].values()})
        self.assertNotIn('node.yaml', {
            resource['type'] for resource in found['resources'].values()})
        self.assertNotIn('%index%', str([found['resources'][name]
                                         for name in names
                                         if groups[name[:2]] != 'single']))
        # Nothing of parameters is left in machines but Heat's own.
        self.assertEqual(set(), {
            name for slot in names for _, word, name in hot.references(
                found['resources'][slot])
            if word == 'get_param'} - set(hot.PSEUDO))

    @SETTINGS
    @hypothesis.given(st.data())
    def test_a_slot_does_not_change_with_others(self, data):
        template, groups = data.draw(templates())
        # Who names a group of many is another one when those are others.
        for resource in template['resources'].values():
            single = resource['properties'].get('resource_def', resource)
            if single['type'] == hot.SERVER:
                single['properties'] = {'image': {'get_param': 'p1'}}
                single.pop('depends_on', None)
        first, second = (numbers(data.draw, groups) for _ in range(2))
        before = self.flat(template, groups, first)['resources']
        after = self.flat(template, groups, second)['resources']
        for slot in set(first) & set(second):
            of = [name for name in before
                  if name == slot or name.startswith(f'{slot}.')]
            self.assertNotEqual([], of)
            for name in of:
                self.assertEqual(before[name], after[name])

    @SETTINGS
    @hypothesis.given(st.data())
    def test_loosened(self, data):
        template, groups = data.draw(templates())
        names = numbers(data.draw, groups)
        found = self.flat(template, groups, names)
        gone = data.draw(st.sets(st.sampled_from(sorted(
            found['resources']))))
        kept = {name: resource for name, resource
                in found['resources'].items() if name not in gone}
        loose = {name: hot.loosened(resource, kept)
                 for name, resource in kept.items()}
        self.assertEqual(set(), world.dangling(
            {'resources': loose, 'parameters': found['parameters']}))
        if not gone:
            self.assertEqual(kept, loose)
