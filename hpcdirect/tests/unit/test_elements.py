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

"""The elements and blueprints that we ship, without any node."""

import functools
import grp
import hashlib
import importlib.util
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from ansible.plugins.filter import mathstuff
from jinja2 import nativetypes
import yaml

from hpcdirect import charts
from hpcdirect.blueprints import export
from hpcdirect.blueprints import parameters
from hpcdirect.blueprints import validate
from hpcdirect.runners.ansible import check

ROOT = pathlib.Path(__file__).parents[3]
ELEMENTS = sorted(path.parent for path in
                  ROOT.glob('elements/*/element.yaml'))
BLUEPRINTS = sorted(path.parent for path in
                    ROOT.glob('blueprints/*/blueprint.yaml'))


def module(path):
    """An Ansible module of an element, to be called as Python."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class ShippedTest(unittest.TestCase):

    def test_a_thousand_nodes_are_possible(self):
        for folder in BLUEPRINTS:
            blueprint = validate.read_blueprint(folder)
            groups = {group.name: group.max_count
                      for group in blueprint.node_groups
                      if group.min_count != group.max_count}
            with self.subTest(folder.name):
                self.assertTrue(all(count >= 1000
                                    for count in groups.values()), groups)
                properties = blueprint.parameters['properties']
                for name in ('compute_count', 'special_count'):
                    self.assertGreaterEqual(
                        properties.get(name, {}).get('maximum', 1000), 1000)
                for use in blueprint.elements:
                    if use.element.name == 'slurm':
                        self.assertGreaterEqual(use.variables['max_nodes'],
                                                sum(groups.values()))

    def test_exporters_are_where_outputs_say(self):
        find = functools.cache(validate.Finder([ROOT / 'elements']))
        found = {name: find(name).exporters for name in (
            'monitoring', 'slurm-exporter', 'prometheus')}
        self.assertEqual({
            'monitoring': [('node', 9100, ('node',))],
            'slurm-exporter': [('slurm', 9341, ('node',))],
            'prometheus': [('prometheus', 9090, ('server',))]}, {
            name: [(one.name, one.port, one.roles) for one in those]
            for name, those in found.items()})
        for name, (one,) in found.items():
            self.assertEqual(find(name).outputs['port'], one.port)

    def test_what_charts_need_is_there(self):
        find = functools.cache(validate.Finder([ROOT / 'elements']))
        for query in charts.QUERIES.values():
            self.assertTrue(find(query.element).exporters, query.name)
        element, exporter = charts.SERVER
        self.assertIn(exporter, [one.name for one
                                 in find(element).exporters])

    def test_all_are_well_formed(self):
        # It raises all that is wrong.
        find = functools.cache(validate.Finder([ROOT / 'elements']))
        for folder in (*ELEMENTS, *BLUEPRINTS):
            with self.subTest(folder.name):
                self.assertTrue((folder / 'README.rst').is_file())
                if folder in ELEMENTS:
                    self.assertEqual(folder, find(folder.name).folder)
                else:
                    validate.read_blueprint(folder)

    def test_the_runner_accepts_every_playbook(self):
        find = validate.Finder([ROOT / 'elements'])
        for folder in ELEMENTS:
            with self.subTest(folder.name):
                self.assertEqual([], check.findings(find(folder.name)))

    def test_grades_are_of_these_very_files(self):
        find = validate.Finder([ROOT / 'elements'])
        for folder in ELEMENTS:
            if not (folder / 'grade.yaml').exists():
                continue
            with self.subTest(folder.name):
                grade = find(folder.name).grade
                self.assertIsNotNone(grade, (
                    'It has changed since it was graded: openstack hpc '
                    f'element test elements/{folder.name} --record'))
                self.assertEqual('A', grade.grade)

    def test_every_element_is_tried(self):
        tried = (ROOT / 'hpcdirect/tests/functional/test_trials.py'
                 ).read_text()
        self.assertEqual([], [
            f'{folder.name} is neither in SHIPPED nor in LARGE of test_trials'
            for folder in ELEMENTS if f"'{folder.name}'" not in tried])

    def test_every_layer_is_verified_and_taken_off(self):
        def layers(folder, verb, state):
            return {task['hpc_layer']['layer'] for play in yaml.safe_load(
                (folder / f'{verb}.yaml').read_text())
                for task in play['tasks'] if 'hpc_layer' in task
                and task['hpc_layer'].get('state', 'present') == state}

        for folder in ELEMENTS:
            with self.subTest(folder.name):
                applied = layers(folder, 'apply', 'present')
                self.assertTrue(applied)
                for verb, state in (('verify', 'verified'),
                                    ('revert', 'absent')):
                    self.assertEqual(applied, layers(folder, verb, state))

    def test_what_blueprints_share_is_said_once(self):
        for folder in BLUEPRINTS:
            one = validate.read_blueprint(folder)
            groups = {group.name for group in one.node_groups}
            if folder.name == 'slurm' or 'compute' not in groups:
                continue
            with self.subTest(folder.name):
                self.assertEqual({ROOT / 'blueprints/slurm'},
                                 {*one.source.parents})
                self.assertEqual({ROOT / 'blueprints/slurm/stack.yaml'},
                                 {*one.paths.values()})

    def test_every_blueprint_can_be_taken_away(self):
        out = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for folder in BLUEPRINTS:
            one = validate.read_blueprint(folder)
            with self.subTest(folder.name):
                # It raises when that is not the same, or is not whole.
                export.write(one, out / folder.name)

    def test_a_copied_program_element_is_whole(self):
        """The steps of its README, with a file of somebody's own."""
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory())) / 'elements'
        folder.mkdir()
        subprocess.run(['cp', '-r', ROOT / 'elements/library',
                        ROOT / 'elements/program', folder], check=True)
        find = validate.Finder([folder, ROOT / 'elements'])
        before = find('program').digest
        self.assertEqual(
            validate.Finder([ROOT / 'elements'])('program').digest, before)
        (folder / 'program/files/solver-2.tar').write_bytes(b'x')
        after = validate.Finder([folder, ROOT / 'elements'])('program')
        self.assertEqual(folder / 'program', after.folder)
        self.assertNotEqual(before, after.digest)

    def test_the_example_of_a_program_is_what_is_said(self):
        folder = ROOT / 'elements/program'
        trial = validate.Finder([ROOT / 'elements'])('program').trial
        one, = trial.parameters['programs']
        self.assertEqual(one['sha256'], hashlib.sha256(
            (folder / 'files' / one['file']).read_bytes()).hexdigest())
        self.assertIn(one['sha256'], (folder / 'README.rst').read_text())

    def test_nothing_is_a_link(self):
        """Archives, and more than one way to copy, lose links."""
        self.assertEqual([], [
            path for folder in ('elements', 'blueprints')
            for path in (ROOT / folder).rglob('*') if path.is_symlink()])

    def test_there_is_one_module(self):
        self.assertEqual([ROOT / 'elements/library/hpc_layer.py'],
                         list(ROOT.glob('elements/**/hpc_layer.py')))

    def test_there_is_one_program_of_mpi(self):
        self.assertEqual(1, len({file.read_text() for file in ROOT.glob(
            'elements/*/files/hello.c')}))

    def test_a_digest_covers_the_modules_beside_it(self):
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        shutil.copytree(ROOT / 'elements', folder / 'elements')
        find = validate.Finder([folder / 'elements'])
        before = find('munge').digest
        module = folder / 'elements/library/hpc_layer.py'
        module.write_text(module.read_text() + '# changed\n')
        after = validate.Finder([folder / 'elements'])('munge').digest
        self.assertNotEqual(before, after)


