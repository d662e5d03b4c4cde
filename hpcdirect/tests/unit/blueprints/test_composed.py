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

"""Blueprints that are made from others, from folders."""

import functools
import os
import pathlib
import shutil

import fixtures
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import testtools
import yaml

from hpcdirect import exception
from hpcdirect.blueprints import export
from hpcdirect.blueprints import validate
from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.blueprints.folders import BLUEPRINT
from hpcdirect.tests.unit.blueprints.folders import CHILD
from hpcdirect.tests.unit.blueprints.folders import changed

HOT = """\
heat_template_version: 2018-08-31
parameters: {public_key: {type: string}}
resources:
  net: {type: "OS::Neutron::Net"}
  head: {type: "OS::Nova::Server", properties: {flavor: a, image: b}}
  compute:
    type: OS::Heat::ResourceGroup
    properties:
      resource_def:
        {type: "OS::Nova::Server", properties: {flavor: a, image: b}}
outputs: {out: {value: {get_attr: [head, first_address]}}}
"""
HEAT = {'template': 'stack.yaml', 'network': 'net',
        'groups': {'head': {'entry': 'out'}, 'compute': {}}}

#: What a child may say something about, and anything.
PLACES = [(key,) for key in (
    *BLUEPRINT, 'from', 'outputs', 'fields', 'colour')] + [
    ('parameters', 'properties', 'memory'), ('parameters', 'properties'),
    ('node_groups', 'head'), ('node_groups', 'compute', 'count'),
    ('infrastructure', 'local'), ('infrastructure', 'heat'),
    ('infrastructure', 'local', 'groups', 'head', 'memory_mib'),
    ('volumes', 'home'), ('volumes', 'home', 'groups')]
ANYTHING = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, '', 'head', 'small@1', 'slurm']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(['name', 'remove', 'before', 'parameter', 'output',
                         'when', 'variables', 'roles', 'type', 'default',
                         'groups', 'template']), inner, max_size=3),
    max_leaves=6) | st.lists(st.fixed_dictionaries(
        {'name': st.sampled_from(['munge', 'slurm', 'slurm@1.0.0', 'mung'])},
        optional={'remove': st.just(True), 'before': st.sampled_from(
            ['munge', 'slurm', 'x']), 'when': st.none(), 'roles': st.none(),
            'variables': st.none(), 'groups': st.just(['head'])}),
        max_size=3)


class ComposedTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.parent = folders.write_tree(self.root)
        # The checkout has elements and blueprints, too.
        self.useFixture(fixtures.MockPatchObject(
            validate, 'default_search', return_value=[]))

    def write(self, data=CHILD, called=''):
        return folders.write_blueprint(self.root, data, called)

    def read(self, folder):
        return validate.read_blueprint(folder, [self.root / 'elements'])

    def said(self, folder):
        """Where and what, with short names of files."""
        return [str(one).replace(f'{self.root}/blueprints/', '')
                for one in validate.validate_folder(
                    folder, [self.root / 'elements'])]


