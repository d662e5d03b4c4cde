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

"""What documents say is so, where a program can tell."""

import argparse
import contextlib
import importlib.metadata
import io
import pathlib
import re
import shlex

import sqlalchemy as sa
import testtools

from hpcdirect import states
from hpcdirect.blueprints import export
from hpcdirect.blueprints import validate
from hpcdirect.db import columns
from hpcdirect.db import models

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob('*.rst'), *ROOT.glob('doc/source/**/*.rst'),
                *ROOT.glob('elements/*/README.rst'),
                *ROOT.glob('blueprints/*/README.rst'),
                *ROOT.glob('blueprints/README.rst'),
                *ROOT.glob('elements/README.rst')])
#: Folders at the top whose files documents name.
TOP = {path.name for path in ROOT.iterdir() if path.is_dir()
       and not path.name.startswith('.')}


def parsers():
    """Words of a command -> its real parser."""
    found = {}
    for entry in importlib.metadata.entry_points(
            group='openstack.hpc_cluster.v1'):
        words = tuple(entry.name.split('_'))
        found[words] = entry.load()(None, None).get_parser(' '.join(words))
    return found


def commands(text):
    """The words of each "openstack ... hpc ..." of a page's examples."""
    for line in re.sub(r'\\\n\s*', ' ', text).splitlines():
        line = re.sub(r'^ +(\$ )?', '', line) if line[:1] == ' ' else ''
        if line.startswith('openstack ') and ' hpc ' in line \
                and ' hpc ...' not in line:
            line = re.split(r' [|>&] | $\(|;', line)[0]
            words = shlex.split(line, comments=True)
            yield words[words.index('hpc'):]


class DocumentsTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.parsers = parsers()

    def parser(self, words):
        """The parser of a command, and the words that are left for it."""
        for length in range(len(words), 1, -1):
            if tuple(words[:length]) in self.parsers:
                return self.parsers[tuple(words[:length])], words[length:]
        raise AssertionError(f'there is no command {" ".join(words)}')

    def test_commands_of_examples(self):
        wrong, number = [], 0
        for page in PAGES:
            for words in commands(page.read_text()):
                number += 1
                said = io.StringIO()
                try:
                    parser, rest = self.parser(words)
                    with contextlib.redirect_stderr(said):
                        parser.parse_args(rest)
                except (AssertionError, SystemExit, argparse.ArgumentError
                        ) as exc:
                    wrong.append(f'{page.relative_to(ROOT)}: '
                                 f'{" ".join(words)}: {said.getvalue()}{exc}')
        self.assertEqual([], wrong)
        self.assertGreater(number, 50)

    def test_commands_in_sentences(self):
        wrong, number = [], 0
        for page in PAGES:
            for said in re.findall(r'``((?:openstack )?hpc [^`]+)``',
                                   page.read_text()):
                number += 1
                words = said.replace('\n', ' ').split()
                words = words[words.index('hpc'):]
                if '...' in words:
                    continue
                known = {words[:length] == list(command[:length])
                         for command in self.parsers
                         for length in (len(command),)}
                if True not in known:
                    if not any(list(command[:len(words)]) == words
                               for command in self.parsers):
                        wrong.append(f'{page.relative_to(ROOT)}: {said}')
                    continue
                parser, rest = self.parser(words)
                wrong += [
                    f'{page.relative_to(ROOT)}: {said}' for word in rest
                    if word.startswith('--') and len(word) > 2
                    and word.partition('=')[0]
                    not in parser._option_string_actions]
        self.assertEqual([], wrong)
        self.assertGreater(number, 5)

    def test_files_that_are_named(self):
        wrong = []
        for page in PAGES:
            for name in re.findall(r'``([\w.-]+/[\w./-]*)``',
                                   page.read_text()):
                top = name.partition('/')[0]
                places = [ROOT, ROOT / 'hpcdirect', page.parent]
                if top in TOP and not any(
                        (place / name).exists() for place in places):
                    wrong.append(f'{page.relative_to(ROOT)}: {name}')
        self.assertEqual([], wrong)

    def test_links_to_pages(self):
        wrong = []
        labels = set()
        for page in PAGES:
            labels |= set(re.findall(r'^\.\. _([\w-]+):', page.read_text(),
                                     re.M))
        for page in PAGES:
            text = page.read_text()
            for kind, said in re.findall(r':(doc|ref):`([^`]+)`', text):
                target = re.sub(r'.*<(.*)>$', r'\1', said, flags=re.S)
                base = (ROOT / 'doc/source' if target.startswith('/')
                        else page.parent)
                if (kind == 'doc' and not (
                        base / f'{target.lstrip("/")}.rst').exists()) or (
                        kind == 'ref' and target not in labels):
                    wrong.append(f'{page.relative_to(ROOT)}: {said}')
        self.assertEqual([], wrong)

    def test_parameters_that_are_named(self):
        """Of an element or a blueprint, by its README: words with a "_"."""
        wrong = []
        for page in PAGES:
            folder = page.parent
            if folder.parent.name not in ('elements', 'blueprints'):
                continue
            self.assertEqual([], validate.validate_folder(folder))
            there = '\n'.join(
                file.read_text(errors='replace')
                for file in folder.rglob('*')
                if file.is_file() and file != page)
            if folder.parent.name == 'blueprints':  # and what it is made from
                there += export.plain(
                    validate.read_blueprint(folder).source.data)
            wrong += [f'{page.relative_to(ROOT)}: {name}' for name in
                      re.findall(r'``([a-z]+(?:_[a-z]+)+)``',
                                 page.read_text()) if name not in there]
        self.assertEqual([], wrong)

    def test_parameters_of_examples(self):
        """What stands behind --parameter is one of something shipped."""
        known = set()
        for kind in ('elements', 'blueprints'):
            for file in (ROOT / kind).glob(f'*/{kind[:-1]}.yaml'):
                known |= set(re.findall(r'^ +([a-z_0-9]+):', file.read_text(),
                                        re.M))
        wrong = [
            f'{page.relative_to(ROOT)}: {name}' for page in PAGES
            if 'author' not in page.parts  # tells of what one might write
            for name in re.findall(r'--parameter ([\w]+)=', page.read_text())
            if name not in known]
        self.assertEqual([], wrong)

    def test_states_and_tables(self):
        """Each word of a state, each table and each JSON column is told of."""
        page = (ROOT / 'doc/source/contributor/states.rst').read_text()
        words = {word.value for kind in (
            states.ClusterStatus, states.DeploymentStatus, states.WorkStatus,
            states.NodeStatus, states.LayerState) for word in kind}
        for table in models.Base.metadata.sorted_tables:
            words.add(table.name)
            words |= {f'{table.name}.{column.name}' for column in table.columns
                      if isinstance(column.type, (sa.JSON, columns.Desired))}
        # What has been reverted has no row.
        self.assertEqual({states.LayerState.REVERTED.value}, {
            word for word in words if word not in page})
