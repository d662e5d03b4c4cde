#!/bin/bash
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

# leave.sh VERB NODE,NODE...: what drain.yaml and resume.yaml do at the
# controller. Nodes that the controller does not know are left out.
#   close NODES LOST|- WHY  start nothing new there; the lost ones are down
#   requeue|cancel|keep NODES  deal with the jobs that are left
#   forget NODES        take them off the list
#   open NODES          start jobs there again
# Whom somebody else has closed, an administrator or a health check, stays
# closed, with their reason. Ours begin with "hpcdirect:"; those of earlier
# releases were one word.
set -u
ours=' Reason=(hpcdirect:|(change|leaving|lost)( \[|$))'
verb=$1
known=
for node in ${2//,/ }; do
  scontrol show node "$node" > /dev/null 2>&1 && known+=${known:+,}$node
done
[ -n "$known" ] || exit 0

# theirs NODE: whether it is closed, and not by us; the reason that was given
theirs() {
  local record
  record=$(scontrol -o show node "$1")
  [[ $record =~ \ State=[^\ ]*(DRAIN|FAIL) && ! $record =~ $ours ]] || return
  record=${record##* Reason=}
  echo "${record% [*}"
}

# open_ours: start jobs again where we have closed; waits until it is so
open_ours() {
  local node mine=
  for node in ${known//,/ }; do
    [[ $(scontrol -o show node "$node") =~ $ours ]] && mine+=${mine:+,}$node
  done
  [ -n "$mine" ] || return 0
  known=$mine
  scontrol update nodename="$known" state=resume
  wait_for 20 'idle|mixed|allocated|completing'
}

jobs() { squeue -h -w "$known" -t "$1" -o %i; }

states() { sinfo -h -N -n "$known" -o '%n %T' | sort -u; }

# wait_for SECONDS PATTERN: until every state fits
wait_for() {
  local end=$((SECONDS + $1))
  while states | grep -qvE " ($2)[*]?$"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.5
  done
}

case $verb in
  close)
    mine=
    for node in ${known//,/ }; do
      if why=$(theirs "$node"); then
        echo "$node is closed already, and stays so: $why"
      else
        mine+=${mine:+,}$node
      fi
    done
    if [ -n "$mine" ]; then
      scontrol update nodename="$mine" state=drain reason="hpcdirect: $4" ||
        exit 1
      echo "closed $mine"
    fi
    if [ "$3" != - ]; then
      # its jobs go back to the queue at once
      for node in ${3//,/ }; do
        why=$(theirs "$node") || why='hpcdirect: lost'
        scontrol update nodename="$node" state=down reason="$why"
      done
    fi ;;
  requeue | cancel | keep)
    left=$(jobs R,S)
    if [ -n "$left" ] && [ "$verb" = keep ]; then
      open_ours
      echo "These jobs still run there: ${left//$'\n'/ }." \
        "The nodes are open again."
      exit 1
    fi
    for job in $left; do
      if [ "$verb" = requeue ] &&
          scontrol show job "$job" | grep -q 'Requeue=1'; then
        scontrol requeue "$job"
      else
        scancel "$job"
      fi
    done
    wait_for 90 'drained|down' ||
      scontrol update nodename="$known" state=down reason='hpcdirect: stuck' ;;
  forget)
    for node in ${known//,/ }; do
      for _ in {1..20}; do
        said=$(scontrol delete nodename="$node" 2>&1) && break
        sleep 0.5
      done
      if scontrol show node "$node" > /dev/null 2>&1; then
        echo "$node: $said"
        exit 1
      fi
      echo "forgot $node"
    done ;;
  open)
    open_ours ;;
esac
