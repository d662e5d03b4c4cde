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

"""Requests made to do harm: each is refused, quickly, and nothing is kept."""

import json
import urllib.parse

import testtools

from hpcdirect.tests.functional import cpu
from hpcdirect.tests.functional.api import Api
from hpcdirect.tests.functional.api import basic

MIB = 1024 * 1024
#: Seconds of CPU that a request may cost before it is refused.
CAP = 0.2


def body(**values):
    """A body that would be good, but for *values*."""
    return {'name': 'x', 'blueprint': 'small', **values}


def raw(text):
    """A body that would be good, but for the description."""
    return b'{"name": "x", "blueprint": "small", "description": ' + text + b'}'


#: What is sent -> status. The method and path is POST /v1/clusters.
BODIES = {
    'lists in lists': (b'[' * 100000, 400),
    'mappings in mappings': (b'{"a":' * 100000, 400),
    'deeper than is read': (raw(b'[' * 40 + b']' * 40), 400),
    'not a number': (raw(b'NaN'), 400),
    'infinity': (raw(b'-Infinity'), 400),
    'beyond a float': (raw(b'1e999'), 400),
    'five thousand digits': (raw(b'1' * 5000), 400),
    'a mebibyte of digits': (raw(b'1' * (MIB - 200)), 400),
    'a key twice': (b'{"name": "a", "name": "b", "blueprint": "small"}', 400),
    'no UTF-8': (raw(b'"\xff"'), 400),
    'UTF-16': (json.dumps(body()).encode('utf-16'), 400),
    'nothing': (b'', 400),
    'half a character': (raw(rb'"\ud800"'), 400),
    'NUL': (raw(rb'"a\u0000b"'), 400),
    'an escape of terminals': (raw(rb'"\u001b[31m"'), 400),
    'another way of writing': (raw('"a\u202eb"'.encode()), 400),
    'a C1 control': (raw(rb'"\u009b31m"'), 400),
    'a control in a key': (json.dumps(body(parameters={'\x1b': 1})).encode(),
                           400),
    'a sealed box': (body(parameters={'x-sealed': 'gAAAA'}), 400),
    'a sealed box below': (body(parameters={'a': [{'x-sealed': 'x'}]}), 400),
    'tags that are the same': (body(tags=['a', 'a']), 400),
    'tags that are mappings': (body(tags=[
        {'a': number} for number in range(19000)]), 400),
    'many tags': (body(tags=[f't{number}' for number in range(19000)]), 400),
    'many keys': (body(**{f'k{number}': 1 for number in range(19000)}), 400),
    'a long key': (body(**{'descripti' * 100000: 1}), 400),
    'more values than are taken': (body(tags=[0] * 300000), 400),
    'strings of commas': (raw(b'"' + b',' * (MIB - 200) + b'"'), 400),
    'a string without an end': (b'{"a": "' + rb'\",' * 300000, 400),
    'a long name': (body(name='x' * (MIB - 200)), 400),
    'a line after the name': (body(name='demo\n'), 400),
    'expires in the year 1': (body(expires_at='0001-01-01T00:00:00+14:00'),
                              400),
    'expires in the year 9999': (body(
        expires_at='9999-12-31T23:59:59-14:00'), 400),
    'a blueprint somewhere else': (body(blueprint='../../etc'), 400),
    'a path that is absolute': (body(blueprint='/etc@1'), 400),
    'a method of Python': (body(__class__='x'), 400),
    'larger than is taken': (b' ' * (MIB + 1), 413),
}

#: GET of a path -> status.
PATHS = {
    '/v1?' + '&'.join(f'a{number}' for number in range(10000)): 414,
    '/v1?' + '&'.join(f'a{number}' for number in range(1500)): 400,
    '/v1/clusters?name=a&name=b': 400,
    '/v1/clusters?%ff': 400,
    '/%ff': 400,
    '/' + 'x' * 9000: 414,
    '/v1' + '/x' * 4000: 404,
    '/v1/clusters/..%2f..%2fetc%2fpasswd': 404,
    '/v1/blueprints/..%2f..%2fetc': 404,
    '/v1/elements/..@..': 404,
    '/v1/clusters?limit=0': 400,
    '/v1/clusters?limit=-1': 400,
    f'/v1/clusters?limit={"9" * 30}': 400,
    '/v1/clusters?limit=1e3': 400,
    '/v1/clusters?marker=%27%20OR%201=1--': 400,
    f'/v1/events?marker={2**48 + 1}': 400,
    '/v1/events?marker=-1': 400,
    '/v1/events?wait=NaN': 400,
    '/v1/events?wait=1e9': 400,
    '/v1/clusters?sort=' + ','.join(['name'] * 42): 400,
    '/v1/clusters?sort=deleted': 400,
    '/v1/clusters?fields=__class__': 400,
    '/v1/clusters?fields=name%0a': 400,
    '/v1/blueprints/small/template?backend=fake&parameters='
    + '[' * 3000: 400,
    '/v1/blueprints/small/template?backend=fake&parameters=NaN': 400,
    '/v1/blueprints/small/template?backend=fake&parameters='
    + urllib.parse.quote('{"compute_count": 1, "compute_count": 2}'): 400,
    '/v1/blueprints/small/template?backend=fake&parameters='
    + urllib.parse.quote('{"compute_count": Infinity}'): 400,
}