class UserIdsTest(unittest.TestCase):

    def setUp(self):
        self.users = module(ROOT / 'elements/users/library/hpc_users.py')

    def test_an_id_does_not_depend_on_the_others(self):
        alone, _ = self.users.ids([{'name': 'bob'}])
        both, groups = self.users.ids(
            [{'name': 'alice', 'groups': ['lab']}, {'name': 'bob'}])
        self.assertEqual(alone['bob'], both['bob'])
        self.assertEqual({'alice', 'bob', 'lab'}, set(groups))

    def test_a_given_id_is_taken(self):
        uids, gids = self.users.ids([{'name': 'bob', 'uid': 5000}])
        self.assertEqual(({'bob': 5000}, {'bob': 5000}), (uids, gids))

    def test_two_names_with_one_id_are_refused(self):
        taken = self.users.number('user', 'bob')
        with self.assertRaisesRegex(self.users.Problem, 'same id'):
            self.users.ids([{'name': 'bob'}, {'name': 'eve', 'uid': taken}])

    def test_bad_names_and_doubles_are_refused(self):
        for users in ([{'name': '../bob'}],
                      [{'name': 'bob'}, {'name': 'bob'}]):
            with self.assertRaises(self.users.Problem):
                self.users.ids(users)


class HomesTest(unittest.TestCase):
    """Homes of users who are gone, in a folder that stands for /home."""

    def setUp(self):
        self.users = module(ROOT / 'elements/users/library/hpc_users.py')
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.homes = self.folder / 'home'
        self.homes.mkdir()
        for name, path in (('HOMES', self.homes),
                           ('STATE', self.folder / 'state/users.json'),
                           ('KEYS', self.folder / 'keys')):
            patch = mock.patch.object(self.users, name, path)
            patch.start()
            self.addCleanup(patch.stop)

    def home(self, text='mine', uid=None):
        """Bob's, and what is noted of it."""
        home = self.homes / 'bob'
        home.mkdir()
        (home / 'file').write_text(text)
        return home.stat().st_uid if uid is None else uid

    def leave(self, wish, uid):
        """What is done by one call, with what an earlier one noted."""
        self.users.Node()._remember('homes', {'bob': {'uid': uid,
                                                      'wish': wish}})
        node = self.users.Node()
        node.leave_homes()
        self.assertEqual({}, self.users.Node().made['homes'])
        self.assertFalse((self.folder / 'state').exists())
        return node.actions

    def packed(self, name='bob.tar.gz'):
        return subprocess.run(
            ['tar', '-xzOf', self.homes / '.gone' / name, 'bob/file'],
            check=True, capture_output=True, text=True).stdout

    def test_archived_and_never_written_over(self):
        for number in (1, 2, 3):
            self.assertEqual(['archived the home of bob'],
                             self.leave('archive', self.home(str(number))))
            self.assertFalse((self.homes / 'bob').exists())
        self.assertEqual(['3', '1', '2'], [self.packed(
            f'bob{text}.tar.gz') for text in ('', '.1', '.2')])
        self.assertEqual([0o100600], list({
            file.stat().st_mode
            for file in (self.homes / '.gone').iterdir()}))

    def test_purged(self):
        self.assertEqual(['purged the home of bob'],
                         self.leave('purge', self.home()))
        self.assertEqual([], list(self.homes.iterdir()))
        self.assertEqual([], self.leave('purge', 0))

    def test_gone_on_with_after_an_interruption(self):
        with mock.patch.object(self.users, 'archive', autospec=True,
                               side_effect=KeyboardInterrupt), \
                self.assertRaises(KeyboardInterrupt):
            self.leave('archive', self.home())
        self.assertFalse((self.homes / 'bob').exists())
        node = self.users.Node()
        node.leave_homes()
        self.assertEqual(['archived the home of bob'], node.actions)
        self.assertEqual('mine', self.packed())
        self.assertEqual(['.gone'], [
            path.name for path in self.homes.iterdir()])

    def test_of_somebody_else_is_left(self):
        uid = self.home()
        self.assertEqual([], self.leave('purge', uid + 1))
        (self.homes / 'bob').rename(self.folder / 'real')
        (self.homes / 'bob').symlink_to(self.folder / 'real')
        self.assertEqual([], self.leave('purge', uid))
        self.assertEqual('mine', (self.homes / 'bob/file').read_text())

    def test_only_where_the_account_was_made(self):
        self.home()
        node = self.users.Node()
        node.converge([{'name': 'bob', 'state': 'gone', 'home': 'purge'}])
        node.leave_homes()
        self.assertEqual([], node.actions)
        self.assertTrue((self.homes / 'bob').exists())


