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

"""What a merge says, whatever is merged."""

import json
import pathlib
import time

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import testtools

from hpcdirect import exception
from hpcdirect.blueprints import document
from hpcdirect.blueprints import export
from hpcdirect.blueprints import merging

PARENT, CHILD = pathlib.Path('/p/blueprint.yaml'), pathlib.Path(
    '/c/blueprint.yaml')
#: Those of wires are not among them: a wire is replaced as a whole.
KEYS = st.sampled_from(['a', 'b', 'c', 'd', 'e'])
PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.text(
    max_size=3) | st.sampled_from(['\x85', '\u2028', 'a\u2029b', ' \n', '=',
                                '2026-01-01', '<<', '1:30', 'no'])
VALUES = st.recursive(PLAIN, lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=5)
NAMES = st.sampled_from(['munge', 'slurm', 'base', 'users', 'mpi'])
USES = st.lists(st.fixed_dictionaries(
    {'name': NAMES}, optional={'variables': MAPPINGS}),
    unique_by=lambda use: use['name'], max_size=5)
BLUEPRINTS = st.fixed_dictionaries({
    'parameters': MAPPINGS, 'elements': USES})


def read(said, file):
    """A document of a file that says just that, as YAML."""
    return document.parse(export.plain(said).encode(), file)


def merge(parent, child):
    """What the two say together, and what is wrong."""
    return merging.merged(read(parent, PARENT),
                          read({'from': 'p@1', **child}, CHILD))


def without_nulls(said):
    """No member that is null, at any depth of mappings."""
    if not isinstance(said, dict):
        return said
    return {key: without_nulls(value) for key, value in said.items()
            if value is not None}


def patched(target, patch):
    """MergePatch of RFC 7396, as it is written there."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = patched(target.get(name), value)
    return target


def turned(said):
    """The same with every mapping's members the other way round."""
    if isinstance(said, dict):
        return {key: turned(said[key]) for key in reversed(said)}
    return [*map(turned, said)] if isinstance(said, list) else said


class PropertiesTest(testtools.TestCase):

    @settings(deadline=None, max_examples=60)
    @given(BLUEPRINTS)
    def test_nothing_changes_nothing(self, parent):
        made, wrong = merge(parent, {})
        self.assertEqual(([], parent), (wrong, made.data))

    @settings(deadline=None, max_examples=60)
    @given(MAPPINGS, MAPPINGS)
    def test_mappings_are_merged_as_the_rfc_says(self, parent, child):
        made, _ = merge({'parameters': parent}, {'parameters': child})
        self.assertEqual(patched(parent, child), made.data['parameters'])

    @settings(deadline=None, max_examples=60)
    @given(BLUEPRINTS, BLUEPRINTS)
    def test_what_is_whole_stays_as_it_is(self, parent, child):
        once, _ = merge(parent, child)
        text = export.plain(once.data)
        self.assertEqual(once.data, read(once.data, CHILD).data)
        again, wrong = merge(once.data, {})
        self.assertEqual((once.data, []), (again.data, wrong))
        self.assertEqual(text, export.plain(again.data))

    @settings(deadline=None, max_examples=60)
    @given(BLUEPRINTS, BLUEPRINTS)
    def test_the_order_of_a_file_means_nothing(self, parent, child):
        def backwards(said):
            new = turned(said)
            new['elements'] = [turned(use) for use in said['elements']]
            return new

        one, wrong = merge(parent, child)
        other, wrong_too = merge(backwards(parent), backwards(child))
        self.assertEqual(one.data, other.data)
        self.assertEqual({found.message.partition(' in ')[0]
                          for found in wrong},
                         {found.message.partition(' in ')[0]
                          for found in wrong_too})

    @settings(deadline=None, max_examples=60)
    @given(BLUEPRINTS, BLUEPRINTS)
    def test_every_value_has_a_place(self, parent, child):
        made, _ = merge(parent, child)

        def paths(said, path=()):
            yield path
            for key, value in (said.items() if isinstance(said, dict)
                               else enumerate(said)
                               if isinstance(said, list) else ()):
                yield from paths(value, (*path, key))

        self.assertEqual({*paths(made.data), ('from',)}, {*made.origins})
        self.assertLessEqual({file for file, _ in made.origins.values()},
                             {PARENT, CHILD})

    @settings(deadline=None, max_examples=60)
    @given(BLUEPRINTS, BLUEPRINTS)
    def test_neither_is_touched(self, parent, child):
        one, two = read(parent, PARENT), read({'from': 'p@1', **child}, CHILD)
        before = json.dumps([one.data, two.data])
        made, _ = merging.merged(one, two)
        for use in made.data['elements']:
            use.clear()
        self.assertEqual(before, json.dumps([one.data, two.data]))


