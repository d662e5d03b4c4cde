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


"""The template of a stack carries all that a later look needs."""

import dataclasses
import email
import email.policy

from cryptography.hazmat.primitives import serialization
import testtools
import yaml

from hpcdirect import exception
from hpcdirect.backends.base import Slot
from hpcdirect.backends.heat import template
from hpcdirect.blueprints import hot
from hpcdirect.tests.unit.backends import world

THREE = world.slots('head-0', 'compute-0', 'compute-1')


def filled(item, parameters):
    """What Heat makes of calls, as far as user data has them here."""
    if not isinstance(item, dict):
        return item
    (word, said), = item.items()
    if word == 'get_param':
        return parameters[said]
    if word == 'list_join':
        return said[0].join(filled(one, parameters) for one in said[1])
    text = said['template']
    for old, new in said['params'].items():
        text = text.replace(old, filled(new, parameters))
    return text


class BuildTest(testtools.TestCase):
    """A stack from nothing."""

    def setUp(self):
        super().setUp()
        self.request = world.request(*THREE, image='golden')
        self.wanted = template.build(self.request, THREE)
        self.resources = self.wanted.template['resources']

    def server(self, slot='compute-1'):
        return self.resources[slot]['properties']

    def message(self, slot='compute-1'):
        """A machine's user data, as its cloud-init gets it."""
        return email.message_from_string(filled(
            self.server(slot)['user_data'], self.wanted.parameters),
            policy=email.policy.default)

    def test_every_slot_has_its_server(self):
        self.assertEqual({slot.name for slot in THREE}, {
            name for name, resource in self.resources.items()
            if resource['type'] == hot.SERVER})
        self.assertEqual(set(), world.dangling(self.wanted.template))

    def test_marks_of_a_server(self):
        said = self.server()
        self.assertEqual('compute-1', said['name'])
        self.assertEqual('golden', said['image'])
        self.assertEqual('RAW', said['user_data_format'])
        self.assertEqual('IGNORE', said['user_data_update_policy'])
        self.assertEqual({'compute-1': 1, 'compute-0': 1, 'head-0': 1},
                         template.incarnations(self.wanted.template))
        self.assertEqual('6f1c', said['metadata']['hpcdirect_cluster'])
        self.assertEqual('compute-1', said['metadata']['hpcdirect_slot'])

    def test_tags(self):
        for name in ('head-0', 'compute-0', 'net', 'subnet', 'head_inside'):
            self.assertEqual(['hpcdirect', 'hpcdirect-6f1c'],
                             self.resources[name]['properties']['tags'])

    def test_tags_of_the_author_stay(self):
        text = world.SLURM.replace(
            'name: head-0', 'tags: [mine, hpcdirect-old]')
        found = template.build(world.request(*THREE, template=text), THREE)
        self.assertEqual(
            ['mine', 'hpcdirect', 'hpcdirect-6f1c'],
            found.template['resources']['head-0']['properties']['tags'])

    def test_network_is_found_by_its_name(self):
        self.assertEqual('hpcdirect-6f1c',
                         self.resources['net']['properties']['name'])
        self.assertEqual('hpcdirect-6f1c', template.read_memo(
            self.wanted.parameters).network)

    def test_a_network_that_is_there_already_keeps_its_name(self):
        self.assertEqual('phys', template.network_of(
            world.request(network='phys')))

    def test_memo(self):
        slots = (*world.slots('head-0'), Slot('compute-4', 'compute', 7))
        memo = template.read_memo(
            {'hpcdirect': template.memo(world.request(*slots))})
        self.assertEqual(slots, memo.slots)
        self.assertEqual({'head': 'head_address'}, memo.entries)

    def test_memo_of_somebody_else_s_stack(self):
        for said in ({}, {'hpcdirect': ''}, {'hpcdirect': '{}'},
                     {'hpcdirect': '[]'}, {'hpcdirect': None},
                     {'hpcdirect': '{"slots": [[1, 2, 3, 4]]}'}):
            self.assertEqual(template.Memo(), template.read_memo(said))

    # -- host keys --------------------------------------------------------

    def test_private_keys_are_hidden_parameters_only(self):
        text = yaml.safe_dump(self.wanted.template)
        self.assertNotIn('PRIVATE KEY', text)
        for slot in THREE:
            key = f'hpcdirect_host_key_{slot.name}_1'
            self.assertTrue(self.wanted.template['parameters'][key]['hidden'])
            self.assertIn('PRIVATE KEY', self.wanted.parameters[key])
            self.assertIn(key, [name for _, word, name in hot.references(
                self.server(slot.name)['user_data'])])
            lines = self.wanted.parameters[key].splitlines()
            self.assertFalse([line for line in lines
                              if line.strip() in text])

    def test_every_machine_has_a_key_of_its_own(self):
        keys = {self.server(slot.name)['metadata']['hpcdirect_host_key']
                for slot in THREE}
        self.assertEqual(3, len(keys))

    def test_the_two_halves_fit(self):
        config = yaml.safe_load(list(self.message().iter_parts())[1]
                                .get_content())
        private = serialization.load_ssh_private_key(
            config['ssh_keys']['ed25519_private'].encode(), None)
        public = private.public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()
        self.assertEqual(public, config['ssh_keys']['ed25519_public'])
        self.assertEqual(public,
                         self.server()['metadata']['hpcdirect_host_key'])

    # -- user data --------------------------------------------------------

    def test_user_data_has_two_parts(self):
        message = self.message()
        self.assertEqual([], message.defects)
        self.assertEqual('multipart/mixed', message.get_content_type())
        theirs, ours = message.iter_parts()
        self.assertEqual([], theirs.defects + ours.defects)
        self.assertEqual('text/plain', theirs.get_content_type())
        self.assertEqual(
            "#cloud-config\ndisable_root: false\n"
            "ssh_authorized_keys: ['ssh-ed25519 KEY us']\n",
            theirs.get_content())
        self.assertEqual('text/cloud-config', ours.get_content_type())
        config = yaml.safe_load(ours.get_content())
        self.assertIs(False, config['disable_root'])
        self.assertEqual({'ed25519_private', 'ed25519_public'},
                         set(config['ssh_keys']))

    def test_ours_is_the_last_word(self):
        # A later cloud-config replaces what an earlier one says.
        self.assertEqual(
            ['text/plain', 'text/cloud-config'],
            [part.get_content_type() for part
             in self.message('head-0').iter_parts()])

    def user_data(self, said):
        data = yaml.safe_load(world.SLURM)
        properties = data['resources']['head']['properties']
        properties.pop('user_data')
        if said is not None:
            properties['user_data'] = said
        data['resources']['config'] = {'type': 'OS::Heat::CloudConfig'}
        self.wanted = template.build(world.request(
            *THREE, template=world.text(data)), THREE)
        self.resources = self.wanted.template['resources']

    def test_scripts_stay_as_they_are(self):
        script = '#!/bin/sh\necho "--== not ours ==--" | sed s/x/y/\n\n'
        self.user_data(script)
        theirs, _ = self.message('head-0').iter_parts()
        self.assertEqual(script, theirs.get_content())

    def test_no_user_data(self):
        for none in (None, ''):
            self.user_data(none)
            ours, = self.message('head-0').iter_parts()
            self.assertEqual('text/cloud-config', ours.get_content_type())

    def test_user_data_in_a_resource(self):
        self.user_data({'get_resource': 'config'})
        self.assertIn({'get_attr': ['config', 'config']}, self.server(
            'head-0')['user_data']['list_join'][1])

    def test_user_data_is_ascii(self):
        exc = self.assertRaises(exception.Invalid, self.user_data, {
            'list_join': ['', ['#!/bin/sh\n', '# Gr\xfc\xdfe']]})
        self.assertEqual(
            ['template: head-0: User data has to be ASCII; it has '
             '\xdf, \xfc in it.'], [str(one) for one in exc.findings])

    # -- what is wrong ----------------------------------------------------

    def test_all_that_is_wrong(self):
        text = world.SLURM.replace('public_key', 'key').replace(
            'head_address:', 'address:').replace(
            'flavor: {get_param: head_flavor}', 'flavor: {get_param: hed}')
        exc = self.assertRaises(
            exception.Invalid, template.build,
            world.request(*THREE, template=text, imag='x'), THREE)
        self.assertEqual({
            'template': [
                'The template has no parameter "public_key"; it is what '
                "brings the cluster's key to the machines.",
                'Parameter "key" has no default, and the blueprint gives '
                'it no value.',
                'There is no parameter "hed"; there is: OS::project_id, '
                'OS::stack_id, OS::stack_name, cidr, compute_count, '
                'compute_flavor, head_flavor, image, key, provider_network, '
                'special_count, special_flavor.'],
            '$.infrastructure.heat.parameters.imag': [
                'The template has no parameter "imag"; did you mean '
                '"image"?'],
            '$.infrastructure.heat.groups.head.entry': [
                'The template has no output "head_address"; did you mean '
                '"address"?']}, {
            where: [one.message for one in exc.findings
                    if one.where == where]
            for where in {one.where for one in exc.findings}})

    def test_render(self):
        text = template.render(self.request)
        found = yaml.safe_load(text)
        self.assertEqual(set(), world.dangling(found))
        self.assertEqual('golden', found['resources']['compute-0'][
            'properties']['image'])
        self.assertEqual([], [name for name in found['parameters']
                              if name.startswith('hpcdirect')])


