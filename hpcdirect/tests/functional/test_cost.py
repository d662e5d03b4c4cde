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

"""What a request costs before it is refused, whatever was made up for it.

hypothesis looks for the dearest one of each kind: its target is the CPU time.
"""

import contextlib
import os
import socket
import time

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.api import server
from hpcdirect.tests.functional import cpu
from hpcdirect.tests.functional import tracing
from hpcdirect.tests.functional.api import Api

EXAMPLES = max(15, int(os.environ.get('HPCDIRECT_EXAMPLES', '0')) // 100)
MIB = 1024 * 1024
#: Seconds of CPU.
CAP = 0.2

#: Where something can be put: method, path, and a body with a hole in it.
HOLES = (
    *(('POST', '/v1/clusters', '{"name": "x", "blueprint": "small", '
       + key + '}') for key in (
           '"tags": $', '"parameters": $', '"description": $',
           '"expires_at": $', '"clone": $', '"backend": $', '"name": $',
           '"parameters": {"compute_count": $}', '"other": $')),
    *(('PATCH', '/v1/clusters/demo', body) for body in (
        '$', '{"tags": $}', '{"users": $}', '{"users": {"ann": $}}',
        '{"users": {"ann": {"keys": $}}}', '{"users": {"ann": {"groups": $}}}',
        '{"node_groups": $}', '{"node_groups": {"compute": $}}',
        '{"node_groups": {"compute": {"slots": $}}}',
        '{"node_groups": {"compute": {"replace": $}}}', '{"elements": $}',
        '{"elements": {"munge": {"roles": {"a": $}}}}',
        '{"elements": {"munge": {"parameters": $}}}',
        '{"parameters": $}', '{"plan": $}', '{"generation": $}')),
    *(('POST', '/v1/plans', body) for body in (
        '$', '{"create": $}', '{"cluster": $, "change": {}}',
        '{"cluster": "demo", "change": {"users": $}}',
        '{"cluster": "demo", "change": {"node_groups": {"compute": '
        '{"slots": $}}}}')),
    ('POST', '/v1/clusters/demo/users', '{"name": "ann", "keys": $}'),
    ('POST', '/v1/clusters/demo/users', '{"name": $}'),
    ('POST', '/v1/clusters/demo/deployments', '{"operation": $}'),
)

ATOMS = ('1', '0.5', 'null', 'true', '""', '"a"', '"-"', '[]', '{}', '[[]]',
         '{"a": 1}', '{"x-sealed": "a"}', '{"count": 1}', '{"slots": []}',
         '{"keys": []}', '"\\u00e9"', '"' + 'a' * 60 + '"')
CHARACTERS = ('a', '-', '.', '_', '1', ':', 'T', '+', '=', ' ', '/', '@',
              'é', '\\n', '\\"', '\\u00e9', ',', '{', '[')
MANY = st.one_of(st.integers(1, 200), st.integers(1000, 25000),
                 st.integers(100000, MIB))


def fitting(one, count):
    """*count* of a text, or as many as go into a mebibyte with the rest."""
    return max(1, min(count, (MIB - 300) // (len(one.encode()) + 12)))


@st.composite
def repeated(draw):
    """A list or a mapping of the same, or lists or mappings of such."""
    made = draw(st.sampled_from(ATOMS))
    for _ in range(draw(st.integers(1, 2))):
        count = fitting(made, draw(MANY))
        made = draw(st.sampled_from((
            lambda one, count: '[' + ','.join([one] * count) + ']',
            lambda one, count: '{' + ','.join(
                f'"k{number}":{one}' for number in range(count)) + '}',
            lambda one, count: '{' + ','.join([f'"k":{one}'] * count) + '}',
        )))(made, count)
    return made


@st.composite
def nested(draw):
    """Deep, and perhaps with an end."""
    begin, end = draw(st.sampled_from((
        ('[', ']'), ('{"a":', '}'), ('[{"x-sealed":', '}]'), ('[[],', ']'))))
    depth = fitting(begin + end, draw(MANY))
    return begin * depth + '1' + end * (depth if draw(st.booleans()) else 0)


@st.composite
def long_keyed(draw):
    """Keys that are long, many or both."""
    key = draw(st.sampled_from((*CHARACTERS, 'descripti', 'parameters'))
               ) * fitting('aaaaaaaaaa', draw(MANY))
    count = fitting(key, draw(MANY))
    return '{' + ','.join(f'"{key}{number}":1'
                          for number in range(count)) + '}'


@st.composite
def numbers(draw):
    """Numbers of many digits."""
    digits = draw(st.sampled_from('1790')) * fitting('1', draw(MANY))
    number = draw(st.sampled_from(('%s', '-%s', '0.%s', '1e%s', '1e-%s',
                                   '%s.5', '1.%se9'))) % digits
    count = fitting(number, draw(MANY))
    return number if draw(st.booleans()) else (
        '[' + ','.join([number] * count) + ']')


@st.composite
def patterns(draw):
    """Text that nearly matches, for long."""
    text = draw(st.sampled_from(('', 'a', '2026-01-01T00:00:00.', '/a'))) + (
        draw(st.sampled_from(CHARACTERS)) + draw(st.sampled_from(
            ('', *CHARACTERS)))) * fitting('aaaaaaaaaaaa', draw(MANY))
    text = '"' + text + draw(st.sampled_from(('', '!', '\\n'))) + '"'
    count = fitting(text, draw(MANY))
    return text if draw(st.booleans()) else (
        '[' + ','.join([text] * count) + ']')


@st.composite
def unique(draw):
    """A list of things that are all different, but perhaps the last."""
    shape = draw(st.sampled_from((
        '{"a":%d}', '[%d]', '"%d"', '%d', '[[],%d]', '{"%d":0}')))
    count = fitting(shape + '000000', draw(MANY))
    made = [shape % number for number in range(count)]
    return '[' + ','.join(made + made[:draw(st.integers(0, 1))]) + ']'


@st.composite
def queries(draw):
    """A path with a query."""
    path = draw(st.sampled_from((
        '/v1', '/v1/clusters', '/v1/events', '/v1/runs', '/v1/elements',
        '/v1/blueprints/small/template', '/v1/nosuch', '/')))
    unit = draw(st.sampled_from((
        'a&', 'a=&', 'a%d&', '&', ';', '%%41', '+', 'fields=name,', 'sort=a,',
        'parameters=[', 'tags=a,', 'name=aaaaaaaaaaaaaaaaaaaa', '%%e2%%82%%ac',
        '%%')))
    count = fitting(unit, draw(MANY))
    if '%d' in unit:
        return path, ''.join(unit % number for number in range(count))
    return path, (unit % ()) * count


@st.composite
def headers(draw):
    """The bytes of a whole request without a body."""
    name = draw(st.sampled_from((
        'OpenStack-API-Version', 'Authorization', 'X-Auth-Token', 'If-Match',
        'Idempotency-Key', 'Accept', 'X-Forwarded-For', 'Cookie', 'Forwarded',
        'X-Openstack-Request-Id', 'Origin', 'Host', 'Content-Type', 'A%d')))
    unit = draw(st.sampled_from((
        'a', ',', ' ', '1', 'hpc-cluster 1.0,', 'Basic ', '"', ';', '=')))
    value = unit * fitting(unit, draw(MANY))
    line = f'{name}: {value}\r\n'
    count = fitting(line, draw(MANY))
    lines = ''.join(line.replace('%d', str(number))
                    for number in range(count))
    return f'GET /v1/clusters HTTP/1.1\r\n{lines}\r\n'.encode()[:MIB]


class CostTests(testtools.TestCase):
    """Each kind of request that could be dear"""

    def setUp(self):
        super().setUp()
        tracing.off(self)
        self.api = self.useFixture(Api(port=0))
        self.api.create()
        self.api.settle(self.api.call(
            'GET', '/v1/clusters/demo').json['id'])
        self.dearest = 0.0

    def search(self, strategy, cost):
        """Let hypothesis look for the dearest request."""
        @hypothesis.settings(
            max_examples=EXAMPLES, deadline=None, database=None,
            derandomize=True, phases=(
                hypothesis.Phase.explicit, hypothesis.Phase.generate,
                hypothesis.Phase.target),
            suppress_health_check=list(hypothesis.HealthCheck))
        @hypothesis.given(strategy)
        def look(given):
            spent, told = cost(given)
            hypothesis.target(spent)
            self.dearest = max(self.dearest, spent)
            self.assertLess(spent, CAP, told)

        look()
        print(f'\n{self.id()}: {EXAMPLES} examples, the dearest '
              f'{self.dearest * 1000:.0f} ms of CPU')

    def send(self, *given):
        """Seconds of CPU until it was refused; 0 when it was not."""
        answer, spent = cpu.cost(lambda: self.api.call(*given), CAP)
        self.assertLess(answer.status, 500, answer.body)
        return (spent if answer.status >= 400 else 0.0,
                f'{given[0]} {given[1][:90]} {given[2:][:1]!r:.300} '
                f'{answer.status}')

    def bodies(self, values):
        def cost(given):
            (method, path, body), value = given
            return self.send(method, path,
                             body.replace('$', value).encode()[:MIB])
        self.search(st.tuples(st.sampled_from(HOLES), values), cost)

    def test_repeated(self):
        self.bodies(repeated())

    def test_nested(self):
        self.bodies(nested())

    def test_long_keyed(self):
        self.bodies(long_keyed())

    def test_long_numbers(self):
        self.bodies(numbers())

    def test_patterns(self):
        self.bodies(patterns())

    def test_unique(self):
        self.bodies(unique())

    def test_query(self):
        self.search(queries(), lambda given: self.send(
            'GET', f'{given[0]}?{given[1]}'))

    def test_headers(self):
        listening = server.serve(self.api.app, self.api.conf)
        self.addCleanup(listening.shutdown)

        def others():
            # The server's loop reads, a thread answers. Ours only sends and
            # waits.
            return time.process_time() - time.thread_time()

        def send(text):
            with socket.create_connection(listening.address, 60) as sock:
                # It may be refused before all of it is sent.
                with contextlib.suppress(OSError):
                    sock.sendall(text)
                    sock.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while sock.recv(65536):
                        pass

        def cost(text):
            return (cpu.cost(lambda: send(text), CAP, others)[1],
                    repr(text[:200]))

        self.search(headers(), cost)
