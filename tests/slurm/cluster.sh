#!/usr/bin/env bash
# A SLURM cluster of two nodes that are both this machine, to test `harness submit` on: munge, slurmctld and two slurmd,
# without systemd. For throw-away machines (a container, CI): it writes /etc/slurm and /etc/hosts, and runs as root.
#
#   tests/slurm/cluster.sh install   Debian's packages
#   tests/slurm/cluster.sh up        starts what does not run yet, and waits until the nodes take jobs
#   tests/slurm/cluster.sh down      ends the daemons and forgets all jobs
set -euo pipefail

nodes=(harness-a harness-b)
state=/var/lib/harness-slurm # of the daemons: job records, process ids, logs

configure() {
  local host=$(hostname -s) memory=$(awk '/^MemTotal/ {print int($2 / 1024 * 3 / 4)}' /proc/meminfo) port=17001 node
  mkdir -p /etc/slurm "$state/controller" /run/munge
  chown munge: /run/munge
  # Two pretended GPUs, so that jobs can ask for some: any two devices will do.
  printf 'Name=gpu File=/dev/%s\n' null zero >/etc/slurm/gres.conf
  # cgroups would need systemd. A job that queues again waits until its old credential has expired: two minutes, unless
  # told.
  cat >/etc/slurm/slurm.conf <<END
ClusterName=harness
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthInfo=cred_expire=10
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/%n.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=5,batch_sched_delay=1
ReturnToService=2
GresTypes=gpu
END
  for node in "${nodes[@]}"; do
    echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port++)) CPUs=$(nproc) RealMemory=$memory Gres=gpu:2"
    grep --quiet --word-regexp "$node" /etc/hosts || echo "127.0.0.1 $node" >>/etc/hosts
  done >>/etc/slurm/slurm.conf
  echo 'PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP' >>/etc/slurm/slurm.conf
}

runs() { [ -s "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }

free_nodes() { sinfo --noheader --Node --format=%T 2>/dev/null | grep --count --word-regexp 'idle\|mixed\|allocated' || true; }

up() {
  local node
  configure
  munge --no-input >/dev/null 2>&1 || runuser --user munge -- munged
  runs slurmctld || slurmctld
  for _ in {1..40}; do scontrol ping 2>/dev/null | grep --quiet 'is UP' && break || sleep 0.5; done
  for node in "${nodes[@]}"; do runs "$node" || slurmd -N "$node"; done
  for _ in {1..60}; do [ "$(free_nodes)" = "${#nodes[@]}" ] && return || sleep 0.5; done
  echo "the nodes take no jobs; see the logs in $state" >&2
  return 1
}

down() {
  local daemon
  for daemon in "${nodes[@]}" slurmctld; do runs "$daemon" && kill "$(cat "$state/$daemon.pid")"; done || true
  for daemon in "${nodes[@]}" slurmctld; do for _ in {1..40}; do runs "$daemon" && sleep 0.5 || break; done; done
  rm -rf "${state:?}"
}

case "${1:-}" in
  install) apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes slurm-wlm munge ;;
  up) up ;;
  down) down ;;
  *) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
