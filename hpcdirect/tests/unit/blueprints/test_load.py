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

"""Folders become elements and blueprints, or findings."""

import pathlib

import fixtures
import testtools

from hpcdirect import exception
from hpcdirect.blueprints import load
from hpcdirect.blueprints import validate
from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.blueprints.folders import BLUEPRINT
from hpcdirect.tests.unit.blueprints.folders import MUNGE
from hpcdirect.tests.unit.blueprints.folders import SLURM
from hpcdirect.tests.unit.blueprints.folders import changed


class FolderTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def blueprint(self, data=BLUEPRINT, elements=(MUNGE, SLURM)):
        folder = folders.write_tree(self.root, data, elements)
        return load.load_blueprint(
            folder, validate.Finder([self.root / 'elements']))

    def findings(self, *change, elements=(MUNGE, SLURM)):
        data = changed(BLUEPRINT, *change[:-1], to=change[-1]) \
            if change else BLUEPRINT
        exc = self.assertRaises(exception.BlueprintInvalid, self.blueprint,
                                data, elements)
        return self.said(exc)

    def said(self, exc):
        for finding in exc.findings:
            self.assertRegex(finding.where, r'\.yaml:\d+$')
        return [finding.message for finding in exc.findings]


class LoadTest(FolderTest):

    def test_blueprint(self):
        found = self.blueprint()
        self.assertEqual('small@1.2.0', found.ref)
        self.assertEqual('compute_count', found.group('compute').count)
        self.assertEqual('Read me.\n', found.readme)
        munge, slurm = found.elements
        self.assertEqual({'node': ('head', 'compute')}, munge.roles)
        self.assertEqual('scheduler', slurm.when)
        self.assertEqual(('compute.names',),
                         slurm.element.role('controller').watches)
        self.assertEqual(128, munge.element.secrets[0].bytes)

    def test_digest(self):
        first = self.blueprint()
        folder = self.root / 'elements' / 'slurm'
        (folder / 'apply.yaml~').write_text('x')
        (folder / '__pycache__').mkdir()
        (folder / '__pycache__' / 'x.py').write_text('x')
        elements = validate.Finder([self.root / 'elements'])
        again = load.load_blueprint(first.folder, elements)
        self.assertEqual(first.digest, again.digest)
        (folder / 'files').mkdir()
        (folder / 'files' / 'x').write_text('x')
        third = load.load_blueprint(first.folder, elements)
        self.assertNotEqual(first.digest, third.digest)
        self.assertNotEqual(first.elements[1].element.digest,
                            third.elements[1].element.digest)
        self.assertEqual(first.elements[0].element.digest,
                         third.elements[0].element.digest)

    def test_schema_findings_all_at_once(self):
        data = changed(BLUEPRINT, 'version', to=1.0)
        data['colour'] = 'red'
        del data['label']
        data['node_groups']['head']['max_count'] = 'many'
        exc = self.assertRaises(exception.BlueprintInvalid,
                                self.blueprint, data)
        said = '\n'.join(map(str, exc.findings))
        self.assertIn('version is 1.0; it must be text; put it in quotes',
                      said)
        self.assertIn('colour is not known here', said)
        self.assertIn('label is required', said)
        self.assertIn('node_groups.head.max_count is "many"; it must be a '
                      'whole number', said)
        self.assertEqual(4, len(exc.findings))

    def test_folder_says_the_same(self):
        folder = folders.write_tree(self.root)
        wrong = folder.rename(folder.with_name('other@2.0'))
        exc = self.assertRaises(
            exception.BlueprintInvalid, load.load_blueprint, wrong,
            validate.Finder([self.root / 'elements']))
        self.assertEqual(2, len(exc.findings))

    def test_role_names_beside_scope(self):
        exc = self.assertRaises(
            exception.BlueprintInvalid, load.load_element,
            folders.write_element(self.root, {**SLURM, 'scope': 'cluster'}))
        self.assertEqual(['scope cannot be given here.'], self.said(exc))


