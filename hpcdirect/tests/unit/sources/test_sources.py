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

"""Sources and the catalogue over them."""

import pathlib
import shutil
import threading
import time
from unittest import mock

import fixtures
from oslo_config import cfg
import testtools

from hpcdirect import conf as options
from hpcdirect import exception
from hpcdirect.blueprints import document
from hpcdirect.sources import base
from hpcdirect.sources import catalogue
from hpcdirect.sources import defaults
from hpcdirect.sources import directory
from hpcdirect.sources import package
from hpcdirect.tests.unit.blueprints import folders
from hpcdirect.tests.unit.blueprints.folders import BLUEPRINT
from hpcdirect.tests.unit.blueprints.folders import CHILD
from hpcdirect.tests.unit.blueprints.folders import MUNGE
from hpcdirect.tests.unit.blueprints.folders import changed


class SourceTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.folder = folders.write_tree(self.root / 'a')
        self.log = self.useFixture(fixtures.FakeLogger())

    def source(self, *names):
        conf = cfg.ConfigOpts()
        source = directory.DirectorySource(conf)
        conf.set_override('directories', [
            str(self.root / name) for name in names or 'a'], 'blueprints')
        return source

    def add_version(self, version, root='a', label='Newer'):
        """Another version of the blueprint, in NAME@VERSION."""
        data = {**BLUEPRINT, 'version': version, 'label': label}
        parent = self.root / 'new'
        folder = folders.write_tree(parent, data)
        target = self.root / root / 'blueprints' / f'small@{version}'
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)
        shutil.rmtree(parent)
        return target


class DirectorySourceTest(SourceTest):

    def test_list(self):
        self.add_version('1.10.0')
        self.assertEqual(
            [base.Ref('blueprint', 'small', '1.10.0'),
             base.Ref('blueprint', 'small', '1.2.0')],
            list(self.source().list('blueprint')))
        self.assertEqual({'munge', 'slurm'}, {
            ref.name for ref in self.source().list('element')})

    def test_load(self):
        self.add_version('1.10.0')
        source = self.source()
        self.assertEqual('1.10.0', source.load_blueprint('small').version)
        self.assertEqual('Small',
                         source.load_blueprint('small', '1.2.0').label)
        self.assertEqual('munge', source.load_element('munge').name)
        self.assertRaises(exception.NotFound, source.load_element, 'x')
        self.assertRaises(exception.NotFound, source.load_blueprint,
                          'small', '3')

    def test_watch_token(self):
        source = self.source('a', 'not-there')
        first = source.watch_token()
        self.assertEqual(first, source.watch_token())
        (self.root / 'a/elements/munge/roles').mkdir()
        (self.root / 'a/elements/munge/roles/x').write_text('')
        self.assertNotEqual(first, source.watch_token())

    def test_defaults_hold_a_checkout(self):
        conf = cfg.ConfigOpts()
        options.register_group(conf, 'blueprints')
        options.register_group(conf, 'blueprints')
        conf([])
        top = pathlib.Path(__file__).resolve().parents[4]
        self.assertIn(str(top), conf.blueprints.directories)
        self.assertEqual('/etc/hpcdirect', conf.blueprints.directories[0])


class PackageSourceTest(SourceTest):

    def source_of(self, *values):
        entries = [mock.Mock(value=value) for value in values]
        for number, entry in enumerate(entries):
            entry.name = str(number)
        with mock.patch('importlib.metadata.entry_points', autospec=True,
                        return_value=entries) as find:
            source = package.PackageSource(cfg.ConfigOpts())
            source.roots()
        find.assert_called_once_with(group='hpcdirect.blueprints')
        return source

    def test_packages(self):
        (self.root / 'pack').mkdir()
        (self.root / 'pack' / '__init__.py').write_text('raise Exception')
        shutil.move(self.root / 'a' / 'elements', self.root / 'pack')
        self.useFixture(fixtures.PythonPathEntry(str(self.root)))
        source = self.source_of('pack', 'no_such_package', 'json.tool',
                                'no.such.package')
        self.assertEqual('munge', source.load_element('munge').name)
        self.assertEqual([], list(source.list('blueprint')))
        for name in ('no_such_package', 'json.tool', 'no.such.package'):
            self.assertIn(name, self.log.output)


