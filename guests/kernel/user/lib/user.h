/* user.h - what programs have: the kernel's calls, and print() of guests/lib, which goes to descriptor 1. */
#ifndef USER_H
#define USER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/calls.h"
#include "kernel/net_call.h"
#include "lib/mark.h"
#include "lib/print.h"
#include "lib/string.h"

/* ---- system calls; -1 is failure ---- */

_Noreturn void end_process(int status); /* at once; see leave() */
int64_t fork(void);                     /* the child's id, in the child 0 */
int64_t wait(int *status); /* for a child's end: its id; 255 is the status of one that was killed */
int64_t exec(const char *const argv[]); /* the program argv[0]; returns only if there is none */
int64_t getpid(void);
int64_t yield(void);
int64_t kill(int64_t id);
int64_t open(
    const char *name); /* a file of the initrd, "/disk/...", or "/dev/disk", all of it: a descriptor */
int64_t read(int64_t fd, void *to, size_t n); /* how many bytes; 0 at the end */
int64_t write(int64_t fd, const void *from, size_t n);
int64_t close(int64_t fd);
int64_t dup2(int64_t from, int64_t to);
int64_t pipe(int fd[2]);             /* [0] to read from, [1] to write to */
int64_t mmap(size_t bytes, int big); /* zeros; big: of 2 MiB pages.  An address */
int64_t munmap(int64_t address, size_t bytes);
int64_t list(unsigned i, char name[32]);  /* the i-th file of the initrd: its size */
int64_t nano(unsigned which, uint64_t n); /* nano.def */
int64_t freemem(void);                    /* bytes */

int64_t clock(void); /* nanoseconds since the start */
/* Until a socket can be read: 1, or the time is up: 0; fd -1: that alone. */
int64_t await(int64_t fd, uint64_t ns);
/* NET_UDP or NET_ICMP; port 0: any that is free.  What is read and written: net_call.h. */
int64_t socket(int protocol, unsigned port);
int64_t netinfo(unsigned i, struct net_info *info); /* of the i-th interface */
int64_t netset(unsigned i, const struct net_setting *setting);
int64_t neighbour(unsigned i, struct net_neighbour *neighbour); /* the i-th whose MAC is known */

/* The disk: paths begin with "/disk".  What is promised of power cuts is in README.md. */
int64_t create(const char *path);          /* a file, emptied if it is there: a descriptor */
int64_t seek(int64_t fd, uint64_t offset); /* the next byte to be read or written; END: the last's next */
int64_t mkdir(const char *path);
int64_t remove(const char *path); /* a file that is not open, or an empty directory */
int64_t rename(const char *from, const char *to);
int64_t sync(void); /* all so far stays */
int64_t stat(const char *path, struct file_info *info);
int64_t entry(const char *directory, unsigned i, struct file_info *info); /* 1; 0: there are not so many */
int64_t space(struct disk_info *info);
int64_t format(void); /* an empty file system */

#define END UINT64_MAX

/* ---- lib/console.c ---- */

void flush(void); /* print() keeps a line until its '\n' */
_Noreturn void leave(int status);

/* ---- lib/words.c ---- */

int same(const char *a, const char *b);
/* A decimal number, or `otherwise` if it is none. */
uint64_t number_of(const char *text, uint64_t otherwise);
/* argv[i] as a decimal number, or `otherwise` if there is none; ends the program with status 2, and says so,
 * if it is something else. */
uint64_t number(int argc, char **argv, int i, uint64_t otherwise);
/* The next of a sequence that is as good as random: state must not be 0. */
uint64_t next_random(uint64_t *state);

/* ---- lib/address.c ---- */

/* "10.0.0.1"; 0: it is none. */
uint32_t parse_address(const char *text);
/* As text, in one of a few buffers that come round again. */
const char *address_text(uint32_t address);
const char *mac_text(const uint8_t mac[6]);
/* What a negative result of a call for networks means. */
const char *net_error(int64_t result);

/* ---- lib/crc.c ---- */

/* CRC-32 of IEEE 802.3 over bytes behind those whose CRC is given; 0 to begin with. */
uint32_t crc32(uint32_t crc, const void *bytes, size_t n);

/* ---- lib/child.c ---- */

/* Forks, runs body(argument) in the child and waits: the child's exit status, -1 if there was none. */
int in_child(int body(uint64_t argument), uint64_t argument);

int main(int argc, char **argv);

#endif
