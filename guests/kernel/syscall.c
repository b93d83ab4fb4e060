/* syscall.c - the system calls: arguments from a process to what does the work. */
#include "kernel/arp.h"
#include "kernel/clock.h"
#include "kernel/exec.h"
#include "kernel/file.h"
#include "kernel/fs.h"
#include "kernel/initrd.h"
#include "kernel/memory.h"
#include "kernel/nano.h"
#include "kernel/netdev.h"
#include "kernel/process.h"
#include "lib/paging.h"

#define NAME_MAX 32
#define PATH_MAX 256

typedef int64_t call(uint64_t a, uint64_t b, uint64_t c);

/* ---- processes ---- */

static int64_t sys_exit(uint64_t status, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    process_exit((int)(status & 0xff));
}

static int64_t sys_fork(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return process_fork();
}

static int64_t sys_wait(uint64_t status_va, uint64_t b, uint64_t c)
{
    int status = 0, id = process_wait(&status);

    (void)b, (void)c;
    if (id > 0 && status_va && !copy_out(&current->space, status_va, &status, sizeof status))
        return -1;
    return id;
}

static int64_t sys_exec(uint64_t argv, uint64_t b, uint64_t c)
{
    struct arguments args = {0};
    char text[ARGUMENT_BYTES_MAX];
    uint64_t va;

    (void)b, (void)c;
    for (;; argv += sizeof va) {
        if (!copy_in(&current->space, &va, argv, sizeof va))
            return -1;
        if (!va)
            return exec_image(&args);
        if (!copy_string_in(&current->space, text, va, sizeof text) || !exec_add_argument(&args, text))
            return -1;
    }
}

static int64_t sys_getpid(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return current->id;
}

static int64_t sys_yield(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    process_yield();
    return 0;
}

static int64_t sys_kill(uint64_t id, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    return process_kill((int)id);
}

/* ---- files ---- */

static struct file *open_file(uint64_t fd)
{
    return fd < FILES ? current->file[fd] : NULL;
}

static int64_t install(struct file *file)
{
    for (unsigned fd = 0; file && fd < FILES; fd++)
        if (!current->file[fd]) {
            current->file[fd] = file;
            return fd;
        }
    file_close(file);
    return -1;
}

static int64_t sys_open(uint64_t name_va, uint64_t b, uint64_t c)
{
    char name[PATH_MAX];

    (void)b, (void)c;
    return copy_string_in(&current->space, name, name_va, sizeof name) ? install(file_open(name)) : -1;
}

static int64_t sys_read(uint64_t fd, uint64_t va, uint64_t n)
{
    return open_file(fd) ? file_read(open_file(fd), va, n) : -1;
}

static int64_t sys_write(uint64_t fd, uint64_t va, uint64_t n)
{
    return open_file(fd) ? file_write(open_file(fd), va, n) : -1;
}

static int64_t sys_close(uint64_t fd, uint64_t b, uint64_t c)
{
    (void)b, (void)c;
    if (!open_file(fd))
        return -1;
    file_close(current->file[fd]);
    current->file[fd] = NULL;
    return 0;
}

static int64_t sys_dup2(uint64_t from, uint64_t to, uint64_t c)
{
    struct file *file = file_hold(open_file(from));

    (void)c;
    if (!file || to >= FILES) {
        file_close(file);
        return -1;
    }
    file_close(current->file[to]);
    current->file[to] = file;
    return (int64_t)to;
}

static int64_t sys_pipe(uint64_t fds_va, uint64_t b, uint64_t c)
{
    struct file *end[2];
    int fd[2];

    (void)b, (void)c;
    if (file_pipe(end) < 0)
        return -1;
    fd[0] = (int)install(end[0]);
    fd[1] = (int)install(end[1]);
    if (fd[0] >= 0 && fd[1] >= 0 && copy_out(&current->space, fds_va, fd, sizeof fd))
        return 0;
    sys_close((uint64_t)fd[0], 0, 0);
    sys_close((uint64_t)fd[1], 0, 0);
    return -1;
}

static int64_t sys_list(uint64_t i, uint64_t name_va, uint64_t c)
{
    const struct initrd_file *file = initrd_nth((unsigned)i);

    (void)c;
    for (uint64_t n = 0; file && n < NAME_MAX; n++)
        if (!copy_out(&current->space, name_va + n, &file->name[n], 1))
            return -1;
        else if (!file->name[n])
            return (int64_t)file->size;
    return -1;
}

/* ---- the disk ---- */

static int64_t sys_create(uint64_t path_va, uint64_t b, uint64_t c)
{
    char path[PATH_MAX];

    (void)b, (void)c;
    return copy_string_in(&current->space, path, path_va, sizeof path) ? install(file_create(path)) : -1;
}

static int64_t sys_seek(uint64_t fd, uint64_t offset, uint64_t c)
{
    (void)c;
    return open_file(fd) ? file_seek(open_file(fd), offset) : -1;
}

/* A path of the disk: what follows "/disk", or NULL. */
static const char *disk_path(uint64_t va, char path[PATH_MAX])
{
    return copy_string_in(&current->space, path, va, PATH_MAX) ? file_disk_path(path) : NULL;
}

