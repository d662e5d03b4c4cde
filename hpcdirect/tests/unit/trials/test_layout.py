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

"""What a trial puts where."""

import dataclasses
import pathlib

import testtools

from hpcdirect import exception
from hpcdirect.blueprints.model import Element
from hpcdirect.blueprints.model import Role
from hpcdirect.blueprints.model import TrialUse
from hpcdirect.trials import layout
from hpcdirect.trials.difference import Remains
from hpcdirect.trials.difference import Trace
from hpcdirect.trials.layout import Wish
from hpcdirect.trials.trial import by_role

NUMBER = {'type': 'object', 'additionalProperties': False,
          'properties': {'n': {'type': 'integer', 'default': 1}}}


def element(name, *requires, **more):
    return Element(name, '1', name, name, pathlib.Path('/x'), 'd' * 64,
                   requires=requires, **{'parameters': NUMBER, **more})


SERVED = (Role('server', 'cluster'), Role('client'))
KNOWN = {one.name: one for one in (
    element('key', trial=TrialUse(state=('/var/key',))),
    element('queue', 'key', roles=SERVED),
    element('other', conflicts=('key',)), element('names', roles=SERVED),
    element('app', trial=TrialUse({'n': 5}, {}, ('names',),
                                  {'home': '/home'})),
    element('snake', 'tail'), element('tail', 'snake'))}


def plan(*names, **more):
    return layout.plan(Wish(tuple(KNOWN[name] for name in names), **more),
                       KNOWN.__getitem__)


class LayoutTest(testtools.TestCase):

    def names(self, found):
        return [use.element.name for use in found.uses]

    def complaint(self, *names, **more):
        with testtools.ExpectedException(exception.Invalid) as caught:
            plan(*names, **more)
        del caught
        try:
            plan(*names, **more)
        except exception.Invalid as exc:
            return str(exc)

    def test_what_is_required_goes_below(self):
        found = plan('queue')
        self.assertEqual(['key', 'queue'], self.names(found))
        self.assertEqual(('queue',), found.judged)
        self.assertEqual(('/var/key',), found.state)
        self.assertEqual((), plan('key').state)
        self.assertEqual({'server': ('head',), 'client': ('compute',)},
                         found.uses[1].roles)
        self.assertEqual({'node': ('head', 'compute')}, found.uses[0].roles)

    def test_the_file_says_how(self):
        found = plan('app')
        self.assertEqual(['names', 'app'], self.names(found))
        self.assertEqual({'n': 5}, found.given['app'])
        self.assertEqual('/home', found.volumes['home'].mount)

    def test_who_asks_says_otherwise(self):
        found = plan('app', below=('queue',), parameters={
            'app': {'n': 6}, 'queue': {'n': 7}}, roles={
                'queue': {'client': ('head', 'compute')}})
        self.assertEqual(['key', 'queue', 'app'], self.names(found))
        self.assertEqual({'n': 6}, found.given['app'])
        self.assertEqual({'n': 7}, found.given['queue'])
        self.assertEqual(('head', 'compute'), found.uses[1].roles['client'])

    def test_together(self):
        found = plan('key', 'queue')
        self.assertEqual(('key', 'queue'), found.judged)
        self.assertEqual((), found.below)

    def test_what_cannot_be(self):
        self.assertIn('name that first', self.complaint('queue', 'key'))
        self.assertIn('cannot be with key', self.complaint(
            'other', below=('key',)))
        self.assertIn('require each other', self.complaint('snake'))
        self.assertIn('so that cannot be reverted', self.complaint(
            'key', below=('queue',)))
        self.assertIn('app.n: is "x"', self.complaint(
            'app', parameters={'app': {'n': 'x'}}))
        self.assertIn('has no role "sever"; there is', self.complaint(
            'queue', roles={'queue': {'sever': ('head',)}}).replace(
                '; did you mean "server"?', '; there is'))
        self.assertIn('no node group "tail"', self.complaint(
            'queue', roles={'queue': {'server': ('tail',)}}))
        self.assertIn('no element ghost', self.complaint(
            'app', parameters={'ghost': {'n': 2}}))


class ByRoleTest(testtools.TestCase):

    def test_what_is_on_all_nodes_of_a_role_is_that_roles(self):
        found = plan('names', roles={'names': {
            'client': ('head', 'compute')}})
        changes = {name: Trace('path', f'/{name}', 'stays')
                   for name in ('served', 'asked', 'odd')}
        left = by_role(
            found, {'head-0': 'head', 'compute-0': 'compute',
                    'compute-1': 'compute'},
            {'head-0': Remains((changes['served'], changes['asked'])),
             'compute-0': Remains((changes['asked'], changes['odd'])),
             'compute-1': Remains((changes['asked'],))})
        self.assertEqual({
            'server': ('/served stays', '/asked stays'),
            'client': ('/asked stays', '/odd stays')}, left)

    def test_nothing_left_is_nothing(self):
        found = plan('key')
        self.assertEqual({}, by_role(
            found, {'head-0': 'head'}, {'head-0': Remains(())}))
        self.assertTrue(dataclasses.is_dataclass(found))
