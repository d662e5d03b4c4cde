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

"""Text, times and states, as all pages show them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
import datetime
import shlex
from typing import Any

from django import template
from django.utils import dateparse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.utils.translation import ngettext

from hpcdirect.dashboard import commands
from hpcdirect.dashboard import drawing
from hpcdirect.dashboard import text

register = template.Library()
register.filter('exact', text.exact)

#: Status -> (shape, colour's class, word).
_STATES = {
    'ACTIVE': ('●', 'good', gettext_lazy('active')),
    'SUCCEEDED': ('●', 'good', gettext_lazy('succeeded')),
    'CREATING': ('◐', 'busy', gettext_lazy('being made')),
    'UPDATING': ('◐', 'busy', gettext_lazy('changing')),
    'CHECKING': ('◐', 'busy', gettext_lazy('being checked')),
    'DELETING': ('◐', 'busy', gettext_lazy('going')),
    'RUNNING': ('◐', 'busy', gettext_lazy('under way')),
    'QUEUED': ('○', 'idle', gettext_lazy('waiting')),
    'WAITING': ('○', 'idle', gettext_lazy('waiting')),
    'SUPERSEDED': ('○', 'idle', gettext_lazy('overtaken')),
    'DELETED': ('○', 'idle', gettext_lazy('gone')),
    'DEGRADED': ('▲', 'warn', gettext_lazy('degraded')),
    'ERROR': ('✕', 'bad', gettext_lazy('error')),
    'FAILED': ('✕', 'bad', gettext_lazy('failed')),
    # Of nodes alone.
    'UP': ('●', 'good', gettext_lazy('up')),
    'BUILDING': ('◐', 'busy', gettext_lazy('being made')),
    'DRAINED': ('▲', 'warn', gettext_lazy('closed to new work')),
    'LEAVING': ('◐', 'busy', gettext_lazy('going')),
    'absent': ('○', 'idle', gettext_lazy('not there yet')),
}
#: The same where a status alone does not say it.
_NAMED = {
    ('ERROR', 'cancelled'): ('▲', 'warn', gettext_lazy('cancelled')),
    ('ERROR', 'disagrees'): ('✕', 'bad', gettext_lazy('not as wanted')),
    ('RUNNING', 'putting_back'): ('◐', 'warn', gettext_lazy(
        'failed, being put back')),
    ('DRAINED', 'closed'): ('◐', 'busy', gettext_lazy(
        'closed for a change')),
}
#: What was asked for, and what a plan says of a layer or a node.
_TERMS = {
    'create': gettext_lazy('create'), 'scale': gettext_lazy('scale'),
    'update': gettext_lazy('update'), 'upgrade': gettext_lazy('upgrade'),
    'rollback': gettext_lazy('roll back'), 'retry': gettext_lazy('retry'),
    'check': gettext_lazy('check'), 'repair': gettext_lazy('repair'),
    'cancel': gettext_lazy('cancel'), 'delete': gettext_lazy('tear down'),
    'add node': gettext_lazy('add node'),
    'replace node': gettext_lazy('replace node'),
    'remove node': gettext_lazy('remove node'),
    'put on': gettext_lazy('put on'), 'in place': gettext_lazy('in place'),
    'apply again': gettext_lazy('apply again'),
    'revert and apply': gettext_lazy('revert and apply'),
    'take off': gettext_lazy('take off'), 'refused': gettext_lazy('refused'),
    'blueprint': gettext_lazy('blueprint'),
    'cluster': gettext_lazy('cluster'),
    'parameter': gettext_lazy('parameter'),
    'element': gettext_lazy('layer'), 'node': gettext_lazy('node'),
    'users': gettext_lazy('user'),
}


def _drawn(sign: str, kind: str, said: object, aloud: bool = False
           ) -> SafeString:
    """A shape in its colour, and a word.

    :param aloud: the word is for screen readers alone.
    """
    word = text.exact(said)
    return mark_safe(  # noqa: S308
        f'<span class="hpc-state hpc-{kind}"><span aria-hidden="true">{sign}'
        + (f'</span><span class="sr-only">{word}</span></span>' if aloud
           else f'</span> {word}</span>'))


@register.filter
def state(status: str) -> SafeString:
    """A state by shape, colour and word together."""
    return _drawn(*_STATES.get(str(status), ('○', 'idle', status)))


@register.filter
def standing(one: Mapping[str, Any]) -> SafeString:
    """How a cluster, a deployment or a node stands.

    :param one: as the API shows it, with its ``error``, ``phase`` or
        ``closed``.
    """
    status = str(one.get('status') or 'absent')
    named = _NAMED.get((status, one.get('error') or one.get('phase')
                        or ('closed' if one.get('closed') else '')))
    return _drawn(*named) if named else state(status)


@register.filter
def fits(yes: bool | None) -> SafeString:
    """Whether there is enough, by shape, colour and a word."""
    if yes is None:
        return _drawn('○', 'idle', _('nobody knows'))
    return _drawn('●', 'good', _('fits')) if yes \
        else _drawn('✕', 'bad', _('too many'))


@register.filter
def word(status: str) -> str:
    """A state's word alone."""
    return str(_STATES.get(str(status), ('', '', status))[2])


