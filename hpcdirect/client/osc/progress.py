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

"""Shows on stderr how a deployment goes, and how it ended."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import shutil
import sys
import time
from typing import Any
from typing import TextIO

from hpcdirect.client import errors
from hpcdirect.client import watch
from hpcdirect.client.osc import base

#: So many failures are reported in full.
_REPORTED = 3
#: How a step stands -> what is said of it.
_STATUSES = {'RUNNING': '...', 'SUCCEEDED': 'ok', 'FAILED': 'FAILED',
             'INTERRUPTED': 'interrupted'}


def add_options(parser: argparse.ArgumentParser) -> None:
    """--wait, --follow, --timeout and --poll-interval."""
    parser.add_argument(
        '--wait', action='store_true',
        help='Wait until it is done, showing each step')
    parser.add_argument(
        '--follow', action='store_true',
        help='Wait, and show each task as well')
    parser.add_argument(
        '--timeout', type=float, default=0, metavar='<seconds>',
        help='Wait no longer; the work goes on. Default: no limit')
    parser.add_argument(
        '--poll-interval', type=float, default=5, metavar='<seconds>',
        help='Seconds between looks when nothing happens, default 5')


def wait(api: Any, ident: str, parsed_args: argparse.Namespace
         ) -> tuple[int, dict[str, Any]]:
    """Show a deployment until it is over: the exit code, and the last state.

    The state is empty when the time to wait was over first.
    """
    screen = Screen(sys.stderr, follow=parsed_args.follow)
    deployment = watch.Follower(
        api, ident, timeout=parsed_args.timeout,
        poll_interval=parsed_args.poll_interval, complain=screen.line)
    last: dict[str, Any] = {}
    try:
        for glimpse in deployment.follow():
            last = glimpse.deployment
            screen.show(glimpse)
    except watch.TimedOut:
        screen.line(f'Not done after {parsed_args.timeout:g} seconds; the '
                    f'work goes on. See: openstack hpc deployment show '
                    f'{ident}')
        return base.TIMED_OUT, {}
    except KeyboardInterrupt:
        screen.line('Not waiting any longer; the work goes on.')
        raise
    finally:
        screen.close()
    return screen.ended(last), last


class Screen:
    """Lines on a stream; on a terminal also a status line, kept in place.

    :param follow: show each task, not only each step.
    """

    def __init__(self, stream: TextIO, follow: bool = False) -> None:
        self._stream = stream
        self._follow = follow
        self._live = stream.isatty()
        self._began = time.monotonic()
        self._shown: dict[Any, str] = {}
        self._doing = ''

    def line(self, text: str) -> None:
        """A line that stays."""
        wipe = '\r\x1b[K' if self._live else ''
        self._stream.write(f'{wipe}{_clock(self._began)} '
                           f'{errors.clean(text)}\n')
        self._stream.flush()

    def show(self, glimpse: watch.Glimpse) -> None:
        """What is new since the last glimpse, in the order it happened."""
        steps = {step['id']: step
                 for step in glimpse.deployment.get('steps') or []}
        for event in glimpse.events:
            self._event(event, steps)
        # The deployment was read before the events: it knows no more than
        # they do, but of steps whose first events came before this one began
        # to look, or before they were in the plan.
        for step in steps.values():
            if glimpse.over or step['id'] not in self._shown:
                self._step(step, steps)
        self._status(glimpse.deployment)

    def close(self) -> None:
        """Take the status line away."""
        if self._live:
            self._stream.write('\r\x1b[K')
            self._stream.flush()

    def ended(self, deployment: Mapping[str, Any]) -> int:
        """Say how it ended; the exit code."""
        status = deployment['status']
        operation = deployment.get('operation') or 'deployment'
        if status == 'SUCCEEDED':
            self.line(f'{operation}: done')
            return 0
        reason = deployment.get('reason') or ''
        if status == 'SUPERSEDED':
            reason = reason or 'another change took its place'
        self.line(f'{operation}: {status.lower()}'
                  f'{": " + reason if reason else ""}')
        failures = deployment.get('failures') or []
        for text in errors.failures(failures[:_REPORTED], str(
                deployment.get('cluster_id') or 'CLUSTER')):
            self._stream.write(f'{text}\n')
        if len(failures) > _REPORTED:
            self._stream.write(
                f'And {len(failures) - _REPORTED} more: openstack hpc '
                f'deployment show {deployment.get("id")}\n')
        return base.FAILED

    def _event(self, event: Mapping[str, Any],
               steps: Mapping[str, Mapping[str, Any]]) -> None:
        if event['kind'] == 'step':
            step = steps.get(event['step_id'])
            if step and event['message'] in _STATUSES:
                self._step({**step, 'status': event['message']}, steps,
                           event.get('seconds'))
            return
        if event['kind'] == 'task':
            self._doing = ': '.join(filter(None, (
                event.get('node'), event.get('task'))))
        if self._follow or event.get('level') in ('error', 'warning'):
            self.line(f'  {describe(event)}')

    def _step(self, step: Mapping[str, Any],
              steps: Mapping[str, Mapping[str, Any]],
              took: float | None = None) -> None:
        status = step['status']
        if self._shown.get(step['id'], 'WAITING') == status:
            return
        self._shown[step['id']] = status
        if status == 'RUNNING' and self._live:
            return
        nodes = step.get('nodes') or []
        on = ', '.join(nodes[:4]) + (
            f' and {len(nodes) - 4} more' if len(nodes) > 4 else '')
        took = watch.seconds(step) if took is None else took
        self.line(' '.join(filter(None, (
            f'[{list(steps).index(step["id"]) + 1}/{len(steps)}]',
            step['kind'], step.get('element'), f'on {on}' if on else '',
            _STATUSES.get(status, status),
            f'{took:.1f}s' if took is not None and status != 'RUNNING'
            else ''))))

    def _status(self, deployment: Mapping[str, Any]) -> None:
        if not self._live:
            return
        progress = deployment.get('progress') or {}
        text = (f'{_clock(self._began)} {progress.get("done", 0)}/'
                f'{progress.get("total", 0)} '
                f'{progress.get("running") or deployment["status"].lower()}'
                f'  {self._doing}')
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f'\r\x1b[K{errors.clean(text)[:width]}')
        self._stream.flush()


def how_far(progress: Mapping[str, Any]) -> str:
    """How much of a deployment is done, and how long the rest takes."""
    left = progress.get('seconds_left')
    return f'{progress.get("fraction", 0):.0%} done' + (
        '' if left is None else f', about {left:.0f} s left')


def describe(event: Mapping[str, Any]) -> str:
    """An event in one line."""
    seconds = event.get('seconds')
    parts = [' '.join(filter(None, (event.get('verb'),
                                    event.get('element')))),
             event.get('node'), event.get('task'), event.get('result'),
             f'{seconds:.1f}s' if seconds else '', event.get('message')]
    return errors.clean('  '.join(part for part in parts if part)
                        ).replace('\n', ' ')


def _clock(began: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - began), 60)
    return f'{minutes:02d}:{seconds:02d}'
