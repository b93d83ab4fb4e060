#!/bin/sh
# What README.md shows is what happens: its scenario holds, and its picture is the view's but for addresses.   readme.sh BUILD
set -eu

build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# shellcheck disable=SC2016 # the backquotes are Markdown's
sed -n '/^```lua$/,/^```$/p' README.md | sed '/^```/d' >"$work/scenario"
grep -q check_eq "$work/scenario"
"$build/ringside" run "$work/scenario"

# Another compiler lays hypervisor and guests out anew: numbers of five digits and more are not compared.
without_addresses() { sed -E 's/[0-9a-f,]{5,}/#/g; s/A:[0-9]+/A:#/; s/ +/ /g'; }
sed -n '/^ *A:[0-9.]* *walk, non-root/,/help  q quit$/p' README.md | without_addresses >"$work/readme"
tools/picture "$build" | without_addresses >"$work/view"
diff "$work/readme" "$work/view" || {
    echo "README.md's picture is out of date: make pictures"
    exit 1
}
