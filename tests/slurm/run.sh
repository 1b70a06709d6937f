#!/usr/bin/env bash
# A real SLURM on this machine: submits a batch of 12 images as 3 shards with -slurm, follows it,
# and checks the tables; then the same with the array script of docs/batch.md. Needs root and Debian's slurmctld, slurmd, slurm-client and munge.
#
#   bash tests/slurm/run.sh [PYTHON]        (MODEL: another model than the default one)
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
ROOT="$(dirname "$(dirname "$HERE")")"
PYTHON="${1:-$ROOT/.venv/bin/python}"
PLACE="$(mktemp -d /tmp/slurm-test.XXXXXX)"
PARTS=()

finish() {
  for PART in "${PARTS[@]}"; do kill "$PART" 2>/dev/null || true; done
  [[ "${KEEP:-0}" == 1 ]] || rm -rf "$PLACE"
}
trap finish EXIT

missing() {
  for TOOL in slurmctld slurmd sbatch munged; do
    command -v "$TOOL" >/dev/null || return 0
  done
  return 1
}

if missing; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    slurmctld slurmd slurm-client munge >"$PLACE/apt.log"
fi
"$PYTHON" -c "import submitit" 2>/dev/null || "$PYTHON" -m pip install -q submitit

# munge: its own key, socket and log in the test's folder, by the user who runs the test.
chmod 755 "$PLACE"
mkdir -p "$PLACE"/{munge,state,spool,log,data,out}
chmod 700 "$PLACE/munge"
dd if=/dev/urandom of="$PLACE/munge/key" bs=1024 count=1 status=none
chmod 600 "$PLACE/munge/key"
munged --force --foreground --key-file="$PLACE/munge/key" --socket="$PLACE/munge.socket" \
  --pid-file="$PLACE/munge/pid" --log-file="$PLACE/munge/log" --seed-file="$PLACE/munge/seed" \
  >"$PLACE/log/munged" 2>&1 &
PARTS+=($!)

NODE="$(hostname -s)"
CORES="$(nproc)"
cat >"$PLACE/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$NODE(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$PLACE/munge.socket
CredType=cred/munge
StateSaveLocation=$PLACE/state
SlurmdSpoolDir=$PLACE/spool
SlurmctldPidFile=$PLACE/slurmctld.pid
SlurmdPidFile=$PLACE/slurmd.pid
SlurmctldLogFile=$PLACE/log/slurmctld
SlurmdLogFile=$PLACE/log/slurmd
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
MinJobAge=600
NodeName=$NODE NodeAddr=127.0.0.1 CPUs=$CORES RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=$NODE Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
export SLURM_CONF="$PLACE/slurm.conf"
slurmctld -D -f "$SLURM_CONF" >"$PLACE/log/slurmctld.out" 2>&1 &
PARTS+=($!)
slurmd -D -f "$SLURM_CONF" >"$PLACE/log/slurmd.out" 2>&1 &
PARTS+=($!)

for _ in $(seq 120); do
  if [[ "$(sinfo -h -o %t 2>/dev/null)" =~ idle ]]; then break; fi
  sleep 1
done
sinfo || { tail -20 "$PLACE"/log/*; exit 1; }

# Twelve images of six people: the sample images under other names.
"$PYTHON" "$HERE/twelve.py" "$ROOT/tests/data" "$PLACE/data"

batch() { # OUT WORDS...
  "$PYTHON" -c "from sct_deepseg_general.cli import main; main()" batch -bids "$PLACE/data" \
    -o "$1" -m "${MODEL:-sc-general}" -no-qc -offline "${@:2}"
}
SLURM=(-slurm 3 -slurm-partition main -slurm-cpus 1 -slurm-mem 1 -slurm-time 30 -slurm-parallel 2 -jobs 1)

echo "--- submit 12 images as 3 shards, and follow"
batch "$PLACE/out" "${SLURM[@]}"
"$PYTHON" "$HERE/check.py" "$PLACE/out"

echo "--- the same again: nothing is left to do"
batch "$PLACE/out" -shard 1/1 -dry-run | awk '{print $1}' | sort | uniq -c

echo "--- pre-emption: the first shard is told to leave, goes back into the queue and goes on"
batch "$PLACE/again" "${SLURM[@]}" &
FOLLOWER=$!
JOURNAL="$PLACE/again/batch/0001-of-0003/journal.jsonl"
for _ in $(seq 600); do
  if grep -qs '"done"' "$JOURNAL"; then break; fi
  sleep 0.1
done
JOB="$(squeue -h -o %F | sort -n | tail -1)"
scancel --signal=USR2 "${JOB}_0"
sleep 3
squeue -o "%.12i %.4t %.10r"
wait "$FOLLOWER"
grep -h "requeue\|preempted\|interrupted\|kept\|to do" "$PLACE/again/batch/slurm/${JOB}_0_0_log".* || true
"$PYTHON" "$HERE/check.py" "$PLACE/again"

echo "--- a shard that is killed is told at the end, and the same command goes on"
STATUS=0
batch "$PLACE/killed" "${SLURM[@]}" >"$PLACE/killed.out" 2>&1 &
FOLLOWER=$!
for _ in $(seq 600); do
  if grep -qs '"begun"' "$PLACE/killed/batch/0001-of-0003/journal.jsonl"; then break; fi
  sleep 0.1
done
JOB="$(squeue -h -o %F | sort -n | tail -1)"
TASK="$(squeue -h -j "${JOB}_0" -o %A)"
scontrol listpids "$TASK" | awk 'NR > 1 && $1 > 1 {print $1}' | xargs kill -KILL # as for lack of memory
wait "$FOLLOWER" || STATUS=$?
cat "$PLACE/killed.out"
if [[ "$STATUS" != 1 ]]; then
  echo "FAILED exit code $STATUS for a killed shard"
  exit 1
fi
grep "Shard 0001-of-0003 was ended" "$PLACE/killed.out"
batch "$PLACE/killed" "${SLURM[@]}"
"$PYTHON" "$HERE/check.py" "$PLACE/killed"

echo "--- the array of docs/batch.md, of three tasks, and batch merge"
# The script is the page's own; its number of tasks, its size and its paths are this test's.
{
  sed -n '/^\*\*SLURM array/,$p' "$ROOT/docs/batch.md" | sed -n '/^#!\/bin\/bash/,/^```/p' | sed '$d'
} | sed -e 's|^#SBATCH --array=.*|#SBATCH --array=1-3%2|' -e 's|--cpus-per-task=.*|--cpus-per-task=1|' \
  -e 's|--mem=.*|--mem=1G|' \
  -e "s|-bids DATASET -o OUT|-bids $PLACE/data -o $PLACE/array -m ${MODEL:-sc-general} -no-qc|" \
  >"$PLACE/array.sh"
cat "$PLACE/array.sh"
PATH="$(dirname "$PYTHON"):$PATH" sbatch --wait --output="$PLACE/log/array-%a" "$PLACE/array.sh"
"$PYTHON" -c "from sct_deepseg_general.cli import main; main()" batch merge -o "$PLACE/array" \
  -bids "$PLACE/data"
"$PYTHON" "$HERE/check.py" "$PLACE/array"
