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

"""What is wanted of a cluster, as those remember it who carry it out.

A wish that was signed once stays signed: whoever can write into the database
can put all rows of an older one back. Nodes and backends keep the newest wish
that they have seen, outside the database, and an older one is not carried out
there again.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Wish:
    """Names what was wanted at one generation.

    :param generation: 0 when nobody's wish is meant.
    :param digest: stands for what was wanted, however it is sealed; any
        short word without a blank.
    """

    generation: int = 0
    digest: str = ''

    def __str__(self) -> str:
        return f'{self.generation}-{self.digest}' if self.generation else ''

    @classmethod
    def read(cls, text: str) -> Wish:
        """What str() made of one; nobody's wish when it is nothing of ours."""
        generation, _, digest = text.partition('-')
        return cls(int(generation), digest) if generation.isdecimal() \
            else cls()

    def replays(self, newest: Wish) -> bool:
        """Whether something newer, or something else, was seen already.

        A generation is wanted once: another one of the same number was made
        from rows that had been put back.
        """
        return self.generation < newest.generation or (
            self.generation == newest.generation
            and self.digest != newest.digest)


#: Of what is done for no wish.
NOBODYS = Wish()
