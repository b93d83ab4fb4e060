#!/bin/sh
# symbols.sh - from `nm -n` of the hypervisor's image to the table of symbols.c, in assembly.
exec awk '
    BEGIN {
        print "    .section .symbols, \"a\"\n    .balign 8"
        print "    .globl symbol_table, symbol_table_count\nsymbol_table:"
    }
    $2 ~ /^[tT]$/ { name[n] = $3; printf "    .quad 0x%s, name_%d\n", $1, n++ }
    $3 == "text_end" && $2 !~ /^[tT]$/ { name[n] = $3; printf "    .quad 0x%s, name_%d\n", $1, n++ }
    END {
        printf "symbol_table_count:\n    .quad %d\n", n
        for (i = 0; i < n; i++)
            printf "name_%d: .asciz \"%s\"\n", i, name[i]
    }'