#: Name of a header and its value -> status of GET /v1/clusters.
HEADERS = (
    ('OPENSTACK_API_VERSION', 'hpc-cluster ' + '9' * 100, 406),
    ('OPENSTACK_API_VERSION', 'hpc-cluster 1.' + '9' * 5000, 406),
    ('OPENSTACK_API_VERSION', ',' * 30000, 200),
    ('X_FORWARDED_FOR', '1.2.3.4, ' * 3000, 200),
)


class HostileTests(testtools.TestCase):
    """What somebody with an account can send"""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api())

    def cost(self, *given, **headers):
        """An answer, and the seconds of CPU that it took."""
        return cpu.cost(lambda: self.api.call(*given, **headers), CAP)

    def check(self, status, told, answer, cost):
        self.assertEqual(status, answer.status, (told, answer.body[:500]))
        self.assertLess(cost, CAP, told)
        if status >= 400:
            error = answer.json['errors'][0]
            self.assertTrue(error['detail'], told)
            self.assertLessEqual(len(error['findings']), 101)
            self.assertLess(len(answer.body), 65536, told)

    def test_bodies(self):
        for told, (given, status) in BODIES.items():
            sent = given if isinstance(given, bytes) \
                else json.dumps(given).encode()
            self.check(status, told, *self.cost('POST', '/v1/clusters', sent))
        self.assertEqual([], self.api.call(
            'GET', '/v1/clusters').json['clusters'])

    def test_paths(self):
        for path, status in PATHS.items():
            self.check(status, path[:90], *self.cost('GET', path))

    def test_headers(self):
        for name, value, status in HEADERS:
            self.check(status, value[:90], *self.cost(
                'GET', '/v1/clusters', **{name: value}))
        for key in ('', 'é', 'a b', 'x' * 256, 'a\tb'):
            self.check(400, key, *self.cost('POST', '/v1/clusters', body(),
                                            IDEMPOTENCY_KEY=key))

    def test_who_may_not_is_told_before_the_body_is_read(self):
        class Body:
            def read(self, *given):
                raise AssertionError('the body was read')

        view = self.api.create()
        for method, path in (
                ('POST', '/v1/clusters'),
                ('PATCH', f'/v1/clusters/{view["id"]}'),
                ('POST', f'/v1/clusters/{view["id"]}/deployments'),
                ('POST', f'/v1/clusters/{view["id"]}/users'),
                ('PATCH', f'/v1/clusters/{view["id"]}/users/ann')):
            answer = self.api.call(method, path, roles='reader', body=b'x',
                                   stream=Body())
            self.assertEqual(403, answer.status, path)
            answer = self.api.call(method, path, body=b'x', stream=Body(),
                                   USER_ID='', X_USER_ID='')
            self.assertEqual(401, answer.status, path)

    def test_only_what_carries_much_may_be_large(self):
        view = self.api.create()
        large = b' ' * 70000 + b'{}'
        self.assertEqual(413, self.api.call(
            'POST', f'/v1/clusters/{view["id"]}/deployments', large).status)
        self.assertEqual(400, self.api.call(
            'PATCH', f'/v1/clusters/{view["id"]}', large).status)

    def test_a_hundred_findings_are_enough(self):
        slots = [f's{number}' for number in range(9000)]
        view = self.api.create()
        self.api.settle(view['id'])
        change = {'node_groups': {'compute': {'slots': slots}}}
        answer = self.api.call('PATCH', '/v1/clusters/demo', change)
        self.assertEqual(400, answer.status)
        self.assertEqual(101, len(answer.json['errors'][0]['findings']))
        self.assertLess(len(answer.body), 65536)
        shown = self.api.call('POST', '/v1/plans', {
            'cluster': 'demo', 'change': change}).json
        self.assertTrue(shown['refused'])
        self.assertEqual(101, len(shown['changes']))

    def test_lines_and_tabs_may_stand_in_text(self):
        view = self.api.create(description='one\n\ttwo \u05d0\u200f')
        self.assertEqual('one\n\ttwo \u05d0\u200f', view['description'])


class AnonymousTests(testtools.TestCase):
    """What anybody can send"""

    def setUp(self):
        super().setUp()
        self.api = self.useFixture(Api(auth_strategy='basic'))
        (self.api.folder / 'users').write_text('')

    def test_all_is_refused_at_no_cost(self):
        for path, sent in (
                *((path, b'') for path in PATHS),
                *(('/v1/clusters', given) for given, _ in BODIES.values()
                  if isinstance(given, bytes))):
            answer, cost = cpu.cost(
                lambda path=path, sent=sent: self.api.call(
                    'POST' if sent else 'GET', path, sent), CAP)
            self.assertIn(answer.status, (400, 401, 413, 414), path[:90])
            self.assertLess(cost, CAP, path[:90])

    def test_nobody_is_believed(self):
        for headers in ({'X_ROLES': 'admin'}, {'X_USER_ID': 'admin'},
                        {'X_PROJECT_ID': 'ours', 'X_ROLES': 'admin'},
                        {'X_IDENTITY_STATUS': 'Confirmed'},
                        {'OPENSTACK_SYSTEM_SCOPE': 'all'},
                        {'X_AUTH_TOKEN': 'x'},
                        {'AUTHORIZATION': basic('x' * 10000, 'y' * 10000)}):
            self.assertEqual(401, self.api.call(
                'GET', '/v1/clusters', **headers).status, headers)