class ElementCheckTest(FolderTest):

    def element(self, *change, verbs=folders.VERBS):
        folder = folders.write_element(
            self.root, changed(SLURM, *change[:-1], to=change[-1]), verbs)
        exc = self.assertRaises(exception.BlueprintInvalid,
                                load.load_element, folder)
        return self.said(exc)

    def test_playbooks(self):
        said = self.element('label', 'x', verbs=('verify', 'drain'))
        self.assertEqual(3, len(said))
        self.assertIn('There is no apply.yaml', said[0])
        self.assertIn('There is no revert.yaml', said[1])

    def test_watches(self):
        said = self.element('roles', 'compute', 'watches',
                            ['controler.names', 'compute.adresses'])
        self.assertEqual(
            ['watches "controler.names": slurm has no role "controler"; did '
             'you mean "controller"?',
             'watches "compute.adresses": a role has no "adresses"; did you '
             'mean "addresses"?'], said)

    def test_drain_with(self):
        self.assertIn('no role "head"',
                      self.element('drain_with', ['head'])[0])

    def test_outputs(self):
        said = self.element('outputs', {
            'a': {'role': 'nobody', 'fact': 'name'},
            'b': {'role': 'compute', 'fact': 'colour'},
            'c': {'role': 'compute'}, 'd': [1]})
        self.assertEqual(3, len(said))

    def test_exporters(self):
        said = self.element('exporters', {
            'queue': {'port': 9341, 'roles': ['controler']}})
        self.assertEqual(['Exporter queue: slurm has no role "controler"; '
                          'did you mean "controller"?'], said)

    def test_exporters_are_no_more_than_a_port(self):
        said = self.element('exporters', {
            'a': {}, 'b': {'port': 0}, 'c': {'port': 65536},
            'd': {'port': '9100'}, 'e': {'port': 1, 'roles': []},
            'f': {'port': 1, 'path': '/x'}, 'g_': {'port': 1}})
        self.assertEqual(7, len(said), said)

    def test_itself(self):
        self.assertIn('cannot be in its own requires',
                      self.element('requires', ['slurm'])[0])

    def test_parameters_are_a_schema(self):
        properties = ('parameters', 'properties')
        self.assertIn('type', self.element(
            *properties, 'x', {'type': 'whole'})[0])

    def test_closed(self):
        said = self.element('parameters', {'type': 'object'})
        self.assertEqual(['parameters.additionalProperties is required.'],
                         said)

    def test_defaults_match(self):
        said = self.element('parameters', 'properties', {
            'a': {'type': 'integer', 'minimum': 3, 'default': 1},
            'b': {'type': 'array', 'items': {
                'type': 'object', 'properties': {
                    'c': {'enum': ['x', 'y'], 'default': 'z'}}}},
            'd': {'$ref': 'http://example.org/x.json'},
            'hpc': {'type': 'string'}})
        self.assertEqual(['parameters.properties.d.$ref must name one of '
                          '"#/$defs/...".', '"hpc" is ours; call it '
                          'otherwise.'], said)

    def test_defaults_match_theirs(self):
        said = self.element('parameters', 'properties', {
            'a': {'type': 'integer', 'minimum': 3, 'default': 1},
            'b': {'type': 'array', 'items': {
                'type': 'object', 'properties': {
                    'c': {'enum': ['x', 'y'], 'default': 'z'}}}}})
        self.assertEqual(['The default of a is 1; the least is 3.',
                          'The default of c is "z"; there is: x, y.'], said)


