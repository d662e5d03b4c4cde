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

"""Tests that take minutes: all of them in a soak, some of them each day.

What never runs in CI is found broken when it is needed. So those that take
less than five minutes run there by turns.
"""

import os
import time
import unittest

#: Whether all are wanted: tox -e soak.
SOAK = bool(os.environ.get('HPCDIRECT_SOAK'))
#: Which run together, a day each, by the day of the year. At most one of a
#: day is in test_elements, which one worker has (tools/workers.yaml).
DAYS = (('groups', 'mpi'), ('users', 'genomics'), ('molecular-dynamics',),
        ('changes', 'engineering'), ('program', 'metrics'))

_SAID = os.environ.get('HPCDIRECT_TURN')
TODAY = (_SAID,) if _SAID else DAYS[time.gmtime().tm_yday % len(DAYS)]

#: Decorates a test that runs in a soak only.
only = unittest.skipUnless(SOAK, 'takes minutes: tox -e soak')


def in_turn(name):
    """Decorate a test that runs in a soak, and on its day."""
    if not any(name in those for those in DAYS):
        raise ValueError(f'{name} has no day')
    return unittest.skipUnless(
        SOAK or name in TODAY, f'today it is {" and ".join(TODAY)}; '
        f'HPCDIRECT_TURN={name} runs it')
