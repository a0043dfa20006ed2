#!/usr/bin/env bash
# Execute NOTEBOOK with PARAMETERS (JSON) into LOG; a whole one, and only that, becomes OUTPUT. Of an error the last line
# is told, which says what it is; LOG shows where.
set -euo pipefail
[ $# = 4 ] || { echo "error: execute.sh NOTEBOOK LOG OUTPUT PARAMETERS" >&2; exit 2; }
notebook=$1 log=$2 output=$3 parameters=$4
trap 'rm -f "$output.part"' EXIT
if ! said=$(papermill "$notebook" "$log" -y "$parameters" --log-level WARNING --no-progress-bar 2>&1); then
  echo "error: ${said##*$'\n'}; $log" >&2
  exit 1
fi
cp "$log" "$output.part"
mv "$output.part" "$output"