static int64_t sys_mkdir(uint64_t path_va, uint64_t b, uint64_t c)
{
    char text[PATH_MAX];
    const char *path = disk_path(path_va, text);

    (void)b, (void)c;
    return path ? fs_make_directory(path) : -1;
}

static int64_t sys_remove(uint64_t path_va, uint64_t b, uint64_t c)
{
    char text[PATH_MAX];
    const char *path = disk_path(path_va, text);

    (void)b, (void)c;
    return path ? fs_remove(path) : -1;
}

static int64_t sys_rename(uint64_t from_va, uint64_t to_va, uint64_t c)
{
    char text[2][PATH_MAX];
    const char *from = disk_path(from_va, text[0]), *to = disk_path(to_va, text[1]);

    (void)c;
    return from && to ? fs_rename(from, to) : -1;
}

static int64_t sys_sync(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return fs_commit();
}

static int64_t give(uint64_t va, const void *what, size_t n, int64_t result)
{
    return result >= 0 && copy_out(&current->space, va, what, n) ? result : -1;
}

static int64_t sys_stat(uint64_t path_va, uint64_t info_va, uint64_t c)
{
    char text[PATH_MAX];
    const char *path = disk_path(path_va, text);
    struct file_info info = {0};

    (void)c;
    return path ? give(info_va, &info, sizeof info, fs_info(path, &info)) : -1;
}

static int64_t sys_entry(uint64_t path_va, uint64_t i, uint64_t info_va)
{
    char text[PATH_MAX];
    const char *path = disk_path(path_va, text);
    struct file_info info = {0};

    return path ? give(info_va, &info, sizeof info, fs_nth(path, (uint32_t)i, &info)) : -1;
}

static int64_t sys_space(uint64_t info_va, uint64_t b, uint64_t c)
{
    struct disk_info info = {0};

    (void)b, (void)c;
    return give(info_va, &info, sizeof info, fs_space(&info));
}

static int64_t sys_format(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return fs_format();
}

/* ---- memory ---- */

static int64_t sys_mmap(uint64_t bytes, uint64_t big, uint64_t c)
{
    uint64_t va = space_map(&current->space, bytes, REGION_WRITE | (big ? REGION_BIG : 0));

    (void)c;
    return va ? (int64_t)va : -1;
}

static int64_t sys_munmap(uint64_t va, uint64_t bytes, uint64_t c)
{
    (void)c;
    return bytes < USER_END && va < USER_END && space_unmap(&current->space, va, va + bytes) ? 0 : -1;
}

static int64_t sys_freemem(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return (int64_t)page_free_bytes();
}

static int64_t sys_nano(uint64_t which, uint64_t n, uint64_t c)
{
    (void)c;
    return nano_run((unsigned)which, n);
}

/* ---- time and networks ---- */

static int64_t sys_clock(uint64_t a, uint64_t b, uint64_t c)
{
    (void)a, (void)b, (void)c;
    return (int64_t)clock_ns();
}

static int64_t sleep_until(uint64_t deadline)
{
    while (clock_ns() < deadline && !current->killed)
        process_wait_until(&current->deadline, deadline);
    return 0;
}

static int64_t sys_await(uint64_t fd, uint64_t ns, uint64_t c)
{
    uint64_t now = clock_ns(), deadline = ns < CLOCK_NEVER - now ? now + ns : CLOCK_NEVER;

    (void)c;
    if (fd == UINT64_MAX)
        return sleep_until(deadline);
    return open_file(fd) ? file_await(open_file(fd), deadline) : -1;
}

static int64_t sys_socket(uint64_t protocol, uint64_t port, uint64_t c)
{
    int64_t why;
    struct file *file = file_socket(protocol, port, &why);

    (void)c;
    return file ? install(file) : why;
}

static int64_t sys_netinfo(uint64_t i, uint64_t info_va, uint64_t c)
{
    struct net_info info;

    (void)c;
    return i < NETDEVS && netdev_info((unsigned)i, &info) &&
                   copy_out(&current->space, info_va, &info, sizeof info)
               ? 0
               : -1;
}

static int64_t sys_netset(uint64_t i, uint64_t setting_va, uint64_t c)
{
    struct net_setting setting;

    (void)c;
    return copy_in(&current->space, &setting, setting_va, sizeof setting) && i < NETDEVS &&
                   netdev_set((unsigned)i, &setting)
               ? 0
               : -1;
}

static int64_t sys_neighbour(uint64_t i, uint64_t neighbour_va, uint64_t c)
{
    struct net_neighbour neighbour;

    (void)c;
    return i <= UINT32_MAX && arp_nth((unsigned)i, &neighbour) &&
                   copy_out(&current->space, neighbour_va, &neighbour, sizeof neighbour)
               ? 0
               : -1;
}

/* ---- the table ---- */

static call *const calls[] = {
#define S(number, name) [number] = sys_##name,
#include "kernel/syscall.def"
#undef S
};

void syscall_dispatch(struct trap_frame *frame)
{
    if (frame->rax < sizeof calls / sizeof *calls && calls[frame->rax]) {
        int64_t result = calls[frame->rax](frame->rdi, frame->rsi, frame->rdx);

        if (calls[frame->rax] != sys_exec || result < 0)
            frame->rax = (uint64_t)result;
    } else {
        frame->rax = UINT64_MAX;
    }
    process_end_if_killed();
}
