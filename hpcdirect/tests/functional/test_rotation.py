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

"""Keys are replaced on a site that is at work, as the guide says.

And what a conductor cannot judge, for want of a key, of a scheme or of what
was ordered, it leaves to one that can.
"""

import pathlib
import re
import shutil
import subprocess
import textwrap

import fixtures
import sqlalchemy as sa
import testtools

from hpcdirect.db import models
from hpcdirect.keys import KeyRing
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service
from hpcdirect.tests.functional import site
from hpcdirect.tests.functional import soak
from hpcdirect.tests.functional import test_secrets
from hpcdirect.tests.functional import test_trust

GUIDE = service.ROOT / 'doc/source/admin/install.rst'
#: A conductor of a release that knows one scheme of signatures more.
LATER = """
from hpcdirect.keys import KeyRing

def known(signature):
    return '2' + signature[1:] if signature.startswith('3.') else signature

judge, strange = KeyRing.judge, KeyRing.strange
KeyRing.judge = lambda self, part, made: judge(self, part, known(made))
KeyRing.strange = lambda self, made: strange(self, known(made))
""" + service.program('conductor')


def recipe():
    """The commands of the guide's steps, in their order."""
    section = re.search(r'^Replace the keys\n-+\n(.*?)^\S[^\n]*\n-+$',
                        GUIDE.read_text(), re.M | re.S)[1]
    return [textwrap.dedent(block).strip() for block in re.findall(
        r'::\n\n((?: +\S.*\n)+)', section)]


class Case(testtools.TestCase):

    def setUp(self):
        super().setUp()
        if not mariadb.available():
            self.skipTest('MariaDB is not installed')
        self.blueprints = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        shutil.copytree(test_trust.TINY, self.blueprints, dirs_exist_ok=True)
        element = self.blueprints / 'elements/mark/element.yaml'
        element.write_text(element.read_text() + 'runner: fake\n')
        test_secrets.write(self.blueprints, 'fake')
        self.site = self.useFixture(site.Site((self.blueprints,)))
        self.engine = sa.create_engine(self.site.connection,
                                       poolclass=sa.NullPool)
        self.addCleanup(self.engine.dispose)

    def patch(self, name, **body):
        answer = self.site.call('PATCH', f'/v1/clusters/{name}', body)
        self.assertEqual(202, answer.status, answer.text)
        self.settled(name)

    def settled(self, name, status='ACTIVE'):
        cluster = self.site.settled(name)
        self.assertEqual((status, ''), (cluster['status'],
                                        cluster['status_reason']))
        return cluster


