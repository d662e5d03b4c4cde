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


"""A blueprint's template for Heat is checked offline, with file and line."""

import pathlib

import fixtures
import testtools

from hpcdirect.blueprints import validate
from hpcdirect.tests.unit.blueprints import folders

STACK = """\
heat_template_version: 2021-04-16
parameters:
  public_key: {type: string}
  image: {type: string, default: plain}
resources:
  net: {type: OS::Neutron::Net}
  head:
    type: OS::Nova::Server
    depends_on: [net]
    properties:
      image: {get_param: image}
      user_data: {get_param: public_key}
  compute:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def:
        type: OS::Nova::Server
        properties:
          name: compute-%index%
          user_data: {list_join: [' ', [{get_param: 'OS::stack_name'}]]}
outputs:
  address: {value: {get_attr: [head, first_address]}}
"""
NODE = """\
heat_template_version: 2021-04-16
parameters:
  image: {type: string}
resources:
  server:
    type: OS::Nova::Server
    properties: {image: {get_param: image}}
"""
NESTED = STACK.replace("""\
        type: OS::Nova::Server
        properties:
          name: compute-%index%
          user_data: {list_join: [' ', [{get_param: 'OS::stack_name'}]]}
""", """\
        type: node.yaml
        properties: {image: {get_param: image}}
""")


