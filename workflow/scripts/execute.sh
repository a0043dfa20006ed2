#!/usr/bin/env bash
# Execute NOTEBOOK with PARAMETERS (JSON) into LOG; a whole one, and only that, becomes OUTPUT. What it says of its
# progress is passed on as it comes. Of an error the last line is told, which says what it is; LOG shows where.
set -euo pipefail
[ $# = 4 ] || { echo "error: execute.sh NOTEBOOK LOG OUTPUT PARAMETERS" >&2; exit 2; }
notebook=$1 log=$2 output=$3 parameters=$4
name=$(basename "$output" .ipynb)
trap 'rm -f "$output.part"' EXIT
papermill "$notebook" "$log" -y "$parameters" --log-output --log-level INFO --no-progress-bar 2>&1 | {
  last=
  while IFS= read -r line; do
    case $line in *': '*' of '*' s left' | *': '*' done, '*) echo "$name, $line" ;; esac
    [ -z "$line" ] || last=$line
  done
  printf '%s' "$last" > "$output.part"
} || { echo "error: $(cat "$output.part"); $log" >&2; exit 1; }
cp "$log" "$output.part"
mv "$output.part" "$output"
