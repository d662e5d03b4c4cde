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


"""What a repair fails with, and what it was to mend."""

import unittest

from hpcdirect.conductor import check
from hpcdirect.db import models


class RepairTest(unittest.TestCase):

    def run_of(self, verb, *nodes):
        return models.Run(verb=verb, failures=[
            {'element': 'slurm', 'node': node, 'message': f'{verb} {node}'}
            for node in nodes])

    def failed(self, *runs):
        return [one['message'] for one in check.of_repair(runs)]

    def test_what_the_first_look_finds_is_to_be_mended(self):
        self.assertEqual([], self.failed(
            self.run_of('verify', 'a', 'b'), self.run_of('verify', 'c')))

    def test_what_is_amiss_after_that(self):
        self.assertEqual(['verify b'], self.failed(
            self.run_of('verify', 'a', 'b'), self.run_of('verify', 'b')))

    def test_what_cannot_be_put_on(self):
        self.assertEqual(['apply a'], self.failed(
            self.run_of('verify', 'a'), self.run_of('apply', 'a')))

    def test_a_run_that_says_nothing(self):
        self.assertEqual([], self.failed(models.Run(verb='verify')))