@register.filter
def term(word: str) -> SafeString:
    """A word of the API, as people say it."""
    return text.exact(_TERMS.get(str(word), word))


@register.filter
def shape(status: str) -> SafeString:
    """A state by shape and colour; its word for who cannot see them."""
    return _drawn(*_STATES.get(str(status), ('○', 'idle', status)),
                  aloud=True)


@register.filter
def seconds(value: float | None) -> str:
    """A duration: "0.4 s", "53 s", "4 min", "2 h 5 min", "3 d 4 h"."""
    if value is None:
        return ''
    if value < 10:
        return str(_('%.1f s') % value)
    whole = round(value)
    if whole < 120:
        return str(_('%d s') % whole)
    minutes, hours, days = (whole // 60, whole // 3600, whole // 86400)
    if minutes < 60:
        return str(_('%d min') % minutes)
    if hours < 48:
        return str(_('%(hours)d h %(minutes)d min') % {
            'hours': hours, 'minutes': minutes % 60})
    return str(_('%(days)d d %(hours)d h') % {
        'days': days, 'hours': hours % 24})


def moment(value: Any) -> datetime.datetime | None:
    """A time of the API; None when there is none."""
    try:
        return dateparse.parse_datetime(value) if value else None
    except (TypeError, ValueError):
        return None


@register.filter
def when(value: Any) -> SafeString:
    """A time in the zone of who looks: the hour alone when it is today."""
    at = moment(value)
    if at is None:
        return SafeString('')
    local = timezone.localtime(at)
    today = timezone.localtime(timezone.now()).date() == local.date()
    words = date_format(local, 'H:i:s' if today else 'Y-m-d H:i')
    return mark_safe(  # noqa: S308
        f'<time datetime="{at.isoformat()}" title="'
        f'{local.isoformat(" ", "seconds")}">{text.exact(words)}</time>')


@register.filter
def until(value: Any) -> str:
    """How long until a time: "in 3 h", "now"."""
    at = moment(value)
    if at is None:
        return ''
    left = (at - timezone.now()).total_seconds()
    return str(_('in %s') % seconds(left) if left > 0 else _('now'))


@register.filter
def since(value: Any, end: Any = None) -> str:
    """Seconds from a time to another, or to now."""
    begun, over = moment(value), moment(end) or timezone.now()
    return seconds((over - begun).total_seconds()) if begun else ''


@register.simple_tag
def progress(how: Any, label: str = '') -> SafeString:
    """A bar for the ``progress`` of a deployment."""
    return drawing.bar((how or {}).get('fraction'), label or _('Progress'))


@register.simple_tag
def ready(groups: Any) -> str:
    """Nodes that are ready, of those there are to be: "3/4"."""
    return (f'{sum(group["ready"] for group in groups)}/'
            f'{sum(group["count"] for group in groups)}')


@register.filter
def nodes(count: int) -> str:
    """"1 node", "4 nodes"."""
    return str(ngettext('%d node', '%d nodes', count) % count)


@register.filter
def login(cluster: Any) -> str:
    """The command that logs in, as far as the name is known."""
    at = cluster.get('login') or {}
    if not at.get('address') or at.get('via'):
        return shlex.join(['openstack', 'hpc', 'cluster', 'ssh',
                           cluster['name']])
    port = [] if at['port'] == 22 else ['-p', str(at['port'])]
    return shlex.join(['ssh', *port, at['address']])


@register.filter
def plain(number: float) -> str:
    """A number as HTML wants it, in whatever language a page is."""
    return f'{number:g}'


@register.filter
def some(names: Any) -> str:
    """The first eight of them, and how many there are besides."""
    names = list(names)
    more = (' ' + _('and %d more') % (len(names) - 8)) if names[8:] else ''
    return ', '.join(names[:8]) + more


@register.filter
def together(names: Any) -> str:
    """All of them, as somebody would type them."""
    return ', '.join(names)


@register.filter
def link(address: Any) -> SafeString:
    """A link where an address leads to the web, else the address."""
    shown = text.exact(address)
    if not str(address).startswith(('http://', 'https://')):
        return shown
    return mark_safe(  # noqa: S308
        f'<a href="{shown}" rel="noopener noreferrer">{shown}</a>')


@register.filter
def opening(cluster: Mapping[str, Any], output: str) -> str:
    """The command that opens what only a cluster's own network leads to."""
    return commands.line(commands.of('cluster open', cluster['name'], output))


@register.filter
def icon(svg: str) -> SafeString:
    """A blueprint's icon, as an image: what is in one runs nothing."""
    if not svg:
        return SafeString('')
    coded = base64.b64encode(svg.encode()).decode()
    return mark_safe(  # noqa: S308
        f'<img class="hpc-icon" alt="" width="32" height="32" '
        f'src="data:image/svg+xml;base64,{coded}"> ')
