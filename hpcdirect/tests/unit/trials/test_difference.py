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

"""What counts as left, and what does not."""

import posixpath

import hypothesis
from hypothesis import strategies as st
import testtools

from hpcdirect.trials import difference

SETTINGS = hypothesis.settings(
    deadline=None, database=None,
    suppress_health_check=list(hypothesis.HealthCheck))

FILE = ['file', 0o644, 0, 0, 'abc']
FOLDER = ['folder', 0o755, 0, 0, '']

NAMES = st.sampled_from(('a', 'b', 'c', 'x-old', 'log', 'cache'))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(
    lambda parts: '/' + '/'.join(parts))
THINGS = st.sampled_from((FILE, FOLDER, ['file', 0o600, 0, 0, 'abc'],
                          ['link', 0, 0, 0, '/elsewhere'],
                          ['file', 0o644, 5, 5, 'other']))
SNAPSHOTS = st.fixed_dictionaries({
    'path': st.dictionaries(PATHS, THINGS, max_size=12),
    'user': st.dictionaries(NAMES, st.sampled_from(('1:1', '2:2')),
                            max_size=3),
    'process': st.dictionaries(NAMES, st.just(''), max_size=3)})
OTHER_WAY = {'stays': 'is gone', 'is gone': 'stays', 'differs': 'differs'}


def lines(before, after, **more):
    return [str(one) for one in
            difference.between(before, after, **more).left]


class DifferenceTest(testtools.TestCase):

    def left(self, *paths, data=()):
        """What of some new files is left."""
        before = dict.fromkeys(('/etc', '/var', '/home', '/root'), FOLDER)
        after = before | dict.fromkeys(paths, FILE)
        for path in paths:
            while path not in before:
                path = posixpath.dirname(path)
                after.setdefault(path, FOLDER)
        return difference.between({'path': before}, {'path': after}, data)

    def test_the_fixed_list_does_not_count(self):
        for path in ('/var/log/x/y', '/var/cache/apt/archives/a.deb',
                     '/var/lib/apt/lists/x', '/var/lib/dpkg/status-old',
                     '/var/cache/debconf/config.dat-old',
                     '/etc/ld.so.cache', '/var/lib/ucf/hashfile.3',
                     '/var/lib/hpcdirect/fence/lock', '/root/.ansible/x'):
            self.assertEqual((), self.left(path).left, path)

    def test_what_is_like_it_counts(self):
        for path in ('/var/logs/x', '/etc/x-old', '/var/lib/dpkg/a/x-old',
                     '/etc/ld.so.cache~', '/var/lib/ucf/hashfile.old',
                     '/root/.ansible2', '/var/lib/aptitude/x',
                     '/var/lib/hpcdirect/layers/munge.json'):
            self.assertEqual(1, len(self.left(path).left), path)

    def test_data_is_told_apart(self):
        found = self.left('/home/alice/.profile', '/home/alice/.bashrc',
                          '/etc/x', data=['/home'])
        self.assertEqual(('/home/alice',), found.data)
        self.assertEqual(['/etc/x stays'], [*map(str, found.left)])

    def test_a_new_folder_stands_for_what_is_in_it(self):
        self.assertEqual(
            ['/var/lib stays (with 4 more below)'],
            [*map(str, self.left('/var/lib/x/a', '/var/lib/x/b',
                                 '/var/lib/c').left)])

    def test_what_differs_is_told(self):
        before = {'path': {'/a': FILE, '/b': FILE, '/c': FILE},
                  'user': {'eve': '5:5 /home/eve /bin/sh'}}
        after = {'path': {'/a': ['file', 0o600, 7, 0, 'abc'],
                          '/b': ['file', 0o644, 0, 0, 'other'],
                          '/c': ['link', 0, 0, 0, '/b']}, 'user': {}}
        self.assertEqual(
            ['/a differs (mode 0644, now 0600; owner 0, now 7)',
             '/b differs (content)', '/c differs (file, now link)',
             'user eve is gone'], lines(before, after))

    def test_a_backup_may_forget(self):
        one, none = {'path': {'/etc/passwd- (eve)': ['entry']}}, {'path': {}}
        self.assertEqual([], lines(one, none))
        self.assertEqual(['/etc/passwd- (eve) stays'], lines(none, one))

    @SETTINGS
    @hypothesis.given(SNAPSHOTS)
    def test_nothing_differs_from_itself(self, snapshot):
        self.assertEqual([], lines(snapshot, snapshot))

    @SETTINGS
    @hypothesis.given(SNAPSHOTS, SNAPSHOTS)
    def test_the_other_way_round(self, one, other):
        def plain(before, after):
            return {(change.kind, change.name, change.how)
                    for change in difference.between(
                        before, after, allowed=()).left}
        self.assertEqual(
            {(kind, name, OTHER_WAY[how])
             for kind, name, how in plain(one, other)}, plain(other, one))

    @SETTINGS
    @hypothesis.given(SNAPSHOTS, SNAPSHOTS, st.lists(PATHS, max_size=3))
    def test_all_that_differs_is_covered(self, one, other, allowed):
        """Each change is told, by itself or by a folder above, or allowed."""
        found = difference.between(one, other, allowed=allowed)
        told = {(change.how, change.name) for change in found.left
                if change.kind == 'path'}
        passed = difference.below(allowed)
        for path in {*one['path'], *other['path']}:
            was, now = one['path'].get(path), other['path'].get(path)
            covers = [path]
            while covers[-1] != '/':
                covers.append(posixpath.dirname(covers[-1]))
            how = ('stays' if was is None else
                   'is gone' if now is None else 'differs')
            covered = any((how, cover) in told for cover in covers)
            if was == now:
                self.assertNotIn(path, {name for _, name in told})
            elif passed(path):
                self.assertNotIn((how, path), told)
            elif not any(passed(name) and name.startswith(path + '/')
                         for name in other['path']):
                self.assertTrue(covered, path)
