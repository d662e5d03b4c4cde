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

"""A browser on the portal that tools/ui.sh or openstack.sh has started.

Each person logs in once; each test gets a window of its own. Of one that
fails, and of each journey, the trace stays with the pictures
(``playwright show-trace``); of a journey a video as well.
"""

import atexit
import functools
import json
import os
import pathlib
import shutil
import sys
import tempfile
import uuid

from keystoneauth1 import session
from keystoneauth1.identity import v3
import openstack
import playwright
from playwright import sync_api
import testtools

from hpcdirect.client import proxy

PORTAL = os.environ.get('HPCDIRECT_UI_PORTAL', '')
#: The same in our dark theme.
DARK = os.environ.get('HPCDIRECT_UI_DARK', '')
KEYSTONE = os.environ.get('HPCDIRECT_UI_KEYSTONE', '')
PICTURES = pathlib.Path(os.environ.get('HPCDIRECT_UI_PICTURES', '.ui'))
# A machine that has other things to do takes its time.
sync_api.expect.set_options(timeout=30_000)

#: Person -> project; "admin" is the cloud's.
PEOPLE = {'alice': 'lab', 'carol': 'lab', 'bob': 'other', 'admin': 'admin'}
_STATE = pathlib.Path(os.environ.get('HPCDIRECT_UI_STATE', '.'))
#: A JSON object; everybody's password or, by name, that of each.
_PASSWORDS = pathlib.Path(os.environ.get(
    'HPCDIRECT_UI_PASSWORDS', _STATE / 'people.json'))
#: Buttons and links that readers would be refused.
_WRITES = ('Launch', 'Launch a cluster', 'Check', 'Repair', 'Cancel',
           'Try again', 'Tear down …', 'Add …', 'Take off …', 'Roll back …',
           'Let nobody in …', 'Replace …', 'See what it would do …',
           'Keep this', 'Launch another', 'Launch it again')
# Chromium asks its maker's hosts for this and that, unless it is told not to.
_ARGUMENTS = [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync']


@functools.cache
def password(person):
    """Of a person."""
    told = json.loads(_PASSWORDS.read_text())
    return told.get('password') or told[person]


def _folder(what):
    """For as long as this process lives."""
    folder = tempfile.TemporaryDirectory(prefix=f'hpcdirect-{what}-')
    atexit.register(folder.cleanup)
    return folder.name


def _find_ffmpeg():
    """Have Playwright make its videos with the distribution's ffmpeg.

    It looks for a build of its makers' where only they would put it.
    """
    told = json.loads((pathlib.Path(playwright.__file__).parent / (
        'driver/package/browsers.json')).read_text())
    revision = next(one['revision'] for one in told['browsers']
                    if one['name'] == 'ffmpeg')
    folder = pathlib.Path(_folder('ffmpeg'))
    (folder / f'ffmpeg-{revision}').mkdir()
    (folder / f'ffmpeg-{revision}' / 'ffmpeg-linux').symlink_to(
        shutil.which('ffmpeg') or '/usr/bin/ffmpeg')
    os.environ['PLAYWRIGHT_BROWSERS_PATH'] = str(folder)


@functools.cache
def browser():
    """The one browser of this process."""
    _find_ffmpeg()
    driver = sync_api.sync_playwright().start()
    found = driver.chromium.launch(
        executable_path=os.environ.get('CHROMIUM', '/usr/bin/chromium'),
        args=_ARGUMENTS)
    atexit.register(driver.stop)
    atexit.register(found.close)
    return found


@functools.cache
def logged_in(person):
    """The cookies of who has come in by Horizon's own form."""
    context = browser().new_context()
    page = context.new_page()
    page.goto(f'{PORTAL}/auth/login/')
    page.fill('#id_username', person)
    page.fill('#id_password', password(person))
    page.click('#loginBtn')
    page.wait_for_selector('#sidebar-accordion, #content_body')
    state = context.storage_state()
    context.close()
    return state


@functools.cache
def service(person):
    """The service, as that person's scripts use it."""
    auth = v3.Password(
        KEYSTONE, username=person, password=password(person),
        project_name=PEOPLE[person], user_domain_id='default',
        project_domain_id='default')
    return proxy.attach(openstack.connection.Connection(
        session=session.Session(auth=auth)))


def service_log():
    """What the service writes, a line for each request among it."""
    return _STATE / 'hpcdirect.log'


@functools.cache
def _home():
    """Where the commands of people keep what they keep."""
    return _folder('home')


def environment(person):
    """What the shell of that person knows."""
    return {
        'PATH': f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}',
        'OS_AUTH_URL': KEYSTONE, 'OS_USERNAME': person,
        'OS_PASSWORD': password(person), 'OS_PROJECT_NAME': PEOPLE[person],
        'OS_USER_DOMAIN_ID': 'default', 'OS_PROJECT_DOMAIN_ID': 'default',
        'OS_IDENTITY_API_VERSION': '3', 'HOME': _home()}