class AdminsTest(unittest.TestCase):
    """Who may become root, as apply.yaml works it out."""

    def admins(self, users):
        play, = yaml.safe_load(
            (ROOT / 'elements/users/apply.yaml').read_text())
        texts = play['tasks'][0]['vars']
        environment = nativetypes.NativeEnvironment()
        environment.filters['difference'] = mathstuff.difference
        values = {'users': users}
        for name in ('out', 'admins'):
            values[name] = environment.from_string(
                texts[name]).render(values)
        return values['admins']

    def test_only_who_is_on(self):
        users = [{'name': 'ann', 'sudo': True}, {'name': 'bob'},
                 {'name': 'eve', 'sudo': True, 'state': 'off'},
                 {'name': 'tom', 'sudo': True, 'state': 'gone'}]
        self.assertEqual(['ann'], self.admins(users))
        # The service fills in what is usual.
        schema = yaml.safe_load((ROOT / 'elements/users/element.yaml'
                                 ).read_text())['parameters']
        self.assertEqual(['ann'], self.admins(
            parameters.fill(schema, {'users': users})['users']))


class VerifiedTest(unittest.TestCase):
    """A layer of files in a folder that stands for a node."""

    def setUp(self):
        self.module = module(ROOT / 'elements/library/hpc_layer.py')
        self.folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        self.enterContext(mock.patch.object(self.module, 'LAYERS',
                                            self.folder / 'layers'))
        self.node = {'packages': [], 'accounts': {}, 'parents': [],
                     'installing': {}}
        self.file, self.link, self.seed = (
            self.folder / name for name in ('file', 'link', 'seed'))
        # Where tests do not run as root, what they make is their own.
        stat = self.folder.stat()
        owner = {'owner': pwd.getpwuid(stat.st_uid).pw_name,
                 'group': grp.getgrgid(stat.st_gid).gr_name}
        self.params = {
            'layer': 'mine', 'packages': [], 'archives': [], 'litter': [],
            'units': [], 'directories': [
                {'path': str(self.folder / 'folder'), **owner}],
            'files': [
                {'path': str(self.file), 'content': 'text', **owner},
                {'path': str(self.seed), 'first': 'begun', **owner},
                {'path': str(self.link), 'link': '/etc/hosts'}]}
        self.module.present(self.params, self.node)

    def amiss(self):
        """What is said to be wrong."""
        try:
            self.module.verified(self.params, self.node)
        except self.module.Problem as exc:
            return str(exc).replace(f'{self.folder}/', '')
        return ''

    def test_what_is_as_it_was_written(self):
        self.assertEqual('', self.amiss())
        self.seed.write_text('others go on with this one')
        self.assertEqual('', self.amiss())

    def test_all_that_is_not(self):
        self.file.write_bytes(b'caf\xe9')
        self.file.chmod(0o600)
        self.link.unlink()
        self.link.symlink_to('/etc/passwd')
        self.seed.unlink()
        (self.folder / 'folder').rmdir()
        (self.folder / 'folder').write_text('')
        self.assertEqual(
            'not as it was put there: file has another content; '
            'file has mode 0600, not 0644; folder is a file, not a folder; '
            'link leads to /etc/passwd, not to /etc/hosts; seed is gone',
            self.amiss())
        self.module.remove(self.folder / 'folder')
        self.module.present(self.params, self.node)
        self.assertEqual('', self.amiss())

    def test_no_layer_is_not_right(self):
        self.module.absent(self.params, {**self.node, 'parents': []})
        self.assertIn('is not on this node', self.amiss())

    def test_any_bytes_may_be_printed(self):
        self.assertEqual('caf\ufffd', self.module.run('printf',
                                                      r'caf\351'))