class Rotation(Case):
    """One deployment goes on all the time.

    :cvar names: what runs, and is restarted in this order.
    """

    def step(self, number, commands):
        """One step of the guide: a command, and a restart of each."""
        command = commands[number].replace(
            '/var/lib/hpcdirect', str(self.site.folder))
        subprocess.run(['sh', '-ec', command], check=True)
        for name in self.names:
            self.site.restart(name)
            self.work(f'word-of-{number}-{name}')

    def work(self, word):
        """Something is changed, and what was sealed before is read."""
        self.patch('quick', parameters={'plain': word})

    def on_a_site_at_work(self):
        commands = recipe()
        self.assertEqual(4, len(commands))
        old = self.site.keys.read_text().strip()
        self.site.run(*self.names)
        given = {'word': 'a-word-of-people', 'plain': 'x'}
        self.site.create('quick', 'cage', **given)
        self.settled('quick')
        self.site.create('slow', 'tiny', count=1, delay=3600)
        self.building()
        self.step(0, commands)
        self.step(1, commands)
        new, below = self.site.keys.read_text().split()
        self.assertEqual(old, below)
        self.assertEqual('hpcdirect-manage reseal', commands[2])
        code, said = self.site.manage('reseal')
        self.assertEqual(0, code, said)
        for what in ('secrets', 'deployments', 'layers', 'boxes'):
            self.assertRegex(said, f'{what}: [1-9][0-9]* made anew')
        code, said = self.site.manage('reseal')
        self.assertEqual(0, code, said)
        self.assertNotRegex(said, '[1-9][0-9]* (made anew|left)')
        self.step(3, commands)
        self.assertEqual([new], self.site.keys.read_text().split())
        self.assertEqual(0o600, self.site.keys.stat().st_mode & 0o777)
        self.over(given)

    def building(self):
        """Wait until the machine is being made: work is under way."""
        local_bed.wait_for(lambda: 'BUILDING' in [
            node['status'] for node in self.site.get(
                '/v1/clusters/slow/nodes')['nodes']], why=self.site.log)

    def over(self, given):
        """It all goes on to a good end, and nothing was ever refused."""
        fakes.come(self.site.folder)
        cluster = self.settled('slow')
        deployment, = self.site.get(
            f'/v1/deployments?cluster={cluster["id"]}')['deployments']
        self.assertEqual('SUCCEEDED', deployment['status'])
        # The same secret is no change, and an old generation is no forgery.
        answer = self.site.call('PATCH', '/v1/clusters/quick', {
            'parameters': {'word': given['word']}})
        self.assertEqual(200, answer.status, answer.text)
        self.patch('quick', generation=1)
        with self.engine.connect() as connection:
            self.assertEqual([], connection.execute(sa.select(
                models.Event.message).where(
                    models.Event.level != 'info')).all())
        for name in ('quick', 'slow'):
            self.site.call('DELETE', f'/v1/clusters/{name}')
            self.assertIsNone(self.site.settled(name))


@soak.only
class RotationTest(Rotation):
    """An API and two conductors."""

    names = ('api', 'one', 'two')
    test_at_work = Rotation.on_a_site_at_work


class ShortTest(Rotation):
    """One conductor, and work only when a step is over."""

    names = ('api', 'one')
    test_at_work = Rotation.on_a_site_at_work

    def work(self, word):
        if word.endswith(self.names[-1]):
            super().work(word)


class StrangerTest(Case):
    """Two conductors, one of which cannot do what is asked for."""

    def left(self, words):
        """The first has looked, and says why it is none of its business."""
        local_bed.wait_for(lambda: words in self.reason(),
                           why=self.site.log)
        self.assertIn('The work waits for a conductor that can do it',
                      self.reason())
        self.assertEqual({}, fakes.machines(self.site.folder))

    def reason(self):
        return self.site.get('/v1/clusters/demo')['status_reason']

    def order(self):
        self.site.run('api')
        self.site.create('demo', 'tiny', count=1)

    def done(self):
        self.assertEqual(1, self.settled('demo')['generation'])
        with self.engine.connect() as connection:
            self.assertEqual(['SUCCEEDED'], connection.scalars(sa.select(
                models.Deployment.status)).all())

    def test_a_key_that_one_does_not_have(self):
        other = self.site.folder / 'other-keys'
        KeyRing.load_or_create(str(other))
        self.site.configure('stranger', key_file=other)
        self.order()
        self.site.run('stranger')
        self.left('which the key file here does not have')
        self.site.run('friend')
        self.done()

    def test_a_scheme_that_one_does_not_know(self):
        self.order()
        with self.engine.begin() as connection:
            connection.execute(sa.update(models.Deployment.__table__).values(
                signature=sa.func.concat('3', sa.func.substr(
                    models.Deployment.signature, 2))))
        self.site.run('stranger')
        self.left('it is signed in a way not known here ("3")')
        self.site.run('friend', program=LATER)
        self.done()

    def test_a_catalogue_that_is_another_one(self):
        """As while one machine after another gets the next release."""
        other = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        shutil.copytree(self.blueprints, other, dirs_exist_ok=True)
        playbook = other / 'elements/mark/apply.yaml'
        playbook.write_text(playbook.read_text().replace('mark', 'stain'))
        self.site.configure('stranger', directories=other)
        self.order()
        self.site.run('stranger')
        self.left('blueprint tiny@1.0.0 is not what it was')
        self.site.run('friend')
        self.done()