class StackTest(testtools.TestCase):

    def findings(self, *old_new, stack=STACK, heat=None, node=None):
        """What is said of a blueprint with a change in its template."""
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        folder = folders.write_tree(root, folders.changed(
            folders.BLUEPRINT, 'infrastructure', 'heat', to=heat or {
                'template': 'stack.yaml',
                'parameters': {'image': 'golden'},
                'groups': {'head': {'entry': 'address'},
                           'compute': {'resource': 'compute'}}}))
        for old, new in zip(old_new[::2], old_new[1::2], strict=True):
            self.assertIn(old, stack)
            stack = stack.replace(old, new)
        (folder / 'stack.yaml').write_text(stack)
        if node is not None:
            (folder / 'node.yaml').write_text(node)
        lines = [str(one).removeprefix(f'{folder}/') for one
                 in validate.validate_folder(folder, [root / 'elements'])]
        self.blueprint = (folder / 'blueprint.yaml').read_text()
        return lines

    def line(self, text):
        """``blueprint.yaml:LINE`` of the line that says so."""
        number, = (number for number, line
                   in enumerate(self.blueprint.splitlines(), 1)
                   if line.strip() == text)
        return f'blueprint.yaml:{number}'

    def heat(self, **changes):
        return {'template': 'stack.yaml', 'parameters': {'image': 'golden'},
                'groups': {'head': {'entry': 'address'}, 'compute': {}},
                **changes}

    def test_nothing(self):
        self.assertEqual([], self.findings())
        self.assertEqual([], self.findings(stack=NESTED, node=NODE))

    def test_a_resource_that_is_not_there(self):
        self.assertEqual(
            ['stack.yaml:5: There is no OS::Nova::Server and no '
             'OS::Heat::ResourceGroup "head" for a node group.'],
            self.findings('  head:\n', '  hed:\n', '[head,', '[hed,'))
        found = self.findings(heat=self.heat(groups={
            'head': {'resource': 'haed'}, 'compute': {}}))
        self.assertEqual(
            [f'{self.line("resource: haed")}: There is no OS::Nova::Server '
             'and no OS::Heat::ResourceGroup "haed" for a node group.'],
            found)

    def test_a_resource_of_another_type(self):
        self.assertEqual(
            ['stack.yaml:7: There is no OS::Nova::Server and no '
             'OS::Heat::ResourceGroup "head" for a node group.'],
            self.findings('    type: OS::Nova::Server\n    depends',
                          '    type: OS::Neutron::Port\n    depends'))

    def test_one_server_for_many_nodes(self):
        found = self.findings(heat=self.heat(groups={
            'head': {}, 'compute': {'resource': 'head'}}))
        self.assertEqual(
            ['stack.yaml:7: "head" is one server, but there may be more of '
             'them; write a OS::Heat::ResourceGroup.'], found)

    def test_a_group_without_a_line(self):
        found = self.findings(heat=self.heat(groups={'head': {}}))
        self.assertEqual(1, len(found))
        place, said = found[0].split(': ', 1)
        self.assertEqual('Say which resource of stack.yaml is node group '
                         '"compute".', said)
        self.assertEqual(self.line('template: stack.yaml').partition(':')[0],
                         place.partition(':')[0])

    def test_no_public_key(self):
        self.assertEqual(
            ['stack.yaml:2: The template has no parameter "public_key"; it '
             "is what brings the cluster's key to the machines."],
            self.findings('  public_key: {type: string}\n', '',
                          '{get_param: public_key}', '""'))

    def test_parameters(self):
        found = self.findings(
            '  image: {type', '  other: {type: number}\n  image: {type',
            heat=self.heat(parameters={'imag': 'golden'}))
        self.assertEqual([
            f'{self.line("imag: golden")}: The template has no parameter '
            '"imag"; did you mean "image"?',
            'stack.yaml:4: Parameter "other" has no default, and the '
            'blueprint gives it no value.'], found)

    def test_an_output_that_is_not_there(self):
        found = self.findings(heat=self.heat(groups={
            'head': {'entry': 'adress'}, 'compute': {}}))
        self.assertEqual(
            [f'{self.line("entry: adress")}: The template has no output '
             '"adress"; did you mean "address"?'], found)

    def test_what_is_named_is_there(self):
        self.assertEqual([
            'stack.yaml:11: There is no parameter "imag"; did you mean '
            '"image"?',
            'stack.yaml:23: There is no resource "haed"; did you mean '
            '"head"?',
            'stack.yaml:9: There is no resource "nt"; did you mean "net"?'],
            self.findings('get_param: image', 'get_param: imag',
                          '[head,', '[haed,', '[net]', '[nt]'))

    def test_files(self):
        self.assertEqual(
            ['stack.yaml:12: There is no YAML file "boot.sh" beside this '
             'one.'],
            self.findings('get_param: public_key', 'get_file: boot.sh'))
        self.assertEqual(
            ['stack.yaml:6: net.yaml is not a node group; only those may be '
             'nested templates.'],
            self.findings('OS::Neutron::Net', 'net.yaml'))

    def test_user_data(self):
        self.assertEqual(
            ['stack.yaml:13: User data has to be ASCII; it has \xfc in it.'],
            self.findings("[' ', [", "['\xfc', ["))

    def test_no_hot(self):
        self.assertEqual(
            ['stack.yaml:6: net has no type.'],
            self.findings('OS::Neutron::Net', '[]'))
        self.assertEqual(
            ['stack.yaml:1: A HOT template has resources.'],
            self.findings(stack='- 1\n'))
        self.assertEqual(
            ['stack.yaml:1: A HOT template has a heat_template_version.'],
            self.findings('heat_template_version: 2021-04-16\n', ''))

    def test_anchors_are_refused_as_everywhere(self):
        self.assertEqual(
            ['stack.yaml:6: Anchors and aliases (&, *) are not allowed; '
             'write the value out.'],
            self.findings('net: {', 'net: &net {'))

    def test_a_section_without_a_template(self):
        found = self.findings(heat={'groups': {}})
        self.assertEqual([f'{self.line("heat:")}: Say which file is the '
                          'template.'], found)
        found = self.findings(heat=self.heat(template='other.yaml'))
        self.assertEqual([f'{self.line("template: other.yaml")}: There is '
                          'no YAML file "other.yaml" beside this one.'],
                         found)

    # -- nested templates -------------------------------------------------

    def test_a_nested_template_that_is_not_there(self):
        self.assertEqual(
            ['stack.yaml:13: What "compute" is a group of is neither a '
             'OS::Nova::Server nor a template beside this one: node.yaml.'],
            self.findings(stack=NESTED))

    def test_what_is_wrong_in_a_nested_template(self):
        self.assertEqual(
            ['node.yaml:4: It has to hold one OS::Nova::Server.'],
            self.findings(stack=NESTED, node=NODE.replace('::Nova', '::')))
        self.assertEqual(
            ['node.yaml:5: server has no type.'],
            self.findings(stack=NESTED, node=NODE.replace(
                'type: OS::Nova::Server', 'metadata: {}')))
        self.assertEqual(
            ['node.yaml:7: There is no parameter "imag"; did you mean '
             '"image"?'],
            self.findings(stack=NESTED, node=NODE.replace(
                'get_param: image', 'get_param: imag')))
        self.assertEqual(
            ['stack.yaml:13: node.yaml needs a value for "image".'],
            self.findings('        properties: {image: {get_param: image}}\n',
                          '', stack=NESTED, node=NODE))


class OwnTest(testtools.TestCase):
    """What we ship."""

    def test_stacks_and_sections_fit(self):
        root = pathlib.Path(__file__).resolve().parents[4] / 'blueprints'
        folders = sorted(root.iterdir())
        self.assertLess(1, len(folders))
        for folder in folders:
            self.assertIn('heat', validate.read_blueprint(folder).templates)
