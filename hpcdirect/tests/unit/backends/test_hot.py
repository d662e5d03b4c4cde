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


"""The author's HOT becomes flat HOT."""

import testtools
from testtools import matchers
import yaml

from hpcdirect import exception
from hpcdirect.blueprints import flat
from hpcdirect.blueprints import hot
from hpcdirect.tests.unit.backends import world

SINGLE = """\
heat_template_version: 2021-04-16
parameters:
  public_key: {type: string}
  image: {type: string, default: plain}
  secret: {type: string, hidden: true, default: x}
  zones: {type: comma_delimited_list, default: 'a, b'}
  sizes: {type: json, default: '{"root": 5}'}
resources:
  head:
    type: OS::Nova::Server
    properties:
      image: {get_param: image}
      admin_pass: {get_param: secret}
      name: {get_param: 'OS::stack_name'}
      user_data: {list_join: ["\\n", [{get_param: public_key},
                  {get_file: boot.yaml}, {get_param: [zones, 1]}]]}
      tags: {get_param: zones}
      scheduler_hints: {size: {get_param: [sizes, root]}}
  compute:
    type: OS::Heat::ResourceGroup
    depends_on: head
    properties:
      count: 7
      index_var: '#'
      resource_def:
        type: OS::Nova::Server
        properties:
          name: n#
          image: {get_param: image}
          metadata: {boss: {get_resource: head}, n#: '%index%'}
  volume:
    type: OS::Cinder::VolumeAttachment
    depends_on: [compute, head]
    properties: {instance_uuid: {get_resource: head}}
outputs:
  head: {value: {get_attr: [head, first_address]}}
  all: {value: {get_attr: [compute, first_address]}}
  nets: {value: {get_attr: [compute, networks, inside, 0]}}
  ids: {value: {get_attr: [compute, refs]}}
  one_id: {value: {get_attr: [compute, refs, 1]}}
  map: {value: {get_attr: [compute, refs_map]}}
  dict: {value: {get_attr: [compute, attributes, name]}}
  second: {value: {get_attr: [compute, resource.1]}}
  third: {value: {get_attr: [compute, resource.2.first_address]}}
  deep: {value: {get_attr: [compute, resource.0, networks, inside]}}
  group: {value: {get_resource: compute}}
  literal: {value: {get_param: image}}
"""


def expanded(text, *names, files=None, groups=(), **parameters):
    """The flat template; a slot's group is its resource."""
    return flat.expand(hot.parse(text), files or {}, [
        flat.TemplateSlot(name, name.rpartition('-')[0]) for name in names],
        parameters, groups).plain()


