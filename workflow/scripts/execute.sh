#!/usr/bin/env bash
# Execute NOTEBOOK with PARAMETERS (JSON) into LOG; a whole one, and only that, becomes OUTPUT.
set -euo pipefail
notebook=$1 log=$2 output=$3 parameters=$4
papermill "$notebook" "$log" -y "$parameters" --log-level WARNING --no-progress-bar
cp "$log" "$output.part"
mv "$output.part" "$output"
