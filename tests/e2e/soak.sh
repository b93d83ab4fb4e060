#!/bin/sh
# The soak takes whole numbers alone, and compares something or says so.   tests/e2e/soak.sh BUILD
set -u
soak=$1/soak

# STATUS PATTERN ARGUMENT...
ends() {
    status=$1 pattern=$2
    shift 2
    said=$(timeout 20 "$soak" "$@" 2>&1)
    [ $? -eq "$status" ] && echo "$said" | grep -q "$pattern"
}

# An argument list a line; the first is one empty argument.
while read -r seconds processes more; do
    set -- "$seconds" ${processes:+"$processes"} ${more:+"$more"}
    if ends 2 'bad usage; see soak --help' "$@"; then echo "ok - soak $* is refused"; else echo "not ok - soak $*: $said"; fi
done <<END

-5
abc
0
1x
99999999999999999999999
1 0
1 257
1 1 1
--seed
--seed 1x
END

if ends 0 '^usage: soak ' --help; then echo 'ok - soak --help'; else echo "not ok - soak --help: $said"; fi

# Of the two one is likely to be skipped; or there is no processor here to compare with.
for seed in 1 52; do
    if ends 0 '^it agrees' --seed $seed || ends 1 '^soak: nothing was compared' --seed $seed ||
        ends 2 'it takes an x86-64' --seed $seed; then
        echo "ok - soak --seed $seed"
    else
        echo "not ok - soak --seed $seed: status $status: $said"
    fi
done