class MergeTest(testtools.TestCase):

    def elements(self, child, parent=({'name': 'a'}, {'name': 'b@1'},
                                      {'name': 'c', 'groups': ['x', 'y']})):
        made, wrong = merge({'elements': [*parent]}, {'elements': child})
        return made.data['elements'], [one.message for one in wrong]

    def test_examples_of_the_rfc(self):
        for parent, child in (
                ({'a': 'b'}, {'a': 'c'}), ({'a': 'b'}, {'b': 'c'}),
                ({'a': 'b'}, {'a': None}),
                ({'a': 'b', 'b': 'c'}, {'a': None}),
                ({'a': ['b']}, {'a': 'c'}), ({'a': 'c'}, {'a': ['b']}),
                ({'a': {'b': 'c'}}, {'a': {'b': 'd', 'c': None}}),
                ({'a': [{'b': 'c'}]}, {'a': [1]}),
                ({'e': None}, {'a': 1}), ({}, {'a': {'bb': {'ccc': None}}})):
            made, _ = merge({'parameters': parent}, {'parameters': child})
            self.assertEqual(patched(parent, child), made.data['parameters'])

    def test_what_is_its_own(self):
        made, wrong = merge(
            {'name': 'p', 'version': '1', 'label': 'P', 'description': 'D',
             'login': 'head'}, {'name': 'c', 'version': '2'})
        self.assertEqual({'name': 'c', 'version': '2', 'login': 'head'},
                         made.data)
        self.assertEqual([], wrong)

    def test_elements_by_name(self):
        found, wrong = self.elements([
            {'name': 'c', 'groups': ['z'], 'when': {'parameter': 'on'}},
            {'name': 'a', 'remove': True}, {'name': 'd'},
            {'name': 'b', 'variables': {'x': 1}}])
        self.assertEqual([
            {'name': 'b@1', 'variables': {'x': 1}},
            {'name': 'c', 'groups': ['z'], 'when': {'parameter': 'on'}},
            {'name': 'd'}], found)
        self.assertEqual([], wrong)

    def test_another_version_of_an_element(self):
        found, _ = self.elements([{'name': 'b@2'}, {'name': 'a@3'}])
        self.assertEqual(['a@3', 'b@2', 'c'], [use['name'] for use in found])

    def test_places_of_elements(self):
        found, wrong = self.elements([
            {'name': 'd', 'before': 'b'}, {'name': 'c', 'before': 'a'},
            {'name': 'e', 'before': 'd'}])
        self.assertEqual(['c', 'a', 'e', 'd', 'b@1'],
                         [use['name'] for use in found])
        self.assertEqual({'name': 'd'}, found[3])
        self.assertEqual([], wrong)

    def test_elements_where_there_were_none(self):
        made, wrong = merge({'login': 'x'}, {'elements': [
            {'name': 'a'}, {'name': 'b', 'before': 'a'}]})
        self.assertEqual([{'name': 'b'}, {'name': 'a'}],
                         made.data['elements'])
        self.assertEqual([], wrong)
        made, _ = merge({'elements': [{'name': 'a'}]}, {'elements': None})
        self.assertEqual({}, made.data)

    def test_what_is_not_there(self):
        made, wrong = merge(
            {'outputs': {'submit': 1}, 'elements': [{'name': 'munge'}]},
            {'outputs': {'submt': None}, 'login': None, 'elements': [
                {'name': 'mung', 'remove': True},
                {'name': 'slurm', 'before': 'mungo', 'when': None},
                {'name': 'slurm'}]})
        self.assertEqual([
            'There is no "submt" to take away in /p/blueprint.yaml:1; did '
            'you mean "submit"?',
            'There is no element "mung" to take away in '
            '/p/blueprint.yaml:3; did you mean "munge"?',
            'There is no element "mungo" that slurm could be before in '
            '/p/blueprint.yaml:3; did you mean "munge"?',
            'slurm is listed twice.',
            'There is no "when" to take away in /c/blueprint.yaml:8.',
            'There is no "login" to take away in /p/blueprint.yaml:1; there '
            'is: elements, outputs.'], [one.message for one in wrong])
        for one in wrong:
            self.assertRegex(one.where, r'^/c/blueprint.yaml:\d+$')
        self.assertEqual(['munge', 'slurm'],
                         [use['name'] for use in made.data['elements']])

    def test_a_wire_is_one_value(self):
        for before, after in (
                ({'parameter': 'x'}, {'output': 'a.b'}),
                ({'parameter': 'x'}, {'y': 1}), ({'y': 1}, {'output': 'z'}),
                (5, {'parameter': 'x'}), ({'parameter': 'x'}, 5)):
            made, wrong = merge({'variables': {'v': before}},
                                {'variables': {'v': after}})
            self.assertEqual(({'v': after}, []),
                             (made.data['variables'], wrong))

    def test_both_files_are_named(self):
        made, _ = merge({'login': 'head', 'outputs': {'a': 1}},
                        {'outputs': {'a': 2}})
        own = made.finding(('outputs', 'a'), 'Wrong.')
        self.assertEqual((own, '/c/blueprint.yaml:3'),
                         (made.told(own), own.where))
        theirs = made.finding(('login',), 'Wrong.')
        self.assertEqual(
            '/c/blueprint.yaml:1: Wrong. It comes from /p/blueprint.yaml:1.',
            str(made.told(theirs)))

    def test_much_that_is_not_there(self):
        there = {f'name{number}': number for number in range(4000)}
        lacks = {f'mane{number}': None for number in range(4000)}
        began = time.process_time()
        _, wrong = merge(
            {'parameters': there,
             'elements': [{'name': name} for name in [*there][:2000]]},
            {'parameters': lacks,
             'elements': [{'name': name, 'remove': True}
                          for name in [*lacks][:2000]]})
        self.assertEqual(6000, len(wrong))
        self.assertLess(time.process_time() - began, 60)

    def test_too_much(self):
        half = {f'k{number}': number for number in range(6000)}
        other = {f'l{number}': number for number in range(6000)}
        wrong = self.assertRaises(
            exception.BlueprintInvalid, merge, {'parameters': half},
            {'parameters': other})
        self.assertEqual(['/c/blueprint.yaml:1'],
                         [one.where for one in wrong.findings])
        self.assertIn('has more than 20000 values', str(wrong))
