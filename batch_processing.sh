#!/usr/bin/env bash
#
# Segment the spinal cord of one subject, for SCT's batch runner:
#
#   sct_run_batch -script batch_processing.sh -path-data DATASET -path-output RESULTS -jobs 4
#
# The runner calls this script once for each subject (or session) with its name, sub-01 or
# sub-01/ses-1, as $1, and with these variables:
#
#   PATH_DATA             the BIDS dataset; it is only read
#   PATH_DATA_PROCESSED   masks (_seg.nii.gz), sidecars (_seg.json) and areas (_seg_csa.csv)
#   PATH_RESULTS          csa/SUBJECT.tsv: area of each slice; images/SUBJECT.tsv: each image
#   PATH_QC               the QC page of all subjects, index.html
#   PATH_LOG              the runner's own logs
#   INCLUDE_FILES, EXCLUDE_FILES   image names, from -include-yml and -exclude-yml
#
# If the same command is given again, subjects that are done are skipped, and a subject that was
# interrupted continues. Arguments after the subject are passed to sct_deepseg_sc_general batch:
#
#   sct_run_batch -script batch_processing.sh ... -script-args "-contrast T2w T1w -soft"
#
# Without arguments the script runs the sample dataset in tests/data and writes to output/.

set -euo pipefail

# The runner starts a copy of this script in its results folder, so the sample dataset is looked
# for beside the script only if there is no argument.
if [[ $# -eq 0 ]]; then
  HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
  export PATH_DATA="${PATH_DATA:-$HERE/tests/data}"
  OUTPUT="${PATH_OUTPUT:-$HERE/output/batch}"
  export PATH_DATA_PROCESSED="$OUTPUT/data_processed" PATH_RESULTS="$OUTPUT/results"
  export PATH_LOG="$OUTPUT/log" PATH_QC="$OUTPUT/qc"
  export PATH="$HERE/.venv/bin:$PATH"
  mkdir -p "$PATH_DATA_PROCESSED" "$PATH_RESULTS" "$PATH_LOG" "$PATH_QC"
  for FOLDER in "$PATH_DATA"/sub-*/; do
    "$HERE/$(basename "${BASH_SOURCE[0]}")" "$(basename "$FOLDER")"
  done
  echo "Results: $OUTPUT"
  exit 0
fi

SUBJECT="$1"
shift
if [[ $# -gt 0 && -z "$1" ]]; then shift; fi # the runner passes an empty argument if it has none

# Images of this subject; -contrast among the arguments selects some of them.
shopt -s nullglob
IMAGES=("$PATH_DATA/$SUBJECT"/{anat,func,dwi}/*.nii{,.gz} "$PATH_DATA/$SUBJECT"/ses-*/{anat,func,dwi}/*.nii{,.gz})
if [[ ${#IMAGES[@]} -eq 0 ]]; then
  echo "$SUBJECT has no image." >&2
  exit 1
fi

WORDS=()
if [[ -n "${INCLUDE_FILES:-}" ]]; then read -ra NAMES <<<"$INCLUDE_FILES" && WORDS+=(-include "${NAMES[@]}"); fi
if [[ -n "${EXCLUDE_FILES:-}" ]]; then read -ra NAMES <<<"$EXCLUDE_FILES" && WORDS+=(-exclude "${NAMES[@]}"); fi

# One worker for each subject: the runner's -jobs sets how many subjects run at the same time, and
# its -itk-threads the threads of each. Every subject has its own journal, so they do not wait for
# each other. -shard 1/1 is needed inside a SLURM array that already divides the subjects.
STATUS=0
sct_deepseg_sc_general batch \
  -i "${IMAGES[@]}" -root "$PATH_DATA/$SUBJECT" -o "$PATH_DATA_PROCESSED/$SUBJECT" \
  -naming sct -qc "$PATH_QC" -shard 1/1 -jobs 1 \
  -threads "${ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS:-1}" -v 2 \
  ${WORDS[@]+"${WORDS[@]}"} "$@" || STATUS=$?

# Copy the tables under the name of the subject, where the runner expects results.
for TABLE in csa images; do
  if [[ -f "$PATH_DATA_PROCESSED/$SUBJECT/$TABLE.tsv" ]]; then
    mkdir -p "$PATH_RESULTS/$TABLE"
    TARGET="$PATH_RESULTS/$TABLE/${SUBJECT//\//_}.tsv"
    cp "$PATH_DATA_PROCESSED/$SUBJECT/$TABLE.tsv" "$TARGET.part" && mv "$TARGET.part" "$TARGET"
  fi
done
exit "$STATUS"