class PackagesTest(unittest.TestCase):
    """What is still needed is not taken away."""

    TABLE = (
        'ii \tautoconf\t\t, perl:any (>> 5.005), m4 (>= 1.4) | m5\n'
        'ii \tperl\tlibyaml-perl, data-perl (= 1)\tdpkg (>= 1), libc6\n'
        'ii \tm4\t\tlibc6 (>= 2), \n'
        'ii \tlibc6\t\t, \n'
        'ii \tmta\tmail-agent\t, libc6:amd64\n'
        'ii \treport\t\t, mail-agent, libyaml-perl\n'
        'rc \told\t\t, mta\n')

    def setUp(self):
        self.layer = module(ROOT / 'elements/library/hpc_layer.py')

    def test_what_packages_depend_on(self):
        for roots, wanted in (
                ('autoconf', 'autoconf perl m4 libc6'),
                ('m4', 'm4 libc6'), ('', ''),
                ('report', 'report mta perl libc6'),
                ('old', 'old'), ('unknown', 'unknown')):
            self.assertEqual(set(wanted.split()), self.layer.closure(
                roots.split(), self.TABLE), roots)

    def test_what_the_image_has_does_for_what_came_later(self):
        table = (
            'ii \tbase-files\t\tawk, \n'
            'ii \tmawk\tawk\tlibc6 (>= 2.34), \n'
            'ii \tgawk\tawk\tlibc6 (>= 2.34), libmpfr6 (>= 3.1.3)\n'
            'ii \tlibmpfr6\t\t, libc6 (>= 2.34)\n'
            'ii \tlibc6\t\t, \n'
            'ii \tserver\t\t, gawk, mail:any (>= 2) | nullmailer\n'
            'ii \tnullmailer\tmail\t, \n')
        late = 'gawk libmpfr6 server nullmailer'
        for roots, brought, wanted in (
                ('base-files', late, 'base-files mawk libc6'),
                ('server', late, f'{late} libc6'),
                ('base-files', 'gawk mawk libmpfr6',
                 'base-files gawk libmpfr6 libc6'),
                ('base-files mawk', 'gawk mawk libmpfr6',
                 'base-files mawk libc6')):
            self.assertEqual(set(wanted.split()), self.layer.closure(
                roots.split(), table, set(brought.split())), (roots, brought))

    def test_this_machine(self):
        """Nothing that apt depends on may be taken to be free."""
        if not shutil.which('dpkg-query'):
            self.skipTest('no Debian machine')
        needed = self.layer.needed(['apt'])
        self.assertLess({'apt', 'libc6', 'gpgv'}, needed)


