#!/usr/bin/env bash
# Opens one issue when the monitor found the deployment bad, adds to it while it stays so, closes it on recovery.
#   report_monitor.sh RESULT      0 is good, everything else is bad; RUN_URL names the run; needs gh and its GH_TOKEN
set -euo pipefail
result=$1
title="The deployment fails its daily check"
issue=$(gh issue list --state open --label monitor --json number --jq '.[0].number // empty')
if [ "$result" = 0 ]; then
  [ -z "$issue" ] || gh issue close "$issue" --comment "It passes again: $RUN_URL"
  exit 0
fi
if [ -n "$issue" ]; then
  gh issue comment "$issue" --body "Still failing (exit code $result): $RUN_URL"
else
  gh label create monitor --description "Opened and closed by the daily check" --force
  gh issue create --label monitor --title "$title" \
    --body "The monitor or the suite ended with exit code $result: $RUN_URL. This issue closes itself on recovery."
fi
echo "::error::The deployment fails its check (exit code $result)."
exit 1
