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


"""Charts: points in time, what is asked, and what is made of the answer."""

import json
import os
import re

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect import charts

SETTINGS = hypothesis.settings(
    max_examples=int(os.environ.get('HPCDIRECT_EXAMPLES', '100')),
    deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

FRAMES = st.builds(
    charts.frame, st.floats(0, 1e11), st.integers(
        charts.SHORTEST, charts.LONGEST), st.integers(1, charts.POINTS),
    st.integers(1, 3600))
QUERIES = st.sampled_from(list(charts.QUERIES.values()))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(), st.integers(),
              st.integers(10**400, 10**401), st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(
        st.one_of(st.text(), st.sampled_from(('metric', 'values'))), inner,
        max_size=4)), max_leaves=12)
LABELS = st.dictionaries(
    st.sampled_from(('instance', 'cluster', 'state', 'group', 'band')),
    st.one_of(JSON, st.sampled_from((
        'head-0', 'compute-10', 'compute-2', 'head', 'average', 'idle',
        '../../head-0', 'head-0\n', '<b>', 'a' * 10**4, '{$ 1 $}'))))
SAMPLES = st.one_of(
    st.lists(st.one_of(JSON, st.tuples(
        st.one_of(st.integers(0, 10**11), st.floats()), st.one_of(
            st.sampled_from(('NaN', '+Inf', '1e400', '3')), st.text(),
            st.floats().map(str))).map(list)), max_size=5), JSON)
SERIES = st.lists(st.one_of(JSON, st.fixed_dictionaries({
    'metric': st.one_of(LABELS, JSON), 'values': SAMPLES})), max_size=4)


def answered(frame, labels, values):
    """A series as Prometheus answers, with a value at each point."""
    return {'metric': labels, 'values': [
        [at, str(value)] for at, value in zip(frame.x, values, strict=False)]}


class FrameTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(st.floats(0, 1e11), st.integers(
        charts.SHORTEST, charts.LONGEST), st.integers(1, charts.POINTS),
        st.integers(1, 3600))
    def test_no_more_than_was_asked_for(self, end, seconds, points, interval):
        found = charts.frame(end, seconds, points, interval)
        self.assertLessEqual(1, len(found.x))
        self.assertLessEqual(len(found.x), points)
        self.assertGreaterEqual(found.step, interval)
        self.assertTrue(found.end <= end < found.end + max(10, interval))
        self.assertLessEqual(found.end - found.start, seconds)
        self.assertLessEqual({after - before for before, after in zip(
            found.x, found.x[1:], strict=False)}, {found.step})
        if seconds > interval and points > 1:
            # All of the stretch but for a step or two.
            self.assertLessEqual(seconds - 2 * found.step,
                                 found.end - found.start)

    @SETTINGS
    @hypothesis.given(st.floats(0, 1e10), st.integers(
        charts.SHORTEST, charts.LONGEST), st.integers(1, charts.POINTS),
        st.integers(1, 3600), st.floats(0, 0.99))
    def test_for_some_seconds_it_is_the_same(self, end, seconds, points,
                                             interval, part):
        found = charts.frame(end, seconds, points, interval)
        self.assertEqual(found, charts.frame(
            found.end + part * max(10, interval), seconds, points, interval))

    @SETTINGS
    @hypothesis.given(st.integers(1, charts.POINTS), st.integers(0, 10**6))
    def test_many_series_have_fewer_points(self, points, number):
        found = charts.capped(points, number)
        self.assertTrue(found == 2 or found * number <= charts.MOST)
        self.assertLessEqual(found, max(2, points))


class QueryTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(QUERIES, FRAMES, st.integers(1, 3600), st.booleans())
    def test_nothing_is_left_open(self, query, frame, interval, by_group):
        text = charts.promql(query, frame, interval, by_group=by_group)
        self.assertIsNone(re.search(r'\$(?!1")', text))
        for window in re.findall(r'\[(\d+)s\]', text):
            self.assertLessEqual(max(frame.step, 4 * interval), int(window))

    def test_of_a_node(self):
        frame = charts.Frame(0, 15, 2)
        self.assertIn('instance="compute-1"', charts.promql(
            charts.QUERIES['load'], frame, 15, 'compute-1'))
        for node in ('a-1"} or vector(1)', 'a', '-1', 'a-1\n', 'A-1'):
            self.assertRaises(ValueError, charts.promql,
                              charts.QUERIES['load'], frame, 15, node)

    @SETTINGS
    @hypothesis.given(st.builds(
        charts.Asked, st.lists(st.sampled_from(list(charts.QUERIES)),
                               min_size=1).map(tuple),
        st.integers(charts.SHORTEST, charts.LONGEST),
        st.integers(1, charts.POINTS), st.one_of(st.none(), st.floats(
            0, 1e10)), st.sampled_from(('', 'head-0')), st.booleans()))
    def test_what_is_asked_is_read_as_it_was_meant(self, asked):
        self.assertEqual(asked, charts.Asked.read(asked.query()))

    @SETTINGS
    @hypothesis.given(st.one_of(st.text(), st.sampled_from((
        'names=cpu&seconds=60', 'names=x&seconds=60&points=2',
        'names=cpu&seconds=1&points=2', 'names=cpu&seconds=60&points=1001',
        'names=cpu&seconds=60&points=2&end=nan',
        'names=cpu&seconds=60&points=2&end=-1'))))
    def test_anything_else_is_refused(self, text):
        self.assertRaises(ValueError, charts.Asked.read, text)


class SeriesTest(testtools.TestCase):

    @SETTINGS
    @hypothesis.given(QUERIES, FRAMES, st.one_of(JSON, SERIES),
                      st.booleans())
    def test_whatever_is_answered(self, query, frame, result, by_group):
        """Columns of the frame's length, names that are names; or a word."""
        try:
            found = charts.series(query, frame, result, by_group)
        except charts.Unusable as exc:
            self.assertTrue(str(exc))
            return
        self.assertLessEqual(len(found) * frame.count, charts.MOST)
        for one in found:
            self.assertEqual(frame.count, len(one['y']))
            self.assertTrue(re.fullmatch('[a-z0-9-]{0,80}', one['node']))
            self.assertTrue(re.fullmatch(
                '[A-Za-z0-9_+*~ -]{0,40}', one['name']))
            self.assertEqual(bool(query.label), not one['node'])
        json.dumps(found, allow_nan=False)
        self.assertEqual(len(found), len({
            (one['node'], one['name']) for one in found}))

    @SETTINGS
    @hypothesis.given(FRAMES, st.data())
    def test_values_stand_where_they_belong(self, frame, data):
        values = data.draw(st.lists(
            st.integers(0, 10**5), min_size=frame.count,
            max_size=frame.count) if frame.count < 20 else st.just(
                list(range(frame.count))))
        gaps = data.draw(st.sets(st.integers(0, frame.count - 1)))
        series = answered(frame, {'instance': 'head-0'}, values)
        series['values'] = [one for place, one in enumerate(
            series['values']) if place not in gaps]
        # What nobody asked for: other moments, nearly those that were.
        series['values'] += [[frame.end + frame.step, '7'],
                             [frame.start - frame.step, '7']]
        if frame.step > 3:
            series['values'].append([frame.start + 1.5, '7'])
        (one,) = charts.series(charts.QUERIES['load'], frame, [series])
        self.assertEqual([None if place in gaps else value for place, value
                          in enumerate(values)], one['y'])

    def test_the_order_is_that_of_people(self):
        frame = charts.Frame(0, 15, 1)
        found = charts.series(charts.QUERIES['load'], frame, [
            answered(frame, {'instance': name}, [1]) for name in (
                'head-0', 'compute-10', 'compute-2', 'elsewhere',
                'http://other/')])
        self.assertEqual(['compute-2', 'compute-10', 'head-0'],
                         [one['node'] for one in found])

    def test_no_more_than_there_is_room_for(self):
        frame = charts.Frame(0, 15, charts.POINTS)
        found = charts.series(charts.QUERIES['load'], frame, [
            answered(frame, {'instance': f'a-{number}'}, [1])
            for number in range(charts.MOST // charts.POINTS + 10)])
        self.assertEqual(charts.MOST // charts.POINTS, len(found))