class UiTest(testtools.TestCase):
    """Pages in a real browser, on the real service.

    What looks at one cluster keeps it as ``made``, and its window as ``page``.
    """

    #: Seconds that anything asked of the service may take.
    patience = 30
    #: Whether it is kept as a video, and its trace though nothing failed.
    journey = False

    def setUp(self):
        if not PORTAL:
            self.skipTest('tools/ui.sh starts a portal')
        super().setUp()
        self.complaints = []

    def window(self, person, width=1280, portal=PORTAL, **options):
        """A page of somebody who is logged in, with nothing on it yet."""
        if self.journey:
            options['record_video_dir'] = _folder('video')
        context = browser().new_context(
            storage_state=logged_in(person), base_url=portal,
            viewport={'width': width, 'height': 900}, **options)
        context.tracing.start(screenshots=True, snapshots=True)
        page = context.new_page()
        self.addCleanup(self._close, page, f'{self.id()}.{person}')
        page.on('pageerror', lambda error: self.complaints.append(str(error)))
        page.on('dialog', lambda dialog: self.complaints.append(
            f'dialog: {dialog.message}'))
        return page

    def _close(self, page, name):
        kept = self.journey or not self._wasSuccessful()
        page.context.tracing.stop(**(
            {'path': PICTURES / f'{name}.trace.zip'} if kept else {}))
        page.context.close()
        if self.journey:
            page.video.save_as(PICTURES / f'{name}.webm')

    def _wasSuccessful(self):
        return not self.getDetails()

    def tearDown(self):
        super().tearDown()
        self.assertEqual([], self.complaints)

    def picture(self, page, name):
        """What is shown, for the guide and for who looks."""
        page.evaluate('window.scrollTo(0, 0)')
        page.screenshot(path=PICTURES / f'{name}.png', full_page=True)

    # -- one cluster and a window on it -----------------------------------

    def tab(self, name):
        """Open one of the cluster's pages."""
        self.page.goto(f'/project/hpc_clusters/{self.made.id}/{name}')

    def comes_to(self, word):
        """Wait until the head of the cluster's page says so."""
        sync_api.expect(self.page.locator('#hpc-head')).to_contain_text(
            word, timeout=self.patience * 1000)

    def agree(self, outcome='active'):
        """Do what the plan shows; the command that would do it."""
        command = self.page.locator('.hpc-command code').text_content()
        rows = self.page.locator('.hpc-plan-title').all_inner_texts()
        self.page.click('#hpc-apply')
        self.page.wait_for_url(f'**/hpc_clusters/{self.made.id}/')
        self.comes_to(outcome)
        # The rows that were shown are the rows that moved.
        sync_api.expect(self.page.locator('.hpc-plan-title')).to_have_text(
            rows)
        return command

    # -- all pages --------------------------------------------------------

    def paths(self, cluster):
        """All pages, some of them of a cluster: name -> path."""
        return {
            'overview': '/project/hpc/',
            'blueprints': '/project/hpc_blueprints/',
            'blueprint': '/project/hpc_blueprints/slurm/',
            'launch': '/project/hpc_blueprints/slurm/launch',
            'clusters': '/project/hpc_clusters/',
            'cluster': f'/project/hpc_clusters/{cluster.id}/',
            **{name: f'/project/hpc_clusters/{cluster.id}/{name}'
               for name in ('nodes', 'layers', 'users', 'monitoring',
                            'history', 'settings', 'delete')},
            'compare': f'/project/hpc_clusters/{cluster.id}/compare'
                       '?before=1&after=1'}

    def reads_all_and_is_offered_nothing(self, person, cluster):
        """Somebody sees all pages, and no button that would be refused."""
        page = self.window(person)
        for name, path in self.paths(cluster).items():
            answer = page.goto(path)
            self.assertEqual(200, answer.status, name)
            self.is_offered_nothing(page)
            self.picture(page, f'reader-{name}')

    def is_offered_nothing(self, page):
        """No button of a page is one that readers would be refused."""
        for word in _WRITES:
            for role in ('button', 'link'):
                sync_api.expect(page.locator('#content_body').get_by_role(
                    role, name=word, exact=True)).to_have_count(0)

    def name(self, stem='t', person='alice'):
        """A name for a cluster, which is gone after the test."""
        found = f'{stem}-{uuid.uuid4().hex[:8]}'
        self.addCleanup(self._gone, service(person), found)
        return found

    def cluster(self, person='alice', blueprint='single', stem='t', **wish):
        """A cluster that is being made; gone after the test."""
        return service(person).create_cluster(
            name=self.name(stem, person), blueprint=blueprint, **wish)

    def _gone(self, hpc, name):
        for cluster in hpc.clusters(name=name):
            if cluster.status != 'DELETING':
                hpc.delete_cluster(cluster.id)