class CatalogueTest(SourceTest):

    def noticed(self, found):
        folders.noticed(self.root / 'a', lambda: [
            one.name for one in found.elements()])

    def test_across_sources(self):
        folders.write_element(self.root / 'b' / 'elements',
                              {**MUNGE, 'label': 'Theirs'})
        folders.write_element(self.root / 'b' / 'elements',
                              {**MUNGE, 'name': 'other'})
        self.add_version('2.0', 'b')
        found = catalogue.Catalogue([self.source('a'), self.source('b')])
        self.assertEqual(['munge', 'other', 'slurm'],
                         [one.name for one in found.elements()])
        self.assertEqual('Munge', found.element('munge').label)
        self.assertEqual(['2.0', '1.2.0'], found.versions('small'))
        self.assertEqual(['2.0'],
                         [one.version for one in found.blueprints()])
        self.assertEqual('1.2.0', found.blueprint('small@1.2.0').version)
        self.assertEqual([], found.problems())

    def test_not_found(self):
        found = catalogue.Catalogue([self.source()])
        exc = self.assertRaises(exception.NotFound, found.blueprint,
                                'smal@1')
        self.assertEqual('Blueprint smal@1 was not found.', str(exc))
        self.assertRaises(exception.NotFound, found.blueprint, 'small@9')
        self.assertRaises(exception.NotFound, found.element, '')
        self.assertEqual([], found.versions('x'))

    def test_read_again_only_when_changed(self):
        source = self.source()
        found = catalogue.Catalogue([source])
        first = found.blueprint('small')
        self.assertIs(first, found.blueprint('small'))
        munge, slurm = found.element('munge'), found.element('slurm')
        (self.folder / 'README.rst').write_text('Other.')
        self.noticed(found)
        self.assertEqual('Other.', found.blueprint('small').readme)
        # What did not change was not read.
        self.assertIs(munge, found.element('munge'))
        second = found.blueprint('small')
        (slurm.folder / 'README.rst').write_text('Another.')
        self.noticed(found)
        self.assertIs(munge, found.element('munge'))
        self.assertEqual('Another.', found.element('slurm').readme)
        self.assertIsNot(second, found.blueprint('small'))

    def test_what_could_not_be_read_is_tried_again(self):
        source = self.source()
        found = catalogue.Catalogue([source])
        with mock.patch.object(source, 'load_element', autospec=True,
                               side_effect=OSError(5, 'Input error')):
            # They are there all the same: nobody is told that they are gone.
            for get, name in ((found.blueprint, 'small'),
                              (found.element, 'munge')):
                self.assertRaises(exception.Unread, get, name)
            self.assertRaises(exception.NotFound, found.element, 'none')
        # No file is another one; the next look finds it all the same.
        found._look_at = 0.0
        self.assertEqual('small', found.blueprint('small').name)
        self.assertEqual([], found.problems())

    def test_modules_that_elements_share(self):
        (self.root / 'a/elements/munge/apply.yaml').write_text(
            '- {hosts: munge_node, tasks: [{new: {}}]}\n')
        found = catalogue.Catalogue([self.source()])
        before = found.element('munge').digest, found.blueprint('small')
        (self.root / 'a/elements/library').mkdir()
        (self.root / 'a/elements/library/other.py').write_text('')
        self.noticed(found)
        self.assertEqual(before[0], found.element('munge').digest)
        (self.root / 'a/elements/library/new.py').write_text('')
        self.noticed(found)
        self.assertNotEqual(before[0], found.element('munge').digest)
        self.assertNotEqual(before[1].digest,
                            found.blueprint('small').digest)

    def test_a_parent_in_another_source(self):
        folders.write_blueprint(self.root / 'b', CHILD)
        for order in ('ab', 'ba'):
            found = catalogue.Catalogue(map(self.source, order))
            self.assertEqual([], found.problems())
            self.assertEqual('2.0.0', found.blueprint('child').version)
        alone = catalogue.Catalogue([self.source('b')])
        (problem,) = alone.problems()
        self.assertIn('There is no blueprint "small@1"',
                      str(problem.findings[0]))

    def test_a_change_of_a_parent(self):
        folders.write_blueprint(self.root / 'a', CHILD)
        found = catalogue.Catalogue([self.source()])
        first = found.blueprint('child')
        folders.write_blueprint(self.root / 'a', changed(
            BLUEPRINT, 'volumes', 'home', 'mount', to='/homes'))
        self.noticed(found)
        second = found.blueprint('child')
        self.assertEqual('/homes', second.volumes[0].mount)
        self.assertNotEqual(first.digest, second.digest)
        self.assertIs(second, found.blueprint('child'))
        # A higher version of it, and then one that nobody can read.
        newer = self.add_version('1.3')
        self.noticed(found)
        third = found.blueprint('child')
        self.assertEqual('/home', third.volumes[0].mount)
        (self.folder / 'README.rst').write_text('Of no matter to it.')
        self.noticed(found)
        self.assertIs(third, found.blueprint('child'))
        (newer / 'blueprint.yaml').write_text('name: [')
        self.noticed(found)
        self.assertRaises(exception.NotFound, found.blueprint, 'child')
        self.assertRegex(self.log.output, (
            r'Blueprint child cannot be used: .*child/blueprint.yaml:3: '
            r'small@1 cannot be used: .*small@1.3/blueprint.yaml:\d+: '))

    def test_a_parent_that_cannot_be_read_for_a_moment(self):
        folders.write_blueprint(self.root / 'a', CHILD)
        source = self.source()
        found = catalogue.Catalogue([source])
        load = source.load_blueprint

        def broken(name, *others):
            if name == 'small':
                raise OSError(5, 'Input error')
            return load(name, *others)

        with mock.patch.object(source, 'load_blueprint', autospec=True,
                               side_effect=broken):
            self.assertRaises(exception.Unread, found.blueprint, 'child')
        found._look_at = 0.0
        self.assertEqual('child', found.blueprint('child').name)

    def test_blueprints_in_a_circle(self):
        for name, ref in (('x', 'y@1'), ('y', 'x@1')):
            folders.write_blueprint(self.root / 'a', {
                **CHILD, 'name': name, 'version': '1', 'from': ref})
        found = catalogue.Catalogue([self.source()])
        self.assertEqual(['small'], [one.name for one in found.blueprints()])
        self.assertEqual(['x', 'y'],
                         [one.ref.name for one in found.problems()])

    def test_a_broken_chain_is_read_no_more_often_than_it_is_long(self):
        for number in range(7):
            folders.write_blueprint(self.root / 'a', {
                'name': f'n{number}', 'version': '1', 'label': 'N',
                'description': 'N.',
                'from': f'n{number - 1}@1' if number else 'small@1'})
        found = catalogue.Catalogue([self.source()])
        self.assertEqual(8, len(found.blueprints()))
        folders.write_blueprint(self.root / 'a', {
            **BLUEPRINT, 'login': 'nobody'})
        with mock.patch.object(document, 'read', autospec=True,
                               side_effect=document.read) as read:
            self.noticed(found)
        self.assertEqual([], found.blueprints())
        self.assertEqual(8, len(found.problems()))
        # Once to list it, and once for each of the eight at each look.
        self.assertLessEqual(sum(
            call.args[0].parent == self.folder
            for call in read.call_args_list), 1 + 2 * 8)

    def test_one_look_a_second(self):
        source = self.source()
        found = catalogue.Catalogue([source])
        with mock.patch.object(source, 'watch_token', autospec=True,
                               side_effect=source.watch_token) as look:
            begin = time.monotonic()
            for _ in range(200):
                found.blueprint('small')
            took = time.monotonic() - begin
        self.assertLessEqual(1, look.call_count)
        self.assertLessEqual(look.call_count, 1 + took)

    def test_nobody_waits_for_anothers_look(self):
        source = self.source()
        found = catalogue.Catalogue([source])
        first = found.blueprint('small')
        looking, go_on = threading.Event(), threading.Event()

        def slow():
            looking.set()
            go_on.wait(60)
            return 'other'

        self.addCleanup(go_on.set)
        with mock.patch.object(source, 'watch_token', autospec=True,
                               side_effect=slow):
            thread = threading.Thread(target=self.until, args=(
                found.blueprints, looking))
            thread.start()
            self.addCleanup(thread.join)
            self.assertTrue(looking.wait(60))
            self.assertIs(first, found.blueprint('small'))
            go_on.set()
            thread.join()

    @staticmethod
    def until(ask, done):
        while not done.is_set():
            ask()

    def test_broken_ones_break_nothing(self):
        bad = self.root / 'a/elements/bad'
        bad.mkdir()
        (bad / 'element.yaml').write_text('name: [')
        self.add_version('3.0')
        (self.root / 'a/blueprints/small@3.0/blueprint.yaml').write_text(
            'name: small\n')
        found = catalogue.Catalogue([self.source()])
        self.assertEqual('1.2.0', found.blueprint('small').version)
        self.assertEqual(
            [('element', 'bad'), ('blueprint', 'small')],
            [(one.ref.kind, one.ref.name) for one in found.problems()])
        self.assertIn('bad/element.yaml:', self.log.output)
        self.assertIn('Blueprint small cannot be used', self.log.output)