class ReadTest(ComposedTest):

    def test_what_it_says(self):
        (self.parent / 'README.rst').write_text('Theirs.')
        found = self.read(self.write())
        self.assertEqual(('child@2.0.0', 'Child', ''),
                         (found.ref, found.label, found.readme))
        properties = found.parameters['properties']
        self.assertEqual({'type': 'integer', 'default': 1024},
                         properties['memory'])
        self.assertEqual({'compute_count', 'memory', 'partition', 'users',
                          'words'}, {*properties})
        _, slurm = found.elements
        self.assertEqual(({'partition': 'all', 'slots': 8}, ''),
                         (slurm.variables, slurm.when))
        self.assertEqual('head', found.login)
        self.assertEqual([], self.said(found.folder))

    def test_the_same_written_whole(self):
        found = self.read(self.write())
        shutil.rmtree(found.folder)
        whole = self.read(self.write(found.source.data))
        self.assertNotIn('from', whole.source.data)
        self.assertEqual(found.digest, whole.digest)

    def test_a_change_of_the_parent(self):
        folder = self.write()
        before = self.read(folder).digest
        (self.parent / 'README.rst').write_text('Other.')
        self.assertEqual(before, self.read(folder).digest)
        folders.write_blueprint(self.root, {**BLUEPRINT, 'label': 'Other'})
        self.assertEqual(before, self.read(folder).digest)
        folders.write_blueprint(self.root, changed(
            BLUEPRINT, 'node_groups', 'compute', 'max_count', to=65))
        self.assertNotEqual(before, self.read(folder).digest)

    def test_files_beside_the_parent(self):
        folders.write_blueprint(self.root, changed(
            BLUEPRINT, 'infrastructure', 'heat', to=HEAT))
        (self.parent / 'stack.yaml').write_text(HOT)
        (self.parent / 'examples').mkdir()
        (self.parent / 'examples/job.sh').write_text('sleep 1')
        folder = self.write()
        found = self.read(folder)
        self.assertEqual((HOT, {'stack.yaml': HOT}),
                         (found.templates['heat'], found.files))
        (self.parent / 'stack.yaml').write_text(HOT.replace('b}', 'c}'))
        other = self.read(folder)
        self.assertNotEqual(found.digest, other.digest)
        (self.parent / 'examples/job.sh').write_text('sleep 2')
        self.assertEqual(other.digest, self.read(folder).digest)
        (folder / 'stack.yaml').write_text(HOT)
        self.assertEqual(found.digest, self.read(folder).digest)
        # What a child says of a file that it has from its parent.
        (folder / 'stack.yaml').unlink()
        self.write({**CHILD, 'infrastructure': {'heat': {
            'groups': {'head': {'entry': 'none'}}}}})
        self.assertEqual(
            ['child/blueprint.yaml:24: The template has no output "none"; '
             'there is: out.'], self.said(folder)[:1])
        (self.parent / 'stack.yaml').write_text('heat_template_version: [')
        self.assertIn('small/stack.yaml:2', self.said(folder)[0])

    def test_chain(self):
        self.write()
        last = self.write({
            'name': 'last', 'version': '1', 'from': 'child@2.0.0',
            'label': 'Last', 'description': 'Last.',
            'parameters': {'properties': {
                'memory': {'default': 2048}, 'words': None}}})
        found = self.read(last)
        self.assertEqual(2048, found.parameters['properties']['memory'][
            'default'])
        self.assertEqual(8, found.elements[1].variables['slots'])
        self.assertNotIn('words', found.parameters['properties'])
        before = found.digest
        folders.write_blueprint(self.root, changed(
            BLUEPRINT, 'node_groups', 'compute', 'max_count', to=65))
        self.assertNotEqual(before, self.read(last).digest)

    def test_which_version(self):
        for version in ('1.2.1', '1.10.0', '2.0.0'):
            folders.write_blueprint(self.root, changed(
                {**BLUEPRINT, 'version': version}, 'node_groups', 'head',
                'label', to=version), f'small@{version}')
        for ref, label in (
                ('small@1', '1.10.0'), ('small@1.2', '1.2.1'),
                ('small@1.2.0', 'Head'), ('small@1.10', '1.10.0'),
                ('small@2', '2.0.0'), ('small@2.0.0', '2.0.0')):
            folder = self.write({**CHILD, 'from': ref})
            self.assertEqual(label, self.read(folder).group('head').label)
        for version in ('\u00b2', '9' * 5000, '', '.'):
            folders.write_blueprint(self.root, {
                **BLUEPRINT, 'version': version}, 'other')
            self.assertNotEqual([], self.said(self.write({
                **CHILD, 'from': 'other@1'})))
        for ref in ('small@3', 'small@1.1', 'small@1.2.3', 'small@1.2.0.0'):
            self.write({**CHILD, 'from': ref})
            self.assertIn(f'There is no blueprint "{ref}"',
                          self.said(folder)[0])


