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

"""A database of a commit of this repository, as test data.

    make.py COMMIT [--place PLACE]

Has that commit's own service make clusters in every status (fill.py), and
keeps what it left in a folder beside this file that is named by the commit:
``database.sql``, ``keys`` and ``machines.json``; the README tells of them.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def git(*arguments):
    """What git says about this repository, as bytes."""
    return subprocess.run(['git', *arguments], cwd=HERE, check=True,
                          stdout=subprocess.PIPE).stdout


def make(commit, place):
    """Make the test data of a commit; its folder.

    :param place: the commit's failpoint between the commit to the database
        of what was asked for, and telling a conductor of it.
    """
    name = git('rev-parse', '--short=7', commit).decode().strip()
    into = HERE / name
    into.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='hd-') as tree:
        top = git('rev-parse', '--show-toplevel').decode().strip()
        subprocess.run(['tar', '-x', '-C', tree], check=True,
                       input=git('-C', top, 'archive', commit))
        subprocess.run([sys.executable, HERE / 'fill.py', into, place],
                       cwd=tree, check=True,
                       env={**os.environ, 'PYTHONPATH': tree})
    return into


def main():
    """Do as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('commit')
    parser.add_argument('--place', default='rpc.cast/before',
                        help='where that commit dies at last '
                        '(%(default)s; see its failpoints.py)')
    given = parser.parse_args()
    print(make(given.commit, given.place))


if __name__ == '__main__':
    main()
