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


"""What every command that changes a cluster has in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any
from typing import ClassVar

from cliff import columns

from hpcdirect.client import errors
from hpcdirect.client import resources
from hpcdirect.client.osc import base
from hpcdirect.client.osc import differences
from hpcdirect.client.osc import progress

SHOWN = ('id', 'name', 'description', 'tags', 'protected', 'expires_at',
         'status', 'error', 'status_reason', 'blueprint', 'blueprint_version',
         'backend', 'parameters', 'node_groups', 'login', 'titled_outputs',
         'outputs', 'generation', 'deployment', 'failures', 'project_id',
         'project_name', 'user_id', 'user_name', 'created_at', 'updated_at')
_PLAN = ('plan', 'cluster_id', 'generation', 'refused', 'stale', 'seconds',
         'differences', 'changes', 'needs', 'quotas', 'steps')
#: Nodes that are named in a line; the others are counted.
_NAMED = 6


class ChangeCommand(base.ShowOne):
    """A command that changes a cluster; it may wait, or only show."""

    arguments: ClassVar = base.CLUSTER
    #: A "set" prints nothing, as those of other services.
    silent = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Which one, and how to wait."""
        parser = super().get_parser(prog_name)
        add_dry_run(parser)
        progress.add_options(parser)
        return parser

    def change(self, parsed_args: argparse.Namespace,
               body: Mapping[str, Any]) -> base.Columns:
        """Ask for a change, or what it would do."""
        if parsed_args.dry_run:
            return self.planned({'cluster': parsed_args.cluster,
                                 'change': body})
        return self.finish(
            self.api.change_cluster(parsed_args.cluster, **body),
            parsed_args)

    def produce_output(self, parsed_args: argparse.Namespace,
                       column_names: Any, data: Any) -> int:
        """Print the cluster or the plan, unless nothing is to be printed."""
        if self.silent and not parsed_args.dry_run:
            return 0
        return int(super().produce_output(parsed_args, column_names, data))

    def planned(self, wish: Mapping[str, Any]) -> base.Columns:
        """What a wish would do; nothing is done."""
        found = self.api.plan(**wish)
        if found['refused']:
            self.exit_code = base.WRONG
            self.say('This would be refused')
        elif not found['changes']:
            self.say('Nothing would be done')
        elif found['id'] and wish.get('change'):
            self.say('Nothing was done. To do just this: openstack hpc '
                     f'cluster update CLUSTER --plan {found["id"]}')
        return shown(found)

    def finish(self, cluster: Any, parsed_args: argparse.Namespace
               ) -> base.Columns:
        """Wait when asked to; the cluster as it stands then."""
        ident = (cluster.deployment or {}).get('id')
        if ident and (parsed_args.wait or parsed_args.follow):
            self.exit_code, _ = progress.wait(self.api, ident, parsed_args)
            cluster = self.api.get_cluster(cluster.id)
        return base.pairs(resources.plain(cluster), SHOWN)


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """--dry-run"""
    parser.add_argument('--dry-run', action='store_true',
                        help='Show what would be done, and do nothing')


def add_force(parser: argparse.ArgumentParser) -> None:
    """--force"""
    parser.add_argument(
        '--force', action='store_true',
        help='Although data that is on machines only is lost with them')


def shown(plan: Mapping[str, Any]) -> base.Columns:
    """A plan as two columns: lines for people, all of it for machines."""
    names, cells = base.pairs({**plan, 'plan': plan['id']}, _PLAN)
    lines = {'differences': _Lines(plan.get('differences', ()), _difference),
             'changes': _Lines(plan['changes'], line),
             'needs': _Lines(plan.get('needs', ()), _need),
             'quotas': _Lines(plan.get('quotas', ()), _quota),
             'steps': _Lines(plan['steps'], _step)}
    return names, tuple(lines.get(name, value)
                        for name, value in zip(names, cells, strict=True))


class _Lines(columns.FormattableColumn[Any]):
    """A list: as it is in JSON, a sentence for each entry in a table."""

    def __init__(self, value: Any, line: Any) -> None:
        super().__init__(value)
        self._line = line

    def human_readable(self) -> str:
        return '\n'.join(errors.clean(self._line(entry))
                         for entry in self._value)


def line(entry: Mapping[str, Any]) -> str:
    """``in place: slurm on head-0 (12 s); its inputs changed``"""
    if entry['verdict'] == 'refused':
        return f'refused: {entry["subject"]}: {entry["reason"]}'
    text = f'{entry["verdict"]}: ' + ' on '.join(filter(None, (
        entry['subject'], _names(entry['nodes']))))
    text += _took(entry['seconds'])
    if entry['out']:
        text += f', {entry["out"]} out at once'
    for word, paths in (('lost', entry['lost']), ('kept', entry['kept'])):
        if paths:
            text += f', {word}: {", ".join(paths)}'
    return f'{text}; {entry["reason"]}' if entry['reason'] else text


def _difference(entry: Mapping[str, Any]) -> str:
    """``parameter compute_count: 2 -> 3``"""
    before, after = ('none' if side is None else side.replace('\n', ', ')
                     for side in differences.sides(entry))
    return f'{entry["kind"]} {entry["subject"]}: {before} -> {after}'


def _step(entry: Mapping[str, Any]) -> str:
    title = f'{entry["kind"]} {entry["element"]}'.strip()
    return f'{title} on {_names(entry["nodes"])}{_took(entry["seconds"])}'


def _need(entry: Mapping[str, Any]) -> str:
    """``hpc: 5 of 6 free``"""
    free = '' if entry['free'] is None else f' of {entry["free"]} free'
    return (f'{entry["type"]}: {entry["wanted"]}{free}'
            f'{_too_many(entry["fits"])}')


def _quota(entry: Mapping[str, Any]) -> str:
    """``cores: 32 and 16 more are 48 of 64``"""
    limit = 'no limit' if entry['limit'] is None else entry['limit']
    return (f'{entry["name"]}: {entry["used"]} and {entry["wanted"]} more '
            f'are {entry["after"]} of {limit}{_too_many(entry["fits"])}')


def _too_many(fits: bool | None) -> str:
    return ', too many' if fits is False else ''


def _took(seconds: float | None) -> str:
    return '' if seconds is None else f' ({seconds:.0f} s before)'


def _names(nodes: Iterable[str]) -> str:
    names = list(nodes)
    more = f' and {len(names) - _NAMED} more' if len(names) > _NAMED else ''
    return ', '.join(names[:_NAMED]) + more