class SingleTest(testtools.TestCase):
    """Servers and groups of servers."""

    def setUp(self):
        super().setUp()
        self.found = expanded(
            SINGLE, 'head-0', 'compute-0', 'compute-3',
            files={'boot.yaml': '#cloud-config\n'}, public_key='KEY')
        self.resources = self.found['resources']

    def output(self, name):
        return self.found['outputs'][name]['value']

    def test_one_resource_for_each_slot(self):
        self.assertEqual({'head-0', 'compute-0', 'compute-3', 'volume'},
                         set(self.resources))
        self.assertEqual(set(), world.dangling(self.found))
        self.assertEqual('2021-04-16', self.found['heat_template_version'])

    def test_index_is_the_number_of_the_slot(self):
        self.assertEqual('n3',
                         self.resources['compute-3']['properties']['name'])
        self.assertEqual(
            {'boss': {'get_resource': 'head-0'}, 'n3': '%index%'},
            self.resources['compute-3']['properties']['metadata'])

    def test_depends_on(self):
        self.assertEqual(['head-0'],
                         self.resources['compute-0']['depends_on'])
        self.assertEqual(['compute-0', 'compute-3', 'head-0'],
                         self.resources['volume']['depends_on'])

    def test_get_resource(self):
        self.assertEqual({'get_resource': 'head-0'}, self.resources[
            'volume']['properties']['instance_uuid'])
        every = [{'get_resource': 'compute-0'}, {'get_resource': 'compute-3'}]
        self.assertEqual(every, self.output('group'))
        self.assertEqual(every, self.output('ids'))
        self.assertEqual(every[1], self.output('one_id'))
        self.assertEqual({'0': every[0], '3': every[1]}, self.output('map'))

    def test_get_attr(self):
        self.assertEqual({'get_attr': ['head-0', 'first_address']},
                         self.output('head'))
        self.assertEqual([{'get_attr': ['compute-0', 'first_address']},
                          {'get_attr': ['compute-3', 'first_address']}],
                         self.output('all'))
        self.assertEqual(
            {'get_attr': ['compute-3', 'networks', 'inside', 0]},
            self.output('nets')[1])
        self.assertEqual({'0': {'get_attr': ['compute-0', 'name']},
                          '3': {'get_attr': ['compute-3', 'name']}},
                         self.output('dict'))

    def test_a_member_of_a_group(self):
        self.assertEqual({'get_resource': 'compute-3'},
                         self.output('second'))
        self.assertIsNone(self.output('third'))
        self.assertEqual({'get_attr': ['compute-0', 'networks', 'inside']},
                         self.output('deep'))

    def test_values_are_written_into_machines(self):
        head = self.resources['head-0']['properties']
        self.assertEqual('plain', head['image'])
        self.assertEqual(['a', 'b'], head['tags'])
        self.assertEqual(5, head['scheduler_hints']['size'])
        self.assertEqual(['KEY', '#cloud-config\n', 'b'],
                         head['user_data']['list_join'][1])

    def test_what_is_not_written_into_them(self):
        head = self.resources['head-0']['properties']
        self.assertEqual({'get_param': 'OS::stack_name'}, head['name'])
        self.assertEqual({'get_param': 'secret'}, head['admin_pass'])
        self.assertEqual({'get_param': 'image'}, self.output('literal'))

    def test_the_author_s_template_stays_as_it_is(self):
        template = hot.parse(SINGLE)
        before = yaml.safe_dump(template.plain())
        flat.expand(template, {}, [
            flat.TemplateSlot('head-0', 'head'),
            flat.TemplateSlot('compute-0', 'compute')], {})
        self.assertEqual(before, yaml.safe_dump(template.plain()))

    def test_a_group_without_slots_leaves_nothing(self):
        found = expanded(SINGLE, groups=('head', 'compute'))
        self.assertEqual({'volume'}, set(found['resources']))
        self.assertEqual(set(), world.dangling(found))
        self.assertEqual([], found['outputs']['all']['value'])
        self.assertIsNone(found['outputs']['head']['value'])


class NestedTest(testtools.TestCase):
    """Groups of a nested template."""

    def setUp(self):
        super().setUp()
        self.found = expanded(world.NESTING, 'head-0', 'node-0', 'node-2',
                              files={'node.yaml': world.NODE})
        self.resources = self.found['resources']

    def test_its_resources_are_the_slot_s(self):
        self.assertEqual({'net', 'head-0', 'node-0', 'node-0.port', 'node-2',
                          'node-2.port'}, set(self.resources))
        self.assertEqual(set(), world.dangling(self.found))

    def test_what_they_are_made_from(self):
        self.assertEqual({'network': {'get_resource': 'net'},
                          'name': 'node-2'},
                         self.resources['node-2.port']['properties'])
        server = self.resources['node-2']
        self.assertEqual('plain', server['properties']['image'])
        self.assertEqual([{'port': {'get_resource': 'node-2.port'}}],
                         server['properties']['networks'])
        self.assertEqual(['node-2.port', 'net'], server['depends_on'])

    def test_outputs_are_attributes(self):
        outputs = {name: said['value']
                   for name, said in self.found['outputs'].items()}
        address = {'get_attr': ['node-0.port', 'fixed_ips', 0, 'ip_address']}
        self.assertEqual(address, outputs['first'])
        self.assertEqual(address, outputs['addresses'][0])
        self.assertEqual(
            {'get_attr': ['node-2.port', 'fixed_ips', 0, 'ip_address']},
            outputs['second_ip'])
        self.assertEqual({'0': 'node-0', '2': 'node-2'}, outputs['labels'])

    def test_also_for_a_machine_that_comes_before(self):
        self.assertEqual(
            self.found['outputs']['addresses']['value'],
            self.resources['head-0']['properties']['user_data'][
                'list_join'][1])