class FindingsTest(ComposedTest):

    def test_form(self):
        for ref in ('small', 'small@', '@1', 'small@x', 'small@1.x', 5, None,
                    ['small@1'], '../small@1', 'small@1.2.3.4.5'):
            folder = self.write({**CHILD, 'from': ref})
            line, = self.said(folder)
            self.assertRegex(line, r'^child/blueprint.yaml:3: from is ')
        for elements in (5, {}, [5], [{}], [{'name': 5}],
                         [{'name': 'munge', 'remove': False}],
                         [{'name': 'munge', 'remove': True, 'when': None}],
                         [{'name': 'munge', 'before': ['slurm']}]):
            folder = self.write({**CHILD, 'elements': elements})
            for line in self.said(folder):
                self.assertRegex(line, r'^child/blueprint.yaml:\d+: elements')

    def test_what_only_a_composed_one_says(self):
        self.write({**BLUEPRINT, 'name': 'plain', 'elements': [
            {'name': 'munge', 'before': 'slurm'},
            {'name': 'slurm', 'remove': True}]})
        self.assertEqual(
            ['elements.0.before is not known here',
             'elements.1.remove is not known here'],
            [line.split(': ')[1].partition(';')[0].rstrip('.')
             for line in self.said(self.root / 'blueprints/plain')])

    def test_its_own_is_its_own(self):
        data = {key: value for key, value in CHILD.items()
                if key not in ('label', 'description')}
        said = self.said(self.write(data))
        self.assertEqual(['label is required.', 'description is required.'],
                         [line.split(': ')[1] for line in said])

    def test_no_such_parent(self):
        self.assertEqual(
            ['child/blueprint.yaml:3: There is no blueprint "smal@1"; did '
             'you mean "small@1.2.0"?'],
            self.said(self.write({**CHILD, 'from': 'smal@1'})))

    def test_a_parent_that_is_wrong(self):
        folder = self.write()
        folders.write_blueprint(self.root, changed(
            {**BLUEPRINT, 'colour': 'red'}, 'node_groups', 'head',
            'max_count', to='many'))
        said = self.said(folder)
        self.assertEqual(2, len(said), said)
        for line in said:
            self.assertRegex(line, (
                r'^child/blueprint.yaml:3: small@1 cannot be used: '
                r'small/blueprint.yaml:\d+: '))
        (self.parent / 'blueprint.yaml').write_text('name: [')
        self.assertRegex(self.said(folder)[0], (
            r'^child/blueprint.yaml:3: small@1 cannot be used: '
            r'small/blueprint.yaml:2: '))

    def test_a_circle(self):
        def made(name, ref):
            return self.write({**CHILD, 'name': name, 'version': '1',
                               'from': ref})

        made('a', 'b@1')
        made('b', 'c@1')
        self.assertEqual(
            ['c/blueprint.yaml:3: a@1 cannot be used: a/blueprint.yaml:3: '
             'b@1 cannot be used: b/blueprint.yaml:3: c@1 cannot be used: It '
             'is made from itself: c@1 from a@1 from b@1 from c@1'],
            self.said(made('c', 'a@1')))
        self.assertEqual(
            ['d/blueprint.yaml:3: d@1 cannot be used: It is made from '
             'itself: d@1 from d@1'], self.said(made('d', 'd@1')))

    def test_a_long_chain(self):
        for number in range(10):
            folder = self.write({
                'name': f'n{number}', 'version': '1', 'label': 'N',
                'description': 'N.',
                'from': f'n{number - 1}@1' if number else 'small@1'})
            said = self.said(folder)
            if number < 7:
                self.assertEqual([], said)
            else:
                self.assertIn('At most 8 blueprints', said[0])

    def test_what_is_wrong_of_the_two_together(self):
        said = self.said(self.write({
            **CHILD, 'login': 'heat',
            'parameters': {'properties': {
                'scheduler': None, 'memory': {'default': 'much'},
                'partition': None, 'nothing': None}},
            'elements': [{'name': 'slurm', 'variables': {'slots': 0}},
                         {'name': 'mung', 'remove': True}]}))
        for line, (own, words, theirs) in zip(said, (
                (12, 'There is no "nothing" to take away', 8),
                (17, 'There is no element "mung" to take away', 63),
                (10, 'default of memory is "much"', None),
                (19, 'There is no node group "heat"', None),
                (3, 'There is no parameter "scheduler"', 66),
                (3, 'There is no parameter "partition"', 74),
                (16, 'slots of slurm is 0', None)),
                strict=True):
            self.assertRegex(line, rf'^child/blueprint.yaml:{own}: .*{words}')
            if theirs:
                self.assertIn(f'small/blueprint.yaml:{theirs}', line)

    def test_words_of_forms(self):
        folders.write_blueprint(self.root, changed(
            BLUEPRINT, 'parameters', 'properties', 'memory', 'x-ordr', to=1))
        folder = self.write(changed(CHILD, 'parameters', 'properties',
                                    'words', 'x-grup', to='One'))
        said = self.said(folder)
        self.assertRegex(said[0], (
            r'^child/blueprint.yaml:3: x-ordr of memory is no word of ours.*'
            r'It comes from small/blueprint.yaml:\d+\.$'))
        self.assertRegex(said[1], (
            r'^child/blueprint.yaml:\d+: x-grup of words .*\?$'))

    def test_hostile(self):
        deep = '[' * 5000
        for text in ('from: small@1', 'from: small@1\n<<: {a: 1}', deep,
                     f'from: small@1\nelements: {deep}', 'from: {from: 1}',
                     'from: small@1\nname: child\nversion: "2"\nlabel: x\n'
                     'description: x\nnode_groups: null\nelements: null',
                     '- from', 'from: small@1\nname: &a child\nlabel: *a'):
            folder = self.write()
            (folder / 'blueprint.yaml').write_text(text)
            self.assertNotEqual([], self.said(folder))


    @settings(deadline=None, max_examples=int(
        os.environ.get('HPCDIRECT_EXAMPLES', '60')))
    @given(st.data())
    def test_whatever_a_child_says(self, data):
        """Findings or none, each with a place in the child: no traceback."""
        said = {**CHILD, 'elements': [*CHILD['elements']]}
        for _ in range(data.draw(st.integers(1, 3))):
            here = said
            path = data.draw(st.sampled_from(PLACES))
            for key in path[:-1]:
                here[key] = dict(here[key]) if isinstance(
                    here.get(key), dict) else {}
                here = here[key]
            here[path[-1]] = data.draw(ANYTHING)
        folder = self.write(said, 'child')
        for line in self.said(folder):
            self.assertRegex(line, r'^child/blueprint.yaml:\d+: ')


