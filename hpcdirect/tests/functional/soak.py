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
less than five minutes run there by turns. On a machine that is too slow for
all the others (tools/test.sh says so), the longest of those do.
"""

import os
import time
import unittest

#: Whether all are wanted: tox -e soak.
SOAK = bool(os.environ.get('HPCDIRECT_SOAK'))
#: Whether the machine is slow.
SLOW = bool(os.environ.get('HPCDIRECT_SLOW'))
#: Which run together, a day each, by the day of the year. At most one of a
#: day is in test_elements, which one worker has (tools/workers.yaml).
DAYS = (('groups', 'mpi'), ('users', 'genomics'), ('molecular-dynamics',),
        ('changes', 'engineering'), ('program', 'metrics'))
#: The same for the longest of those that run each day, on a slow machine.
SLOW_DAYS = (('reversal',), ('slurm',), ('damage',), ('people', 'deploy'),
             ('failpoints',))

_SAID = os.environ.get('HPCDIRECT_TURN')
_DAY = time.gmtime().tm_yday
TODAY = (_SAID,) if _SAID else (
    SLOW_DAYS[_DAY % len(SLOW_DAYS)] if SLOW else DAYS[_DAY % len(DAYS)])

#: Decorates a test that runs in a soak only.
only = unittest.skipUnless(SOAK, 'takes minutes: tox -e soak')


def in_turn(name):
    """Decorate a test that runs in a soak, and on its day."""
    return _turn(name, DAYS, SOAK)


def unless_slow(name):
    """Decorate a long test, which has its day on a slow machine."""
    return _turn(name, SLOW_DAYS, SOAK or not SLOW)


def _turn(name, days, always):
    if not any(name in those for those in days):
        raise ValueError(f'{name} has no day')
    return unittest.skipUnless(
        always or name in TODAY, f'today it is {" and ".join(TODAY)}; '
        f'HPCDIRECT_TURN={name} runs it')