class CrossCheckTest(FolderTest):

    def one(self, said, *change, elements=(MUNGE, SLURM)):
        found = self.findings(*change, elements=elements)
        self.assertEqual(1, len(found), found)
        self.assertIn(said, found[0])

    def test_unknown_element(self):
        self.one('There is no element "mung"; did you mean "munge"',
                 'elements', [{'name': 'mung'}])

    def test_broken_element(self):
        self.one('runner is 3',
                 elements=({**MUNGE, 'runner': 3}, SLURM))

    def test_role_it_lacks(self):
        said = self.findings('elements', 1, 'roles', {
            'controller': ['head'], 'worker': ['compute']})
        self.assertEqual(['No group plays compute of slurm.',
                          'slurm has no role "worker"; there is: compute, '
                          'controller.'], said)

    def test_roles_not_given(self):
        self.one('say which groups play controller, compute',
                 'elements', [{'name': 'munge'}, {'name': 'slurm'}])

    def test_one_controller(self):
        for groups in (['compute'], ['head', 'compute']):
            with self.subTest(groups):
                self.root = pathlib.Path(
                    self.useFixture(fixtures.TempDir()).path)
                self.one('Exactly one node plays controller',
                         'elements', 1, 'roles', 'controller', groups)

    def test_unknown_groups(self):
        data = changed(BLUEPRINT, 'login', to='heat')
        data['volumes']['home']['groups'] = ['compute', 'hed']
        data['elements'][0]['groups'] = ['head', 'compute', 'gpu']
        data['infrastructure']['local']['groups']['disk'] = {}
        exc = self.assertRaises(exception.BlueprintInvalid,
                                self.blueprint, data)
        self.assertEqual(
            ['heat', 'hed', 'disk', 'gpu'],
            [line.split('"')[1] for line in self.said(exc)])

    def test_requires(self):
        self.one('slurm needs munge before it; it is not listed',
                 'elements', [BLUEPRINT['elements'][1]])

    def test_order(self):
        self.one('slurm needs munge before it; move it up',
                 'elements', BLUEPRINT['elements'][::-1])

    def test_same_nodes(self):
        self.one('it is not on: compute',
                 'elements', 0, 'groups', ['head'])

    def test_switched_off_below(self):
        data = changed(BLUEPRINT, 'parameters', 'properties', 'flag',
                       to={'type': 'boolean', 'default': True})
        data['elements'][0]['when'] = {'parameter': 'flag'}
        exc = self.assertRaises(exception.BlueprintInvalid,
                                self.blueprint, data)
        self.assertIn('"flag" can switch off', str(exc))

    def test_circle(self):
        said = self.findings(
            elements=({**MUNGE, 'requires': ['slurm']}, SLURM))
        self.assertEqual(['munge and slurm need each other, in a circle.',
                          'slurm and munge need each other, in a circle.'],
                         said)

    def test_conflicts_and_twice(self):
        said = self.findings(
            'elements', [{'name': 'munge'}, *BLUEPRINT['elements']],
            elements=(MUNGE, {**SLURM, 'conflicts': ['munge']}))
        self.assertEqual(['munge is listed twice.',
                          'slurm and munge cannot be in one blueprint.'],
                         said)

    def test_variables(self):
        said = self.findings('elements', 1, 'variables', {
            'partitoin': 'x', 'slots': 0,
            'partition': {'parameter': 'partion'}})
        self.assertEqual([
            'slurm has no parameter "partitoin"; did you mean "partition"?',
            'slots of slurm is 0; the least is 1.',
            'There is no parameter "partion"; did you mean "partition"?'],
            said)

    def test_wires(self):
        said = self.findings('elements', 1, 'variables', {
            'partition': {'output': 'munge.prt'},
            'slots': {'parameter': 'partition'}})
        self.assertEqual([
            'There is no output "munge.prt"; did you mean "munge.port"?',
            'Parameter partition is of type string; slots takes integer.'],
            said)

    def test_infrastructure_wire(self):
        self.one('There is no parameter "mem"', 'infrastructure', 'local',
                 'groups', 'head', 'memory_mib', {'parameter': 'mem'})

    def test_when_is_boolean(self):
        self.one('Parameter memory must be of type boolean here; it is '
                 '"integer"', 'elements', 1, 'when', {'parameter': 'memory'})

    def test_counts(self):
        data = changed(BLUEPRINT, 'node_groups', 'compute', 'count',
                       to={'parameter': 'partition'})
        data['node_groups']['head'].update(count=3, min_count=2)
        exc = self.assertRaises(exception.BlueprintInvalid,
                                self.blueprint, data)
        said = '\n'.join(self.said(exc))
        self.assertIn('must be of type integer', said)
        self.assertIn('max_count 1 is less than min_count 2', said)
        self.assertIn('count 3 is not within', said)

    def test_needed_parameter(self):
        slurm = changed(SLURM, 'parameters', 'required', to=['slots'])
        data = changed(BLUEPRINT, 'elements', 1, 'variables', to={})
        exc = self.assertRaises(exception.BlueprintInvalid, self.blueprint,
                                data, (MUNGE, slurm))
        self.assertEqual(['slurm needs a value for "slots".'],
                         self.said(exc))


class ValidateTest(FolderTest):

    def test_good(self):
        folder = folders.write_tree(self.root)
        self.assertEqual([], validate.validate_folder(folder))
        self.assertEqual([], validate.validate_folder(
            str(self.root / 'elements' / 'slurm')))

    def test_nothing_there(self):
        found = validate.validate_folder(self.root)
        self.assertIn('neither', found[0].message)

    def test_search(self):
        folder = folders.write_tree(self.root)
        (self.root / 'elements').rename(self.root / 'parts')
        # The checkout has elements of these names, too.
        self.useFixture(fixtures.MockPatchObject(
            validate, 'default_search', return_value=[]))
        self.assertEqual(2, len(validate.validate_folder(folder)))
        self.assertEqual([], validate.validate_folder(
            folder, [self.root / 'parts']))