class LayerUnitsTest(unittest.TestCase):
    """A service is as it was before the layer came."""

    def test_taken_down(self):
        layer = module(ROOT / 'elements/library/hpc_layer.py')
        for before, now, wanted in (
                ((), ('active', 'enabled'), ['disable x --now']),
                ((), ('active', 'static'), ['disable x --now']),
                ((), ('failed', 'enabled'), ['disable x --now']),
                ((), ('inactive', 'disabled'), []),
                (['active', 'enabled'], ('active', 'enabled'), []),
                (['active'], ('active', 'enabled'), ['disable x']),
                (['active'], ('active', 'static'), []),
                (['enabled'], ('active', 'enabled'), ['stop x']),
                (['enabled'], ('inactive', 'enabled'), [])):
            with self.subTest(before=before, now=now):
                told = []

                def run(*words, told=told, **_):
                    if words[1] == '-q':
                        told.append(' '.join(
                            [words[2], words[-1], *words[3:-1]]))

                with mock.patch.object(layer, 'run', run), \
                        mock.patch.object(layer, 'unit_states', autospec=True,
                                          return_value={'x': now}):
                    layer.Units().take_down(['x'], {'x': before})
                self.assertEqual(wanted, told)


class LayerFilesTest(unittest.TestCase):
    """Whatever was there before can be had again."""

    def setUp(self):
        self.layer = module(ROOT / 'elements/library/hpc_layer.py')
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.folder = pathlib.Path(work.name)
        self.node = {'parents': []}

    def wanted(self, path, text):
        stat = self.folder.stat()
        return {'content': self.layer.base64.b64encode(text).decode(),
                'mode': 0o640, 'uid': stat.st_uid, 'gid': stat.st_gid}

    def test_there_and_back(self):
        file, link = self.folder / 'file', self.folder / 'link'
        file.write_bytes(b'before \xff')
        link.symlink_to('nowhere')
        for path in (file, link, self.folder / 'deep' / 'er' / 'new'):
            before = self.layer.snapshot(path)
            wanted = self.wanted(path, b'ours')
            self.assertTrue(self.layer.put(path, wanted, self.node))
            self.assertFalse(self.layer.put(path, wanted, self.node))
            self.assertEqual(b'ours', path.read_bytes())
            self.assertTrue(self.layer.put(path, before, self.node))
            self.assertEqual(before, self.layer.snapshot(path))
        self.layer.tidy(self.node)
        self.assertEqual({file, link}, set(self.folder.iterdir()))

    def test_what_is_first_stays_what_somebody_made_of_it(self):
        path = self.folder / 'shared.conf'
        said = {'path': str(path), 'first': '# nothing yet\n'}
        self.put(said)
        self.assertEqual('# nothing yet\n', path.read_text())
        path.write_text('more\n')
        self.put(said)
        self.assertEqual('more\n', path.read_text())

    def put(self, said):
        with mock.patch.object(self.layer.os, 'chown', autospec=True):
            self.layer.put(pathlib.Path(said['path']),
                           self.layer.wanted_file(said), self.node)

    def test_an_account_stays_while_a_package_makes_it_too(self):
        self.layer.SCRIPTS = self.folder
        (self.folder / 'one.postinst').write_text(
            'adduser --system --group _apt-thing\n')
        (self.folder / 'two.postinst').write_text(
            'adduser --system prometheus\n')
        (self.folder / 'three.postinst').write_text('echo mysql\n')
        (self.folder / 'four.postrm').write_text('adduser munge\n')
        self.assertEqual(
            [True, False, False, False], [self.layer.used(name) for name in (
                'prometheus', 'apt', 'mysql', 'munge')])

    def test_a_folder_goes_with_the_last_file_of_ours(self):
        def run(*files):
            made = mock.Mock(params={
                'layer': 'one', 'state': 'present', 'packages': [],
                'archives': [], 'directories': [], 'units': [], 'litter': [],
                'files': [{'path': str(self.folder / file), 'content': '',
                           'owner': 'root', 'group': 'root'}
                          for file in files]})
            with mock.patch.multiple(
                    self.layer, LAYERS=self.folder / 'kept/layers',
                    HOME=self.folder / 'kept',
                    NODE=self.folder / 'kept/node.json',
                    AnsibleModule=mock.Mock(return_value=made)):
                self.layer.main()
            return made.exit_json.call_args.kwargs['changed']

        with mock.patch.object(self.layer.os, 'chown', autospec=True):
            self.assertTrue(run('deep/er/a', 'deep/b'))
            self.assertTrue(run('deep/b'))
            self.assertEqual([self.folder / 'deep/b'],
                             list((self.folder / 'deep').iterdir()))
            self.assertTrue(run())
        self.assertFalse((self.folder / 'deep').exists())

    def test_a_folder_that_is_somebody_elses_by_now(self):
        path = self.folder / 'shared' / 'ours'
        self.layer.put(path, self.wanted(path, b''), self.node)
        self.layer.put(path, None, self.node)
        (self.folder / 'theirs').mkdir()
        (self.folder / 'shared').rmdir()
        (self.folder / 'shared').symlink_to('theirs')
        self.layer.tidy(self.node)
        self.assertTrue((self.folder / 'shared').is_symlink())
        self.assertEqual([], self.node['parents'])

    def test_folders_of_others_stay_when_they_are_in_use(self):
        path = self.folder / 'shared' / 'ours'
        self.layer.put(path, self.wanted(path, b''), self.node)
        (self.folder / 'shared' / 'theirs').touch()
        self.layer.put(path, None, self.node)
        self.layer.tidy(self.node)
        self.assertTrue((self.folder / 'shared' / 'theirs').exists())
        self.assertEqual([str(self.folder / 'shared')], self.node['parents'])
