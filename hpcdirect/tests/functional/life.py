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

"""The life of a cluster, as far as a matrix of faults goes through it.

It is lived once without any fault. Before each stage, as soon as what is to
be done has been accepted, everything is copied: whatever happens to a
conductor can be tried there again and again.
"""

import contextlib
import dataclasses
import datetime

from hpcdirect.db import models
from hpcdirect.tests.functional import conductors
from hpcdirect.tests.functional import fakes
from hpcdirect.tests.functional import history
from hpcdirect.tests.functional import test_waves

PATH = '/v1/clusters/demo'
AGAIN = f'{PATH}/deployments'
DAY = 86400.0


@dataclasses.dataclass(frozen=True)
class Stage:
    """One thing that a conductor is to do.

    :param name: what it is called.
    :param request: what is asked for; None when nobody asks.
    :param status: of the cluster, at its end.
    :param before: what happens to it before that; see :class:`Life`.
    :param options: of the conductors.
    :param whole: whether all layers are as they are recorded at its end.
    """

    name: str
    request: tuple | None
    status: str = 'ACTIVE'
    before: str = ''
    options: dict = dataclasses.field(default_factory=dict)
    whole: bool = True

    @property
    def retry(self):
        """What is asked for when it failed, as it was told to."""
        return ('DELETE', PATH, None) if self.status == 'DELETED' else (
            'POST', AGAIN, {'operation': 'retry'})


def patch(**body):
    return 'PATCH', PATH, body


def again(operation):
    return 'POST', AGAIN, {'operation': operation}


#: In order.
STAGES = (
    Stage('create', ('POST', '/v1/clusters', {
        'name': 'demo', 'blueprint': 'waves', 'parameters': {'count': 2}})),
    Stage('change', patch(parameters={'value': 2})),
    Stage('reapply', patch(parameters={'kind': 2})),
    Stage('grow', patch(parameters={'count': 3})),
    Stage('shrink', patch(parameters={'count': 2})),
    Stage('take off', patch(elements={'cap': None})),
    Stage('put on', patch(elements={'cap': {}})),
    Stage('halt', patch(parameters={'value': 3, 'fake_fail': ['worker-1']}),
          'ERROR'),
    Stage('mend', patch(parameters={'fake_fail': []})),
    Stage('cancel', again('cancel'), 'ERROR', 'interrupted', whole=False),
    Stage('retry', again('retry')),
    Stage('check', again('check')),
    Stage('watch', None, 'DEGRADED', 'machine lost',
          options={'watch_interval': 0.1}),
    Stage('repair', again('repair')),
    Stage('expire', None, 'DELETED', 'lent',
          options={'ahead': 2 * DAY}),
    Stage('delete', ('DELETE', PATH, None), 'DELETED', 'repaired'),
)


class Life:
    """Lives it.

    :param launcher: starts processes.
    :param site: an empty folder.
    :ivar copies: stage -> what there was when it began.
    :ivar asked: stage -> what there was when it was asked for.
    :ivar places: stage -> where a conductor came by.
    """

    def __init__(self, launcher, site):
        self._launcher = launcher
        self._site = site
        self.copies, self.asked, self.places = {}, {}, {}

    def live(self):
        """All of it."""
        test_waves.write(self._site.content)
        self._site.make()
        for stage in STAGES:
            with self._at(stage) as one:
                self._before(one, stage)
                self.asked[stage.name] = self._copied(f'{stage.name} asked')
                if stage.request:
                    one.ask(*stage.request)
                self.copies[stage.name] = self._copied(stage.name)
                one.start('log')
                if one.settled(stage.status, 'ERROR') != stage.status:
                    raise AssertionError(f'{stage.name}:\n{one.told()}')
                one.check(stage.whole)
                self.places[stage.name] = one.places()
            if stage.name == 'repair':
                self._repaired = self._copied('repaired')

    @contextlib.contextmanager
    def _at(self, stage):
        if stage.before == 'repaired':
            self._site = self._repaired
        one = history.History(self._launcher, self._site, **stage.options)
        try:
            yield one
        finally:
            one.kill()

    def _copied(self, name):
        return self._site.copy(self._site.content / name)

    def _before(self, one, stage):
        """What happens although nobody asked for it."""
        if stage.before == 'interrupted':
            one.ask(*patch(parameters={'value': 4}))
            process = one.start('in-batch')
            conductors.wait(lambda: not process.alive, 'it to be killed')
        elif stage.before == 'machine lost':
            fakes.change(one.folder, lambda clusters: [
                machines.pop('worker-1') for machines in clusters.values()])
        elif stage.before == 'lent':
            end = models.now() + datetime.timedelta(seconds=DAY)
            one.ask(*patch(expires_at=f'{end.isoformat()}Z'))
