/* symbols.c - names of addresses, from an image's symbol table. */
#include "image.h" /* first: <elf.h> defines PF_W again */

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
    u64 address, size;
    u64 end;          /* of what it names: a label without a size goes on to the end of its section */
    const char *name; /* in the file's bytes */
};

struct rs_symbols {
    u64 id;
    u8 *file;
    Elf *elf;
    struct symbol *symbol; /* by address */
    size_t count;
};

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->size < y->size ? 1 : x->size > y->size ? -1 : strcmp(x->name, y->name);
}

/* Functions, objects and assembly labels; no sections, files or local labels. */
static bool wanted(const GElf_Sym *sym, const char *name)
{
    unsigned type = GELF_ST_TYPE(sym->st_info);
    return name && name[0] && name[0] != '.' && sym->st_shndx != SHN_UNDEF &&
           (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE);
}

static u64 end_of(Elf *elf, const GElf_Sym *sym)
{
    GElf_Shdr header;
    Elf_Scn *section = sym->st_shndx < SHN_LORESERVE ? elf_getscn(elf, sym->st_shndx) : NULL;
    if (sym->st_size || !section || !gelf_getshdr(section, &header))
        return sym->st_value + sym->st_size;
    return header.sh_addr + header.sh_size;
}

static void read_table(struct rs_symbols *s, const GElf_Shdr *header, Elf_Data *data)
{
    size_t n = header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
    if (n > data->d_size / sizeof(Elf64_Sym))
        n = data->d_size / sizeof(Elf64_Sym);
    s->symbol = realloc(s->symbol, (s->count + n + 1) * sizeof *s->symbol);
    if (!s->symbol)
        abort();
    for (size_t i = 0; i < n; i++) {
        GElf_Sym sym;
        if (!gelf_getsym(data, (int)i, &sym))
            continue;
        const char *name = elf_strptr(s->elf, header->sh_link, sym.st_name);
        if (wanted(&sym, name))
            s->symbol[s->count++] = (struct symbol){sym.st_value, sym.st_size, end_of(s->elf, &sym), name};
    }
}

struct rs_symbols *rs_symbols_load(const char *path, struct rs_error *err)
{
    static u64 loaded;
    struct rs_symbols *s = calloc(1, sizeof *s);
    size_t n;
    if (!s)
        abort();
    if (file_read(path, &s->file, &n, err) != RS_OK) {
        free(s);
        return NULL;
    }
    s->id = ++loaded;
    elf_version(EV_CURRENT);
    s->elf = elf_memory((char *)s->file, n);
    for (Elf_Scn *section = NULL; s->elf && (section = elf_nextscn(s->elf, section));) {
        GElf_Shdr header;
        Elf_Data *data;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB &&
            (data = elf_getdata(section, NULL)))
            read_table(s, &header, data);
    }
    if (s->count)
        qsort(s->symbol, s->count, sizeof *s->symbol, by_address);
    return s;
}

void rs_symbols_free(struct rs_symbols *s)
{
    if (!s)
        return;
    if (s->elf)
        elf_end(s->elf);
    free(s->symbol);
    free(s->file);
    free(s);
}

uint64_t rs_symbols_id(const struct rs_symbols *s)
{
    return s ? s->id : 0;
}

enum rs_status rs_symbol_address(const struct rs_symbols *s, const char *name, uint64_t *address,
                                 uint64_t *size)
{
    for (size_t i = 0; s && i < s->count; i++)
        if (strcmp(s->symbol[i].name, name) == 0) {
            *address = s->symbol[i].address;
            *size = s->symbol[i].size;
            return RS_OK;
        }
    return RS_FAILED;
}

const char *rs_symbol_at(const struct rs_symbols *s, uint64_t address, uint64_t *offset)
{
    size_t low = 0, high = s ? s->count : 0;
    while (low < high) { /* the first symbol behind address */
        size_t middle = (low + high) / 2;
        if (s->symbol[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct symbol *found = &s->symbol[low - 1];
    while (found > s->symbol && found[-1].address == found->address)
        found--; /* the largest of several: by_address puts it first */
    if (address != found->address && address >= found->end)
        return NULL;
    *offset = address - found->address;
    return found->name;
}
