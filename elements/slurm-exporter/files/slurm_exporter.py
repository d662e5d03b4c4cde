#!/usr/bin/python3
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

"""Serves numbers of Slurm in Prometheus' format: ADDRESS PORT."""

import collections
import http.server
import re
import subprocess
import sys
import threading
import time

#: Seconds that an answer of Slurm is good for, and that it may take.
FRESH, PATIENCE = 4, 10
#: Metric -> what it tells.
HELP = {
    'slurm_up': 'Whether the controller answered.',
    'slurm_nodes': 'Nodes of a partition, by state.',
    'slurm_cpus': 'Cores of a partition, by what they do.',
    'slurm_jobs': 'Jobs of a partition, by state; each of an array counts.',
}


def ask(*command):
    """Rows of what a command of Slurm's prints, split at bars."""
    done = subprocess.run(command, text=True, check=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, capture_output=True)
    return [line.split('|') for line in done.stdout.splitlines() if line]


def count():
    """(metric, partition, state) -> number."""
    found = collections.Counter()
    for partition, state, nodes in ask('sinfo', '-h', '-o', '%R|%T|%D'):
        # "idle*" is a node that is idle, but does not answer just now
        state = re.sub('[^a-z]', '', state.lower())
        found['slurm_nodes', partition, state] += int(nodes)
    for partition, cores in ask('sinfo', '-h', '-o', '%R|%C'):
        numbers = map(int, cores.split('/'))
        for state, number in zip(('allocated', 'idle', 'other'), numbers):
            found['slurm_cpus', partition, state] += number
        for state in ('pending', 'running'):
            found['slurm_jobs', partition, state] += 0
    for partition, state in ask('squeue', '-h', '-r', '-o', '%P|%T'):
        found['slurm_jobs', partition, state.lower()] += 1
    return found


def text():
    """All of it, as Prometheus reads it."""
    try:
        found, up = count(), 1
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        print(exc, file=sys.stderr, flush=True)
        found, up = {}, 0
    lines = {'slurm_up': ['slurm_up %d' % up]}
    for (metric, partition, state), number in sorted(found.items()):
        lines.setdefault(metric, []).append(
            '%s{partition="%s",state="%s"} %d' % (
                metric, partition, state, number))
    return ''.join('# HELP %s %s\n# TYPE %s gauge\n%s\n' % (
        metric, HELP[metric], metric, '\n'.join(values))
        for metric, values in lines.items())


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers /metrics; asks Slurm no more often than every FRESH seconds."""

    timeout = PATIENCE
    lock = threading.Lock()
    said, at = b'', -FRESH

    def do_GET(self):
        """One scrape."""
        if self.path != '/metrics':
            self.send_error(404)
            return
        with Handler.lock:
            if time.monotonic() - Handler.at >= FRESH:
                Handler.said = text().encode()
                Handler.at = time.monotonic()
            said = Handler.said
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        """Say nothing of each scrape."""


if __name__ == '__main__':
    http.server.ThreadingHTTPServer(
        (sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