class UpdateTest(testtools.TestCase):
    """A stack that is there."""

    def setUp(self):
        super().setUp()
        self.stored = self.build(*THREE, image='golden')

    def build(self, *slots, stored=None, text=world.SLURM, files=None,
              groups=world.GROUPS, **parameters):
        self.wanted = template.build(world.request(
            *slots, template=text, files=files, groups=groups, **parameters),
            slots, stored)
        return self.wanted.template

    def test_what_stays_stays_to_the_letter(self):
        found = self.build(*THREE, *world.slots('compute-2'),
                           stored=self.stored, image='newer',
                           compute_flavor='bigger',
                           text=world.SLURM.replace('RAW', 'HEAT_CFNTOOLS'))
        for slot in THREE:
            self.assertEqual(self.stored['resources'][slot.name],
                             found['resources'][slot.name])
        new = found['resources']['compute-2']['properties']
        self.assertEqual(('newer', 'bigger'), (new['image'], new['flavor']))

    def test_its_keys_are_not_sent_again(self):
        self.build(*THREE, *world.slots('compute-2'), stored=self.stored)
        self.assertEqual(
            ['hpcdirect_host_key_compute-2_1'],
            [name for name in self.wanted.parameters
             if name.startswith('hpcdirect_host_key')])
        self.assertEqual(
            {f'hpcdirect_host_key_{slot.name}_1' for slot
             in (*THREE, *world.slots('compute-2'))},
            {name for name in self.wanted.template['parameters']
             if name.startswith('hpcdirect_host_key')})

    def test_what_leaves_leaves_nothing(self):
        found = self.build(*THREE[:2], stored=self.stored)
        self.assertNotIn('compute-1', yaml.safe_dump(found))
        self.assertEqual(set(), world.dangling(found))

    def test_the_last_of_a_group_leaves(self):
        found = self.build(*THREE[:1], stored=self.stored)
        self.assertNotIn(hot.GROUP, yaml.safe_dump(found))
        self.assertEqual(['head-0'], list(template.incarnations(found)))
        found = self.build(*THREE[1:], stored=self.stored)
        self.assertNotIn('head', found['resources'])

    def test_a_group_that_the_template_has_no_more(self):
        without = yaml.safe_load(world.SLURM)
        del without['resources']['compute']
        del without['outputs']['compute_addresses']
        groups = {'head': world.GROUPS['head']}
        # It stays while it is drained, ...
        found = self.build(*THREE, stored=self.stored, groups=groups,
                           text=world.text(without))
        self.assertEqual(self.stored['resources']['compute-0'],
                         found['resources']['compute-0'])
        self.assertEqual(set(), world.dangling(found))
        # ... and goes then.
        found = self.build(*THREE[:1], stored=found, groups=groups,
                           text=world.text(without))
        self.assertEqual(['head-0'], list(template.incarnations(found)))

    def test_another_incarnation_is_made_anew(self):
        again = dataclasses.replace(THREE[1], incarnation=2)
        found = self.build(THREE[0], again, stored=self.stored,
                           image='newer')
        server = found['resources']['compute-0']['properties']
        self.assertEqual('newer', server['image'])
        self.assertEqual('2', server['metadata']['hpcdirect_incarnation'])
        self.assertNotEqual(
            self.stored['resources']['compute-0']['properties']['metadata'][
                'hpcdirect_host_key'],
            server['metadata']['hpcdirect_host_key'])
        self.assertIn('hpcdirect_host_key_compute-0_2',
                      self.wanted.parameters)
        self.assertNotIn('hpcdirect_host_key_compute-0_1',
                         found['parameters'])

    def test_what_stays_lets_go_of_what_goes(self):
        data = yaml.safe_load(world.SLURM)
        data['resources']['compute']['depends_on'] = ['head', 'subnet']
        data['resources']['head']['properties']['scheduler_hints'] = {
            'near': {'get_attr': ['compute', 'refs']}}
        # Round about is Heat's to refuse; here it is only who names whom.
        stored = self.build(*THREE, text=world.text(data))
        self.assertEqual(['head-0', 'subnet'],
                         stored['resources']['compute-0']['depends_on'])
        found = self.build(*THREE[1:], stored=stored, text=world.text(data))
        self.assertEqual(set(), world.dangling(found))
        self.assertEqual(['subnet'],
                         found['resources']['compute-0']['depends_on'])
        found = self.build(*THREE[:2], stored=stored, text=world.text(data))
        self.assertEqual(set(), world.dangling(found))
        self.assertEqual(
            [{'get_resource': 'compute-0'}, None],
            found['resources']['head-0']['properties']['scheduler_hints'][
                'near'])

    def test_nested_parts_stay_with_their_machine(self):
        groups = {'node': {}, 'head': {}}
        slots = world.slots('node-0', 'node-1')
        more = {'groups': groups, 'text': world.NESTING}
        stored = self.build(*slots, files={'node.yaml': world.NODE}, **more)
        changed = world.NODE.replace('  port:', '  spare: {type: '
                                     'OS::Neutron::Port}\n  port:', 1)
        found = self.build(*slots[:1], *world.slots('node-2'),
                           files={'node.yaml': changed}, stored=stored,
                           **more)['resources']
        self.assertEqual(
            {'net', 'node-0', 'node-0.port', 'node-2', 'node-2.port',
             'node-2.spare'}, set(found))
        self.assertEqual(stored['resources']['node-0.port'],
                         found['node-0.port'])
