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


"""Revisions of a cluster: what differs, and the way from one to another."""

import dataclasses
import pathlib

import testtools

from hpcdirect import exception
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints.model import Blueprint
from hpcdirect.blueprints.model import Infrastructure
from hpcdirect.blueprints.model import NodeGroup
from hpcdirect.planning import revisions
from hpcdirect.planning import sizing
from hpcdirect.planning.revisions import Revision
from hpcdirect.planning.state import ElementChoice
from hpcdirect.planning.state import State
from hpcdirect.planning.updates import Site

SCHEMA = {'type': 'object', 'additionalProperties': False, 'properties': {
    'count': {'type': 'integer', 'default': 2},
    'flavor': {'type': 'string', 'default': 'a', 'x-update': 'replace'},
    'word': {'type': 'string', 'format': 'password', 'default': ''},
    'old': {'type': 'integer', 'default': 1}}}


def blueprint(version='1', schema=SCHEMA, *groups):
    return Blueprint(
        name='b', version=version, label='', description='',
        folder=pathlib.Path('/nonexistent'), digest=version,
        parameters=schema, node_groups=groups or (
            NodeGroup('node', count='count', min_count=0, max_count=9),),
        infrastructure={'fake': Infrastructure({
            'node': {'flavor': {'parameter': 'flavor'}}})})


def incarnations(state):
    return {slot.name: slot.incarnation
            for slots in state.groups.values() for slot in slots}


class MovedTest(testtools.TestCase):
    """Back to what was"""

    def setUp(self):
        super().setUp()
        self.blueprint = blueprint()
        self.site = Site('fake')
        self.first = sizing.first(self.blueprint, {})

    def moved(self, state, aim, **highest):
        return revisions.moved(state, aim, self.blueprint, self.site, {
            name.replace('_', '-'): value
            for name, value in highest.items()})

    def test_machines_that_are_there_stay(self):
        now = sizing.with_replaced(self.first, self.blueprint, 'node',
                                    ['node-0'])
        self.assertEqual({'node-0': 2, 'node-1': 1},
                         incarnations(self.moved(now, self.first)))

    def test_one_that_went_does_not_fall_back(self):
        now = sizing.with_count(self.first, self.blueprint, 'node', 1)
        self.assertEqual({'node-0': 1, 'node-1': 4}, incarnations(
            self.moved(now, self.first, node_0=3, node_1=4)))

    def test_what_shapes_machines_replaces_them_once_more(self):
        now = sizing.with_parameters(self.first, self.blueprint, {
            'flavor': 'b'}, self.site)
        back = self.moved(now, self.first)
        self.assertEqual({'node-0': 3, 'node-1': 3}, incarnations(back))
        self.assertEqual('a', back.parameters['flavor'])

    def test_what_was_to_be_deleted(self):
        self.assertRaises(exception.Invalid, self.moved, self.first,
                          dataclasses.replace(self.first, deleted=True))

    def test_what_is_not_known_here_comes_along(self):
        aim = State.from_json({**self.first.to_json(), 'new': {'ada': 7}})
        self.assertEqual(aim, self.moved(self.first, aim))
        self.assertEqual({'ada': 7}, aim.to_json()['new'])


class UpgradedTest(testtools.TestCase):
    """Another version"""

    def setUp(self):
        super().setUp()
        self.before = blueprint()
        self.state = sizing.first(self.before, {'count': 3})

    def upgraded(self, after, **given):
        return revisions.upgraded(self.state, self.before, after, given)

    def test_counts_have_another_name(self):
        properties = {'size': {'type': 'integer', 'default': 1},
                      'flavor': {'type': 'string'}}
        after = blueprint('2', {'type': 'object', 'properties': properties,
                                'additionalProperties': False},
                          NodeGroup('node', count='size', max_count=9))
        # It was not the default, and the machines say what it was.
        error = self.assertRaises(exception.Invalid, self.upgraded, after)
        self.assertEqual(['$.parameters.count'],
                         [one.where for one in error.findings])
        new = self.upgraded(after, count=None)
        self.assertEqual({'size': 3, 'flavor': 'a'}, new.parameters)
        self.assertEqual(3, len(new.groups['node']))
        self.assertEqual(1, len(self.upgraded(
            after, count=None, size=1).groups['node']))

    def test_slots_that_do_not_fit(self):
        after = blueprint('2', SCHEMA, NodeGroup(
            'node', count=2, max_count=2), NodeGroup('more', count=1))
        error = self.assertRaises(exception.Invalid, self.upgraded, after)
        self.assertEqual(['$.node_groups.node'],
                         [one.where for one in error.findings])
        self.state = sizing.first(self.before, {})
        self.assertEqual(
            {'node-0': 1, 'node-1': 1, 'more-0': 1},
            incarnations(self.upgraded(after)))

    def test_what_was_said_of_an_element_that_is_gone(self):
        self.state = dataclasses.replace(
            self.state, elements=(ElementChoice('own', '1', roles={}),))
        self.assertEqual(self.state.elements, self.upgraded(
            dataclasses.replace(self.before, version='2')).elements)


class DifferencesTest(testtools.TestCase):
    """What differs"""

    def test_secrets_are_told_of_and_not_shown(self):
        known = blueprint()
        old = sizing.first(known, {'word': 'red'})
        new = sizing.with_parameters(old, known, {'word': 'blue'})
        self.assertEqual(
            [revisions.Difference('parameter', 'word', parameters.HIDDEN,
                                    parameters.HIDDEN)],
            revisions.between(Revision(old, known), Revision(new, known)))
        self.assertEqual({'a': [{'b': parameters.HIDDEN, 'c': 1}], 'd': 2},
                         parameters.hidden({'properties': {'a': {'items': {
                             'properties': {'b': {'x-secret': True}}}}}},
                             {'a': [{'b': 'x', 'c': 1}], 'd': 2}))

    def test_without_a_blueprint_nothing_is_shown(self):
        state = sizing.first(blueprint(), {'word': 'red'})
        self.assertNotIn('red', str(Revision(state).parameters))
