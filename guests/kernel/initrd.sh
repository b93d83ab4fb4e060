#!/bin/sh
# The initrd as assembly, for initrd.c: `struct initrd_file initrd_files[]`, in the order given.   initrd.sh FILE...
set -u

i=0
for file in "$@"; do
    printf '    .section .rodata.initrd, "a"\n    .balign 16\nname%d: .asciz "%s"\n    .balign 16\n' "$i" "$(basename "$file")"
    printf 'begin%d: .incbin "%s"\nend%d:\n' "$i" "$file" "$i"
    i=$((i + 1))
done
printf '    .section .rodata.initrd_files, "a"\n    .balign 8\n    .globl initrd_files, initrd_files_end\ninitrd_files:\n'
j=0
while [ "$j" -lt "$i" ]; do
    printf '    .quad name%d, begin%d, end%d - begin%d\n' "$j" "$j" "$j" "$j"
    j=$((j + 1))
done
echo 'initrd_files_end:'
