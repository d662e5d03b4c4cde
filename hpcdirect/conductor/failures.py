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

"""What a deployment failed with, as the API shows it; what can be tried.

A pure table tells of what kind a failure is: its message goes in, a class and
a sentence come out. The first class whose expression is found wins, so what
is narrow stands before what is wide.

Words prove little: a program that a task runs may print anything, what a user
of the cluster wrote among it. So a node is unreachable only when the runner
could not reach it, whatever was printed; and no hint asks for something by
which data could be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import enum
import re
from typing import Any

from hpcdirect.conductor.situation import Situation
from hpcdirect.exception import Replayed
from hpcdirect.runners.base import Cause
from hpcdirect.states import FailureCode
from hpcdirect.states import StepKind

RETRY = 'Then retry; what went well is not done again.'


class Source(enum.StrEnum):
    """Who wrote a message."""

    #: Programs on a node that a task ran, or the task itself.
    OUTPUT = 'output'
    #: The runner, which could not get to the node.
    CONNECTION = 'connection'
    #: A backend or the service itself.
    SERVICE = 'service'


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """A kind of failure.

    :param name: the class, a word that programs can act on.
    :param hint: what to try, in sentences.
    :param source: whose message it was found in.
    """

    name: str
    hint: str
    source: Source = Source.OUTPUT


#: Class, regular expressions (case is ignored), what to try.
_TABLE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ('hidden', (
        r'result is hidden, because it may hold a secret',),
     'Look on the node itself, for example in its journal.'),
    ('stopped', (
        r'^the run was stopped', r'^not finished here, because of',
        r'process .*\bdied\b', r'\bended early\b'),
     'Nothing need be mended here.'),
    ('node_unreachable', (
        r'did not answer ssh', r'refused the ssh connection',
        r'host key (mismatch|verification failed)',
        r'failed to connect to the host via ssh',
        r'kex_exchange_identification',
        r'permission denied \((publickey|password)',
        r'no route to host.*\bssh\b', r'\bssh\b.*connection (closed|reset)',
        r'data could not be sent to (the )?remote host'),
     'See whether the machine runs, and whether ssh to it is let through.'),
    ('out_of_memory', (
        r'cannot allocate memory', r'out of memory', r'\boom[- ]kill',
        r'\bMemoryError\b', r'memory exhausted', r'\bbad_alloc\b',
        r'exit code 137\b'),
     'Take machines with more memory, or run less on them.'),
    ('disk_full', (
        r'no space left on device', r'disk quota exceeded', r'\bENOSPC\b',
        r"don't have enough free space", r'not enough free space',
        r'needs? \d+\s?[kMG]?i?B (more )?(space )?on the'),
     'Make room on the node, or take a larger disk.'),
    ('read_only', (r'read-only file system', r'not writable', r'\bEROFS\b'),
     'See why the file system is mounted read-only (dmesg, mount); save '
     'what is on a disk with errors before anything else.'),
    ('kernel', (
        r'this kernel has no\b', r'modprobe: (fatal|error)',
        r'unknown filesystem type', r'module \S+ not found in directory'),
     'Take an image whose kernel has what is missing, or do without it.'),
    ('checksum', (
        r'checksum .*(match|mismatch|fail)', r'hash sum mismatch',
        r'(sha256|sha512|md5)sum: warning: .*did not match',
        r'file has unexpected size'),
     'What was fetched is not what was expected: correct the checksum or '
     'the address.'),
    ('signature', (
        r'NO_PUBKEY', r'is not signed', r'gpg (check|error)',
        r'signatures? (couldn.t|could not) be verified',
        r'public key .*is not installed', r'certificate verify failed',
        r'self[- ]signed certificate', r'certificate has expired'),
     'Give the node the key or certificate by which the source is trusted, '
     'and see that its clock is right.'),
    ('package_not_found', (
        r'unable to locate package', r'no package matching',
        r'no package .*available', r'has no installation candidate',
        r'unable to find a match', r'no matching distribution found',
        r'version .* for .* was not found',
        r'package .* (was|is) not (found|available)'),
     'Check the name and the version of the package, and that its '
     'repository is enabled for this release of the system.'),
    ('package_conflict', (
        r'could not get lock', r'unable to acquire the dpkg',
        r'unmet dependencies', r'held broken packages', r'dpkg: error',
        r'dpkg was interrupted', r'nothing provides',
        r'sub-process /usr/bin/dpkg returned'),
     'Mend the packages on the node (dpkg --configure -a, apt-get -f '
     'install), or wait until another installation is done.'),
    ('port_in_use', (
        r'address already in use', r'\bEADDRINUSE\b',
        r'port \d+ is (already )?(in use|taken|allocated)'),
     'End what listens on the port (ss -ltnp), or give another port.'),
    ('timeout', (
        r'timed out', r'time-?out (when|waiting|was|of|exceeded|expired)',
        r'timeout exceeded', r'deadline exceeded',
        r'not .* within \d+ ?s', r'did not finish within',
        r'took too long', r'exceeded .*\btimeout\b'),
     'See on the node what it waits for; allow more time if it is only '
     'slow.'),
    ('network', (
        r'could not resolve', r'temporary failure (in name resolution|'
        r'resolving)', r'name or service not known',
        r'network is unreachable', r'no route to host',
        r'connection refused', r'connection reset',
        r'connection timed out', r'failed to (fetch|download)',
        r'failed to connect to', r'could ?n[o\']t connect to',
        r'unable to connect', r'cannot initiate the connection',
        r'failed to update apt cache', r'request failed',
        r'(no longer has|does not have) a release file',
        r'HTTP Error \d+', r'\b(404|502|503) +(not found|bad gateway|'
        r'service unavailable)', r'status code was .* and not'),
     'See that the node reaches the mirror or the address: name server, '
     'route, proxy, and whether the address is right. Where nodes have no way '
     'out, element package-relay fetches packages for them.'),
    ('undefined_variable', (
        r"is undefined", r'undefined variable', r'has no attribute',
        r'template error', r'templat\w+ .*(error|fail)',
        r'error .*templat', r'no filter named', r'object of type .* has no',
        r'could not find or access .*\.j2'),
     'The element uses a value that it is not given: correct the element '
     'or its parameters, and test it with hpc element test.'),
    ('syntax_error', (
        r'syntax error', r'couldn.t resolve module', r'yaml (syntax|parsing)',
        r'conflicting action statements', r'is not a valid attribute',
        r'no module/action detected', r'unexpected end of file',
        r'could not find expected', r'\bSyntaxError\b', r'parse error',
        r'while (parsing|scanning) a', r'mapping values are not allowed',
        r'no action detected'),
     'Correct the file that is named; hpc blueprint validate finds it '
     'before a cluster does.'),
    ('missing_user', (
        r"(user|group|uid|gid) '?[\w.-]+'? (does not|doesn.t) exist",
        r'failed to look ?up (user|group)', r'chown failed: failed',
        r'chgrp failed: failed', r'no such (user|group)',
        r'unknown (user|group)', r'invalid (user|group)',
        r'group [\w.-]+ does not exist',
        r'failed to determine (user|group) credentials', r'217/USER'),
     'Let the element make the user or the group first, or require the '
     'element that does.'),
    ('service_failed', (
        r'unable to (start|restart|reload|enable) service',
        r'job for \S+ failed', r'failed to (re)?start \S+',
        r'could not find the requested service', r'unit .*\b(could )?not '
        r'(be )?found', r'service .*(failed|is not running|not found)',
        r'systemctl .*fail', r'control process exited',
        r'is (failed|inactive)$'),
     'Read the journal of the unit on the node (systemctl status, '
     'journalctl -u).'),
    ('bad_parameter', (
        r'unsupported parameters', r'missing required arguments',
        r'value of \S+ must be one of', r'argument .*(is of type|invalid)',
        r'parameters are (mutually exclusive|required together)',
        r'assertion failed', r'invalid (value|argument|option)',
        r'unrecognized (option|argument)s?', r'unknown option',
        r'is not a valid', r'must be (one of|between|at least|at most)',
        r'validation failed', r'bad (value|parameter)',
        r'is required\b', r'failed to validate'),
     'Correct the parameter of the element or of the blueprint.'),
    ('permission_denied', (
        r'permission denied', r'operation not permitted',
        r'\bE(ACCES|PERM)\b', r'not writable', r'missing sudo password',
        r'access denied', r'not allowed to', r'\b(401|403)\b'),
     'Look at owner, mode and attributes of what is named (ls -l, lsattr), '
     'or at the account that is used.'),
    ('missing', (
        r'command not found', r'no such file or directory',
        r'not found in required path', r'does not exist',
        r'could not find or access', r'failed to find required executable',
        r'no module named', r'exit code 127\b', r'path .* is absent',
        r'source .* not found', r': not found$', r'file not found',
        r'is absent'),
     'Install what has the command or the file, by this element or by one '
     'that it requires.'),
)

_CLASSES = tuple(
    (re.compile('|'.join(f'(?:{each})' for each in expressions), re.I),
     Diagnosis(name, f'{hint} {RETRY}'))
    for name, expressions, hint in _TABLE)

_UNREACHABLE = next(found for _, found in _CLASSES
                    if found.name == 'node_unreachable')

UNKNOWN = Diagnosis(
    'unknown', f'Read the log of the run, mend what it says. {RETRY}')

#: Every class there is.
NAMES = (*(name for name, _, _ in _TABLE), UNKNOWN.name)


def diagnose(message: str, source: Source = Source.OUTPUT) -> Diagnosis:
    """The likely kind of a failure, by its message; UNKNOWN at worst."""
    found = next((diagnosis for expression, diagnosis in _CLASSES
                  if (source != Source.OUTPUT
                      or diagnosis is not _UNREACHABLE)
                  and expression.search(message)),
                 _UNREACHABLE if source == Source.CONNECTION else UNKNOWN)
    return dataclasses.replace(found, source=source)


def plain(message: str, step: str = '', node: str = '') -> dict[str, Any]:
    """A failure that is not of an element's task.

    :param step: the step's title; '' when it is the whole deployment's.
    :param node: the node's name; '' when it concerns no node in particular.
    """
    kind = diagnose(message, Source.SERVICE)
    return {'code': FailureCode.PLUGIN_FAILED, 'step': step,
            'element': '', 'node': node, 'task': '', 'message': message,
            'run_id': None, 'class': kind.name, 'class_by': kind.source,
            'hint': 'Mend the cause and retry, or delete the cluster.'}


def of_task(cause: Cause, place: Mapping[str, Any]) -> dict[str, Any]:
    """What went wrong in an element.

    :param place: ``step``, ``element``, ``node`` and ``run_id``.
    """
    kind = diagnose(cause.message, Source.CONNECTION
                    if cause.unreachable else Source.OUTPUT)
    code, hint = (FailureCode.REPLAYED, Replayed.hint) if cause.replayed \
        else (FailureCode.ELEMENT_FAILED, kind.hint)
    return {'code': code, 'class': kind.name, 'class_by': kind.source,
            **place, 'task': cause.task, 'message': cause.message,
            'hint': hint}


def of_ours(code: FailureCode, message: str, hint: str = ''
            ) -> dict[str, Any]:
    """A deployment that hpcdirect itself does not go on with."""
    return {'code': code, 'step': '', 'element': '', 'node': '', 'task': '',
            'message': message, 'hint': hint, 'run_id': None}


def of_machine(node: str, message: str,
               step: StepKind = StepKind.PROVISION) -> dict[str, Any]:
    """A machine that was not created, or not removed.

    :param node: its name; '' when it concerns the whole cluster.
    :param step: what was to be done with it.
    """
    said = message.rstrip('. ') or 'the machine failed'
    return plain(f'{said}.', step.value, node) | {
        'code': FailureCode.NODE_FAILED,
        'hint': 'Retry makes it again; the other nodes stay as they are.'}


def last_heard(situation: Situation, name: str) -> str:
    """What was last heard of a machine, in brackets; '' for nothing."""
    for machine in situation.infra.machines:
        if machine.slot == name and machine.fault:
            return f' ({machine.fault.rstrip(".")})'
    return ''


def put_back(nodes: Iterable[str]) -> str:
    """Says which nodes are as they were before the change that failed.

    :returns: '' for none: their machines may have gone meanwhile.
    """
    names = sorted(set(nodes))
    if not names:
        return ''
    shown = [*names[:4], *([f'{len(names) - 4} more']
                           if len(names) > 4 else [])]
    listed = ' and '.join(filter(None, (', '.join(shown[:-1]),
                                        shown[-1])))
    return f'{listed} {"were" if names[1:] else "was"} put back.'


def sentence(failure: dict[str, Any], more: str = '') -> str:
    """A failure in one line: place, message, what else is so, what to do."""
    place = ', '.join(filter(None, (failure['step'], failure['node'],
                                    failure['task'])))
    return ' '.join(filter(None, (place and f'{place}:', failure['message'],
                                  more, failure['hint'])))
