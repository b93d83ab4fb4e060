/* rude - what no process may do, each in a child of its own, which ends by it or is told -1. */
#include "user.h"

#define KERNEL    0xffff800000100000u
#define USER_CODE 0x400000u
#define PAGE      4096

static int load_null(uint64_t unused)
{
    (void)unused;
    return *(volatile int *)(uintptr_t)unused;
}

static int write_at(uint64_t address)
{
    return (int)(*(volatile uint64_t *)address = 0);
}

static int halt(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("hlt");
    return 0;
}

static int port(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("outb %%al, $0xf4" : : "a"(0));
    return 0;
}

static int divide(uint64_t zero)
{
    __asm__ volatile("divl %0" : : "r"((uint32_t)zero) : "rax", "rdx", "cc");
    return 0;
}

static int undefined(uint64_t unused)
{
    (void)unused;
    __asm__ volatile("ud2");
    return 0;
}

static int no_such_call(uint64_t call)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(call) : "rcx", "r11", "memory");
    return result == -1;
}

static int kernel_as_buffer(uint64_t address)
{
    return write(1, (const void *)address, 8) == -1 && read(0, (void *)address, 0) == 0 &&
           open((const char *)address) == -1 && pipe((int *)address) == -1 &&
           exec((const char *const *)address) == -1;
}

static int too_much(uint64_t bytes)
{
    return mmap(bytes, 0) == -1 && mmap(0, 0) == -1 && munmap((int64_t)KERNEL, PAGE) == -1 &&
           munmap(0x400000, bytes) == -1;
}

static int net_calls(uint64_t address)
{
    void *kernel = (void *)address;
    struct net_setting setting = {.address = 1, .prefix = 33};

    return socket(99, 1) == -1 && socket(NET_UDP, 65536) == -1 && netinfo(0, kernel) == -1 &&
           netinfo(1000, kernel) == -1 && netset(0, kernel) == -1 && netset(0, &setting) == -1 &&
           neighbour(0, kernel) == -1 && await(0, 0) == -1 && await(77, 0) == -1;
}

static int socket_buffers(uint64_t address)
{
    static uint8_t bytes[NET_DATA_MOST + 100];
    void *kernel = (void *)address;
    int64_t before = freemem(), fd = socket(NET_UDP, 7777);
    int right = fd > 0 && socket(NET_UDP, 7777) == NET_PORT_TAKEN && write(fd, kernel, 100) == -1 &&
                write(fd, bytes, 4) == -1 && write(fd, bytes, sizeof bytes) == -1 &&
                write(fd, bytes, SIZE_MAX) == -1 && read(fd, bytes, 4) == -1 && await(fd, 0) == 0 &&
                await(fd, 1000) == 0;

    return right && close(fd) == 0 && await(fd, 0) == -1 && freemem() == before;
}

static int sockets(uint64_t unused)
{
    int count = 0;

    (void)unused;
    while (socket(NET_ICMP, 0) >= 0)
        count++;
    return count > 8 && count < 16;
}

static int forks(uint64_t unused)
{
    int count = 0, status;
    int64_t id;

    (void)unused;
    while ((id = fork()) > 0)
        count++;
    if (id == 0)
        leave(0);
    while (wait(&status) > 0)
        ;
    return count > 8 && count < 64;
}

struct trick {
    const char *what;
    int (*body)(uint64_t);
    uint64_t argument;
};

static const struct trick tricks[] = {
    {"loads from address 0", load_null, 0},
    {"writes to the kernel", write_at, KERNEL},
    {"writes to its code", write_at, USER_CODE},
    {"HLT", halt, 0},
    {"OUT", port, 0},
    {"divides by zero", divide, 0},
    {"UD2", undefined, 0},
    {"a call that there is not", no_such_call, 1000},
    {"the kernel's memory as a buffer", kernel_as_buffer, KERNEL},
    {"the whole address space", too_much, 0x7fffffffffff},
    {"calls for networks with the kernel's memory", net_calls, KERNEL},
    {"a socket with buffers that are none", socket_buffers, KERNEL},
    {"opens sockets until there are none left", sockets, 0},
    {"forks until there are no processes left", forks, 0},
};

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (unsigned i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        print("rude: %s\n", tricks[i].what);
        print("rude: status %d\n", in_child(tricks[i].body, tricks[i].argument));
    }
    return 0;
}
