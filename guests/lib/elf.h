/* elf.h - the part of ELF64 that a loader needs (System V ABI, "Object Files"). */
#ifndef GUEST_ELF_H
#define GUEST_ELF_H

#include <stdint.h>

#define ELF_CLASS_64      2
#define ELF_LITTLE_ENDIAN 1
#define ELF_EXECUTABLE    2
#define ELF_X86_64        62
#define ELF_LOAD          1

struct elf_header {
    uint8_t magic[4], class, data, version, abi[9];
    uint16_t type, machine;
    uint32_t version2;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

#endif
