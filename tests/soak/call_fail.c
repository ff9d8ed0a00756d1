/* SPDX-License-Identifier: MIT */

/*
 * Preloaded into a run: at the CALL_AT-th call of a kind, counted over all its processes and
 * threads from 1 on, the process dies by SIGKILL, or the call fails.
 *
 *     CALL_NAME    write, fsync, rename, openat, ftruncate, socket or mmap, with their kin; of
 *                  writes that are to fail only those to files count
 *     CALL_AT      which one
 *     CALL_ERRNO   what it fails with; 0: the process dies
 *     CALL_COUNT   a file of 8 bytes, in which the calls are counted
 *
 * Counted is what flowrun, its plugins and its libraries call, not what the C library calls itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static _Atomic uint64_t *counter; /* NULL: nothing is to happen */
static const char *chosen = "";
static uint64_t at;
static int cause;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CALL_COUNT");
    const char *name = getenv("CALL_NAME");
    const char *number = getenv("CALL_AT");
    const char *code = getenv("CALL_ERRNO");
    if (path == NULL || name == NULL || number == NULL || code == NULL)
        return;
    chosen = name;
    at = strtoull(number, NULL, 10);
    cause = atoi(code);
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *map = fd >= 0 ? (void *)syscall(SYS_mmap, NULL, sizeof(*counter), PROT_READ | PROT_WRITE,
                                          MAP_SHARED, fd, 0)
                        : MAP_FAILED;
    if (map != MAP_FAILED)
        counter = map;
    (void)close(fd);
}

/* Is this the one?  It fails, or does not return. */
static bool fails(const char *name)
{
    if (counter == NULL || strcmp(name, chosen) != 0 || atomic_fetch_add(counter, 1) + 1 != at)
        return false;
    if (cause == 0)
        (void)kill(getpid(), SIGKILL);
    errno = cause;
    return true;
}

/* Only what goes to a file can fail as files do; to die is possible anywhere. */
static bool write_fails(int fd)
{
    struct stat info;
    return (cause == 0 || (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))) && fails("write");
}

EXPORTED ssize_t write(int fd, const void *data, size_t size)
{
    return write_fails(fd) ? -1 : syscall(SYS_write, fd, data, size);
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return write_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}

EXPORTED ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return write_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}

EXPORTED int fsync(int fd)
{
    return fails("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORTED int fdatasync(int fd)
{
    return fails("fsync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORTED int rename(const char *from, const char *to)
{
    return fails("rename") ? -1 : (int)syscall(SYS_rename, from, to);
}

EXPORTED int renameat(int folder, const char *from, int to_folder, const char *to)
{
    return fails("rename") ? -1 : (int)syscall(SYS_renameat, folder, from, to_folder, to);
}

EXPORTED int ftruncate(int fd, off_t size)
{
    return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

EXPORTED int ftruncate64(int fd, off64_t size)
{
    return fails("ftruncate") ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

EXPORTED int socket(int domain, int type, int protocol)
{
    return fails("socket") ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

EXPORTED void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails("mmap") ? MAP_FAILED
                         : (void *)syscall(SYS_mmap, where, size, protection, flags, fd, offset);
}

EXPORTED void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t offset)
{
    return mmap(where, size, protection, flags, fd, offset);
}

static int open_or_fail(int folder, const char *path, int flags, va_list args)
{
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    return fails("openat") ? -1 : (int)syscall(SYS_openat, folder, path, flags, mode);
}

#define OPEN(name, arguments, folder)                                                              \
    int name arguments;                                                                            \
    EXPORTED int name arguments                                                                    \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        const int fd = open_or_fail(folder, path, flags, args);                                    \
        va_end(args);                                                                              \
        return fd;                                                                                 \
    }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int at_folder, const char *path, int flags, ...), at_folder)
OPEN(openat64, (int at_folder, const char *path, int flags, ...), at_folder)
