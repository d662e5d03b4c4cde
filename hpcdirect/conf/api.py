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

"""Options of the REST API."""

from __future__ import annotations

from oslo_config import cfg

OPTIONS: list[cfg.Opt] = [
    cfg.HostAddressOpt(
        'host', default='127.0.0.1',
        help='Address that hpcdirect-api and hpcdirect-all-in-one listen '
             'on. Under uwsgi or another WSGI server that server decides.'),
    cfg.PortOpt(
        'port', default=9517,
        help='TCP port that hpcdirect-api and hpcdirect-all-in-one listen '
             'on.'),
    cfg.StrOpt(
        'auth_strategy', default='keystone',
        choices=[
            ('keystone', 'tokens of Keystone, as [keystone_authtoken] says'),
            ('basic', 'users and passwords of users_file'),
            ('noauth', 'believe the X- headers: for tests only')],
        help='How the API learns who asks.'),
    cfg.StrOpt(
        'users_file', default='$state_path/users',
        help='For auth_strategy "basic": a file of lines '
             '"user:bcrypt hash:project:role,role". Changes are seen '
             'without a restart. Roles imply the lower ones, as in '
             'Keystone: admin, manager, member, reader.'),
    cfg.IntOpt(
        'max_limit', default=1000, min=1, max=10000,
        help='Most entries that one page of a list holds, whatever the '
             'request asks for.'),
    cfg.FloatOpt(
        'long_poll_seconds', default=25.0, min=0.0, max=300.0,
        help='Longest time in seconds that a request for events is kept '
             'open when there is nothing to tell. Keep it below the time '
             'after which a proxy in front gives up.'),
    cfg.IntOpt(
        'max_waiting', default=16, min=0,
        help='Requests for events that one process keeps open at the same '
             'time; each occupies a thread. One more is answered at once, '
             'so keep it below the threads of the WSGI server.'),
    cfg.IntOpt(
        'max_body', default=1024 * 1024, min=1024,
        help='Largest request body in bytes; a larger one is refused with '
             '413 and not read. Requests that carry no parameters or users '
             'take 64 KiB at most, whatever this says.'),
    cfg.IntOpt(
        'threads', default=32, min=2, max=1000,
        help='Requests that hpcdirect-api and hpcdirect-all-in-one answer '
             'at the same time. Keep it above max_waiting.'),
    cfg.IntOpt(
        'max_connections', default=500, min=10, max=10000,
        help='Connections that hpcdirect-api and hpcdirect-all-in-one keep '
             'open; more wait until there is a place, for which those that '
             'ask nothing are closed. Keep it below the open files that '
             'the process may have.'),
    cfg.FloatOpt(
        'request_seconds', default=30.0, min=1.0, max=3600.0,
        help='Seconds in which the whole of a request has to arrive at '
             'hpcdirect-api and hpcdirect-all-in-one; 408 is the answer to '
             'what is slower.'),
    cfg.URIOpt(
        'public_endpoint', schemes=['http', 'https'],
        help='URL that people reach the API by, without a version. Links in '
             'responses begin with it. When it is not set they begin with '
             'what the request says (Host), which is whatever its sender '
             'likes: set it wherever responses may be kept by a cache.'),
    cfg.StrOpt(
        'service_type', default='hpc-cluster',
        regex=r'^([a-z][a-z-]*:)?[a-z][a-z-]*[a-z]$',
        help='Service type in the catalogue, which is also what the header '
             'OpenStack-API-Version begins with.'),
    cfg.StrOpt(
        'response_validation', default='ignore',
        choices=[
            ('error', 'a response that breaks its schema becomes a 500'),
            ('warn', 'it is sent, and logged'),
            ('ignore', 'responses are not looked at')],
        help='Whether responses are checked against their schemas. It '
             'costs about as much again as making them; tests use '
             '"error".'),
]
