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

"""A site: an API and conductors as processes of their own, over MariaDB.

They are the programs that operators start. All have one state folder; each
may have a configuration of its own. Conductors find work in the database.
"""

import contextlib
import subprocess
import sys
import urllib.request

from hpcdirect.db import migration
from hpcdirect.keys import KeyRing
from hpcdirect.tests.functional import databases
from hpcdirect.tests.functional import local_bed
from hpcdirect.tests.functional import mariadb
from hpcdirect.tests.functional import service


class Site(service.Service):
    """``call()`` and all that follows from it ask the API."""

    def __init__(self, directories):
        super().__init__(runner='fake', directories=directories)
        self.processes = {}

    def _setUp(self):
        self.connection = self.useFixture(mariadb.MariaDB()).url
        migration.upgrade(databases.configuration(self.connection))
        self.options = {'database': {'connection': self.connection}}
        super()._setUp()
        self.keys = self.folder / 'keys'
        KeyRing.load_or_create(str(self.keys))

    def configure(self, name, **values):
        """Give a process other values of options that are there."""
        lines = (self.folder / 'hpcdirect.conf').read_text().splitlines()
        (self.folder / f'{name}.conf').write_text('\n'.join(
            next((f'{option} = {value}' for option, value in values.items()
                  if line.startswith(f'{option} = ')), line)
            for line in lines))

    def run(self, *names, program=None):
        """Start processes: ``api``, and conductors of any other name.

        :param program: its text; what operators start without one.
        """
        for name in names:
            own = self.folder / f'{name}.conf'
            with (self.folder / 'output').open('ab') as output:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, '-c', program or service.program(
                        'api' if name == 'api' else 'conductor'),
                     '--config-file', str(
                         own if own.exists()
                         else self.folder / 'hpcdirect.conf')],
                    stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, start_new_session=True)
            if name == 'api':
                local_bed.wait_for(self._answers, why=self.log)

    def _answers(self):
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f'{self.url}/healthcheck',
                                          timeout=2)

    def end(self, name):
        """SIGTERM; it ends by itself."""
        process = self.processes.pop(name)
        process.terminate()
        try:
            code = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code:
            raise AssertionError(f'{name} ended with {code}:\n{self.log()}')

    def restart(self, name):
        """As an operator does it."""
        self.end(name)
        self.run(name)

    def stop(self):
        """End what runs still."""
        for name in list(self.processes):
            self.end(name)
