#!/bin/sh
# The scenario shown in README.md runs and holds.
set -e
scenario=$(mktemp)
trap 'rm -f "$scenario"' EXIT
# shellcheck disable=SC2016 # the backquotes are Markdown's
sed -n '/^```lua$/,/^```$/p' README.md | sed '/^```/d' >"$scenario"
grep -q check_eq "$scenario"
"$1/ringside" run "$scenario"