class FindingsTest(testtools.TestCase):
    """What cannot be made flat is told, all at once."""

    def findings(self, text, *names, **more):
        exc = self.assertRaises(exception.Invalid, expanded, text, *names,
                                **more)
        return [str(one) for one in exc.findings]

    def nested(self, old, new, inner='', by=''):
        """Of two nodes, with something else in either template."""
        if old:
            self.assertIn(old, world.NESTING)
        if inner:
            self.assertIn(inner, world.NODE)
        return self.findings(
            world.NESTING.replace(old, new) if old else world.NESTING,
            'node-0', 'node-1', files={'node.yaml': world.NODE.replace(
                inner, by) if inner else world.NODE})

    def test_all_at_once(self):
        self.assertEqual([
            'resources.gone: There is no OS::Nova::Server and no '
            'OS::Heat::ResourceGroup "gone" for a node group.',
            'resources.head: "head" is one server, but there may be more of '
            'them; write a OS::Heat::ResourceGroup.',
            'resources.volume: There is no OS::Nova::Server and no '
            'OS::Heat::ResourceGroup "volume" for a node group.',
            ], self.findings(SINGLE, 'gone-0', 'head-0', 'head-1',
                             'volume-0'))

    def test_a_name_that_is_taken(self):
        self.assertEqual(
            ['resources.head-0: "head-0" is what a node is called; give '
             'this resource another name.'],
            self.findings(SINGLE.replace('volume:', 'head-0:'), 'head-0'))

    def test_a_nested_template_that_is_not_there(self):
        self.assertEqual(
            ['resources.node: What "node" is a group of is neither a '
             'OS::Nova::Server nor a template beside this one: nod.yaml.'],
            self.nested('node.yaml', 'nod.yaml'))

    def test_a_nested_template_without_a_server(self):
        self.assertEqual(
            ['node.yaml:6: It has to hold one OS::Nova::Server.'],
            self.nested('', '', 'OS::Nova::Server', 'OS::Heat::None'))

    def test_parameters_of_a_nested_template(self):
        self.assertEqual(
            ['resources.node: node.yaml has no parameter "labl".'],
            self.nested('label: node-', 'labl: node-'))
        self.assertEqual(
            ['resources.node: node.yaml needs a value for "image".'],
            self.nested('          image: {get_param: image}\n', ''))

    def test_outputs_of_a_nested_template(self):
        self.assertEqual(
            ['resources.node: node.yaml has no output adress.'],
            self.nested('[node, address]', '[node, adress]'))
        self.assertEqual(
            ['resources.node: node.yaml has no output label.deep.'],
            self.nested('[node, address]', '[node, label, deep]'))

    def test_a_group_that_needs_itself(self):
        self.assertEqual(
            ['resources.node: "node" needs its own outputs.'],
            self.nested('label: node-%index%',
                        'label: {get_attr: [node, resource.0.address]}'))

    def test_conditions_in_a_nested_template(self):
        nested = world.NODE.replace(
            'parameters:', 'conditions: {never: false}\nparameters:', 1)
        self.assertEqual(
            ['node.yaml:2: Conditions are for the template that is not '
             'nested.'],
            self.findings(world.NESTING, 'node-0',
                          files={'node.yaml': nested}))

    def test_no_hot_at_all(self):
        for text, said in (
                ('', '1: The file is empty.'),
                ('[1]', '1: A HOT template has resources.'),
                ('resources:\n a: {\n', '3: while parsing'),
                ('resources:\n a:\n', '2: a says nothing.'),
                ('resources:\n a: {}\n', '2: a has no type.'),
                ('resources:\n a: {type: x, properties: [1]}\n',
                 '2: properties have a name each.'),
                ('resources:\n a: {type: x, depends_on: [{b: c}]}\n',
                 '2: depends_on takes names of resources.'),
                ('resources:\n a:\n  type: OS::Heat::ResourceGroup\n',
                 '2: a has no resource_def.'),
                ('parameters:\n a: 1\nresources: {}\n',
                 '2: a says nothing.'),
                ('parameters: []\nresources: {}\n',
                 '1: parameters has a line for each of them.')):
            exc = self.assertRaises(exception.BlueprintInvalid, hot.parse,
                                    text)
            self.assertEqual(1, len(exc.findings))
            self.assertThat(str(exc.findings[0]),
                            matchers.StartsWith(f'template:{said}'))
