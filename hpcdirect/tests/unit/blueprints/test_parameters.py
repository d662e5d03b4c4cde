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

"""What users give, checked and put to use."""

import pathlib

import fixtures
import hypothesis
from hypothesis import strategies
import testtools

from hpcdirect import exception
from hpcdirect.blueprints import load
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import validate
from hpcdirect.planning import sizing
from hpcdirect.tests.unit.blueprints import folders


class ParametersTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.blueprint = load.load_blueprint(
            folders.write_tree(root), validate.Finder([root / 'elements']))

    def wrong(self, **given):
        exc = self.assertRaises(exception.Invalid, sizing.check,
                                self.blueprint, given)
        return [str(finding) for finding in exc.findings]

    def test_defaults(self):
        given = {'users': [{'name': 'ann'}]}
        found = sizing.check(self.blueprint, given)
        self.assertEqual(
            {'compute_count': 2, 'memory': 512, 'scheduler': True,
             'users': [{'name': 'ann', 'sudo': False}]}, found)
        self.assertEqual({'users': [{'name': 'ann'}]}, given)
        self.assertEqual(found, sizing.check(self.blueprint, found))

    def test_defaults_are_copies(self):
        first = sizing.check(self.blueprint, {})
        first['users'].append(1)
        self.assertEqual([], sizing.check(self.blueprint, {})['users'])

    def test_every_finding(self):
        self.assertEqual(
            ['$.parameters.compute_count: is 200; the most is 64',
             '$.parameters.compute_cout: is not known here; did you mean '
             '"compute_count"?',
             '$.parameters.memory: is "x"; it must be a whole number',
             '$.parameters.users[0].name: is required',
             '$.parameters.users[1].name: is "B", which does not match '
             '^[a-z]+$'],
            sorted(self.wrong(compute_count=200, compute_cout=1, memory='x',
                              users=[{}, {'name': 'B'}])))

    def test_too_few(self):
        self.assertEqual(
            ['$.parameters.compute_count: is 0; the least is 1'],
            self.wrong(compute_count=0))

    def test_group_count(self):
        for name, count in (('head', 1), ('compute', 5)):
            self.assertEqual(count, sizing.group_count(
                self.blueprint.group(name), {'compute_count': 5}))

    def test_resolve(self):
        value = {'a': {'parameter': 'x'}, 'b': [{'output': 'e.o'}, 1],
                 'c': {'parameter': 'none'}, 'd': [{'output': 'e.none'}],
                 'e': {'parameter': 'x', 'output': 'y'},
                 'f': {'deep': {'deeper': {'parameter': 'y'}}}}
        self.assertEqual(
            {'a': [1], 'b': ['o', 1], 'd': [],
             'e': {'parameter': 'x', 'output': 'y'},
             'f': {'deep': {'deeper': None}}},
            parameters.resolve(value, {'x': [1], 'y': None}, {'e.o': 'o'}))
        self.assertIsNone(parameters.resolved({'parameter': 'z'}, {}, {}))

    @hypothesis.settings(max_examples=15, deadline=None)
    @hypothesis.given(strategies.dictionaries(
        strategies.sampled_from(['compute_count', 'memory', 'users', 'x',
                                 'scheduler', "it's"]),
        strategies.recursive(
            strategies.none() | strategies.integers(-5, 99)
            | strategies.floats() | strategies.text(max_size=3),
            lambda inner: strategies.lists(inner, max_size=2)
            | strategies.dictionaries(strategies.text(max_size=3), inner,
                                      max_size=2))))
    def test_answers_or_finds(self, given):
        try:
            found = sizing.check(self.blueprint, given)
        except exception.Invalid as exc:
            for finding in exc.findings:
                self.assertTrue(finding.where.startswith('$.parameters'))
        else:
            self.assertEqual({**found, **given}.keys(), found.keys())
            count = sizing.group_count(
                self.blueprint.group('compute'), found)
            self.assertTrue(1 <= count <= 64)
