#include "dma.h"

#include "guests/lib/string.h"
#include "page.h"
#include "vm.h"

static uint64_t in_page(uint64_t gpa, uint64_t bytes)
{
    uint64_t left = PAGE_BYTES - gpa % PAGE_BYTES;

    return left < bytes ? left : bytes;
}

bool dma_read(struct vm *vm, uint64_t gpa, void *to, uint64_t bytes)
{
    uint8_t *at = to;

    for (uint64_t n; bytes > 0; bytes -= n, gpa += n, at += n) {
        const uint8_t *page = vm_page(vm, gpa);

        if (!page)
            return false;
        n = in_page(gpa, bytes);
        memcpy(at, page + gpa % PAGE_BYTES, n);
    }
    return true;
}

bool dma_write(struct vm *vm, uint64_t gpa, const void *from, uint64_t bytes)
{
    const uint8_t *at = from;

    for (uint64_t n; bytes > 0; bytes -= n, gpa += n, at += n) {
        uint8_t *page = vm_page(vm, gpa);

        if (!page)
            return false;
        n = in_page(gpa, bytes);
        memcpy(page + gpa % PAGE_BYTES, at, n);
        pager_written_by_device(vm, gpa);
    }
    return true;
}
