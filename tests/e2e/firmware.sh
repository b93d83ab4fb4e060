#!/bin/sh
# ACPICA reads the board's ACPI tables, and compiles again what it makes of DSDT.   firmware.sh BUILD
set -u

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

ok() { echo "ok - $*"; }
not_ok() {
    echo "not ok - $*"
    failed=1
}

cd "$work" || exit 1
if ! "$build/ringside" run "$root/tests/peers/acpi.lua" >tables 2>err || [ "$(wc -l <tables)" -ne 6 ]; then
    cat tables err
    not_ok "the tables cannot be read"
    exit 1
fi
if ! command -v iasl >/dev/null; then
    echo "SKIPPED: the ACPI tables are not read by ACPICA: iasl is missing (acpica-tools)"
    exit 0
fi
while read -r signature bytes; do
    # shellcheck disable=SC2059 # the bytes are escapes
    printf "$bytes" >"$signature.dat"
    if iasl -d "$signature.dat" >log 2>&1 && ! grep -iE 'error|warning|invalid|incorrect|unknown|truncated' log "$signature.dsl" | grep -v '0 Err'; then
        ok "$signature"
    else
        cat log
        not_ok "$signature is not what ACPICA expects"
    fi
done <tables
if iasl -p again DSDT.dsl >log 2>&1 && grep -q '0 Errors, 0 Warnings' log; then
    ok "DSDT compiles again"
else
    cat log
    not_ok "DSDT does not compile again"
fi
exit "$failed"
