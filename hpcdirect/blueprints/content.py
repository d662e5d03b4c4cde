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


"""What a folder of files means, in one digest.

A change that means nothing changes no digest: white space, comments and the
order of keys in YAML, and what is there for people to read only. All else
counts byte by byte.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import fnmatch
import hashlib
import json
import os
import pathlib
import re

import yaml

from hpcdirect.blueprints.document import UNREADABLE
from hpcdirect.blueprints.document import SafeLoader
from hpcdirect.jsontypes import JSON

#: The folder in which Ansible looks for modules, beside a playbook.
MODULES = 'library'
#: What editors and version control leave behind; no part of the content.
IGNORED = ('.git', '__pycache__', '*.pyc', '*~', '.*.sw?', '#*#', '.#*',
            '*.bak', '*.orig', '*.rej', '*.retry', '.DS_Store')
#: For people.
_READ = ('README', 'README.*', 'LICENSE', 'CHANGELOG', 'CHANGELOG.*',
         'icon.svg')
_YAML = ('.yaml', '.yml')
#: What can be the name of a module.
_WORD = re.compile(rb'\w+')
#: Larger ones are no playbooks.
_MOST_BYTES = 1 << 20


def digest(folder: pathlib.Path, without: Collection[str] = ()) -> str:
    """sha256 of the name and the meaning of every file that counts.

    :param without: files of it that do not count.
    """
    return total({name: meaning(file) for name, file in files(folder).items()
                  if name not in without})


def total(meanings: Mapping[str, bytes]) -> str:
    """sha256 of files.

    :param meanings: name -> the bytes that stand for the file.
    """
    found = hashlib.sha256()
    for name, content in sorted(meanings.items()):
        found.update(f'{name}\0{len(content)}\0'.encode())
        found.update(content)
    return found.hexdigest()


def files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """What a folder is made of: path below it -> where the file lies.

    To an element belong those Ansible modules of ``library/`` beside its
    folder that it names, as if they were in its own ``library/``. A file of
    the same path in its own folder goes first.
    """
    own = dict(_below(folder))
    if 'element.yaml' not in own:
        return own
    beside = dict(_below(folder.resolve().parent / MODULES))
    return {f'{MODULES}/{name}': beside[name]
            for name in _named(own.values(), beside)} | own


def _named(files: Iterable[pathlib.Path], modules: Mapping[str, pathlib.Path]
           ) -> set[str]:
    """Those modules that files name, or that such a module names itself.

    A module is named by the word that its file is called. What is named for
    another reason counts as well: too much makes a digest change too often,
    too little would have a change go unseen.
    """
    found: set[str] = set()
    left = [*files]
    while left and len(found) < len(modules):
        file = left.pop()
        if file.stat().st_size > _MOST_BYTES:
            continue
        words = set(_WORD.findall(file.read_bytes()))
        more = {name for name, module in modules.items()
                if module.stem.encode() in words} - found
        found |= more
        left += (modules[name] for name in more)
    return found


def _below(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """The files of a folder that count."""
    def kept(name: str) -> bool:
        return not any(fnmatch.fnmatch(name, one) for one in IGNORED)

    for top, folders, names in os.walk(folder):
        folders[:] = filter(kept, folders)
        for name in filter(kept, names):
            file = pathlib.Path(top, name)
            read = top == str(folder) and any(
                fnmatch.fnmatch(name, one) for one in _READ)
            if file.is_file() and not read:
                yield file.relative_to(folder).as_posix(), file


def meaning(file: pathlib.Path) -> bytes:
    """The bytes that stand for a file: of YAML, what it says."""
    content = file.read_bytes()
    if file.suffix not in _YAML or len(content) > _MOST_BYTES:
        return content
    try:
        said = list(yaml.load_all(content, _Loader))
        if file.name == 'element.yaml':
            # Nothing on a node depends on it: layers that stand stay as they
            # are when it comes.
            for one in said:
                if isinstance(one, dict):
                    one.pop('system_accounts', None)
        return spoken(*said)
    except UNREADABLE:
        # Ansible may read what we do not: then every byte counts.
        return content


def spoken(*said: JSON) -> bytes:
    """The bytes that stand for a YAML file that says just that."""
    return json.dumps(said, sort_keys=True).encode()


class _Loader(SafeLoader):
    """Safe, and it does not stumble over Ansible's own tags.

    Dates stay text, or they could not be told from text that looks alike.
    """


def _tagged(loader: yaml.constructor.SafeConstructor, tag: str,
            node: yaml.Node) -> list[object]:
    said: object = None
    if isinstance(node, yaml.MappingNode):
        said = loader.construct_mapping(node, True)
    elif isinstance(node, yaml.SequenceNode):
        said = loader.construct_sequence(node, True)
    elif isinstance(node, yaml.ScalarNode):
        said = loader.construct_scalar(node)
    return [f'!{tag}', said]


_Loader.add_multi_constructor('!', _tagged)
_Loader.add_constructor('tag:yaml.org,2002:timestamp',
                        lambda loader, node: str(node.value))