class ExportTest(ComposedTest):

    def setUp(self):
        super().setUp()
        self.out = self.root / 'out'
        (self.root / 'elements/library').mkdir()
        (self.root / 'elements/library/hpc_some.py').write_text('x = 1\n')
        (self.root / 'elements/munge/apply.yaml').write_text(
            '- {hosts: munge_node, tasks: [{hpc_some: {}}]}\n')

    def test_whole(self):
        folder = self.write({**CHILD, 'label': 'K\u00f6ln \U0001f600'})
        (folder / 'README.rst').write_text('Read me.')
        (self.parent / 'more.yaml').write_text('a: 1')
        found = self.read(folder)
        export.write(found, self.out)
        shutil.move(self.out, self.root / 'elsewhere')
        for name in ('blueprints', 'elements'):
            shutil.rmtree(self.root / name)
        taken = self.root / 'elsewhere/blueprints/child'
        whole = validate.read_blueprint(
            taken, [self.root / 'elsewhere/elements'])
        self.assertEqual(found.digest, whole.digest)
        self.assertEqual(('Read me.', {'more.yaml': 'a: 1'}, found.label),
                         (whole.readme, whole.files, whole.label))
        self.assertTrue((self.root / 'elsewhere/elements/munge/library/'
                         'hpc_some.py').is_file())
        self.assertNotIn('from', yaml.safe_load(
            (taken / 'blueprint.yaml').read_text()))

    def test_one_that_is_by_itself_stays_as_it_is(self):
        text = '# Mine.\n' + (self.parent / 'blueprint.yaml').read_text()
        (self.parent / 'blueprint.yaml').write_text(text)
        export.write(self.read(self.parent), self.out)
        self.assertEqual(text, (
            self.out / 'blueprints/small/blueprint.yaml').read_text())

    def test_nothing_is_written_over(self):
        found = self.read(self.write())
        self.out.mkdir()
        export.write(found, self.out)
        before = sorted(self.out.rglob('*'))
        self.assertRaises(OSError, export.write, found, self.out)
        self.assertRaises(OSError, export.write, found,
                          self.root / 'no/such/folder')
        self.assertEqual(before, sorted(self.out.rglob('*')))
        self.assertEqual({'blueprints', 'elements', 'out'},
                         {path.name for path in self.root.iterdir()})

    def test_into_itself(self):
        found = self.read(self.write())
        for folder in (found.folder, found.elements[0].element.folder):
            self.assertRaises(exception.BlueprintInvalid, export.write,
                              found, folder / 'deep')
            self.assertFalse((folder / 'deep').exists())

    def test_a_change_in_between(self):
        found = self.read(self.write())
        (self.root / 'elements/munge/apply.yaml').write_text('[]\n')
        self.assertRaises(exception.BlueprintInvalid, export.write, found,
                          self.out)
        self.assertFalse(self.out.exists())

    def test_which_one_is_meant(self):
        folder = self.write()
        find = functools.partial(validate.find_folder,
                                 blueprints=[self.root / 'blueprints'])
        self.assertEqual(folder, find('child'))
        self.assertEqual(folder, find('child@2.0.0'))
        self.assertEqual(folder, find(str(folder)))
        for name in ('chid', 'child@3', 'nosuch/folder'):
            wrong = self.assertRaises(exception.Invalid, find, name)
            self.assertIn(f'There is no blueprint "{name}"', str(wrong))