class DefaultsTest(SourceTest):

    def test_every_line_that_means_nothing(self):
        lines = ['word: 2026-01-01', 'one', '!!bool x', 'a: !!int ""',
                 'a: [', 'slurm.day: 2026-13-45']
        exc = self.assertRaises(exception.Invalid, defaults.Defaults, lines)
        self.assertEqual(lines[1:5], [
            str(finding.message).split('"; ')[0].removeprefix('is "')
            for finding in exc.findings])
        found = defaults.Defaults([lines[0], lines[5]])
        self.assertEqual(['2026-01-01', '2026-13-45'],
                         [one.value for one in found._all])

    def blueprint(self, *lines):
        return catalogue.Catalogue(
            [self.source()], defaults.Defaults(lines)).blueprint('small')

    def values(self, *lines):
        return {name: said.get('default') for name, said in self.blueprint(
            *lines).parameters['properties'].items()}

    def test_the_narrower_one_counts_then_the_later_one(self):
        own = self.values()
        name = next(name for name, value in own.items()
                    if isinstance(value, int))
        self.assertEqual({**own, name: 4}, self.values(
            f'small.{name}: 4', f'{name}: 3', f'other.{name}: 2'))
        self.assertEqual({**own, name: 3}, self.values(
            f'{name}: 4', f'{name}: 3', 'no_such_parameter: 1'))

    def test_what_a_blueprint_lacks_or_cannot_have(self):
        for line, words in (
                ('small.no_such: 1', 'has no parameter no_such'),
                ('small.compute_count: x', 'compute_count: is "x"')):
            found = catalogue.Catalogue(
                [self.source()], defaults.Defaults([line]))
            self.assertEqual([], found.blueprints())
            (problem,) = found.problems()
            self.assertIn(words, str(problem.findings[0]))

    def test_lines_that_say_nothing(self):
        wrong = self.assertRaises(
            exception.Invalid, defaults.Defaults,
            ['image', 'good: 1', '[1', ''])
        self.assertEqual(3, len(wrong.findings))
