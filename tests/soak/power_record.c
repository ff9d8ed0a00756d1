/* SPDX-License-Identifier: MIT */

/*
 * Preloaded into a run: writes down, in the order in which it happens, what all its processes do to
 * the files below the folder $POWER_ROOT, into the file $POWER_LOG.  One line each:
 *
 *     C INODE PATH          a file is made
 *     E INODE PATH          one that was there before is opened to be written to
 *     T INODE SIZE          it gets this size
 *     W INODE OFFSET SIZE   these bytes are written; they follow, and a line end
 *     S INODE               it is synced
 *     M PATH                a folder is made
 *     D PATH                a folder is synced
 *     R FROM -> TO          a file gets another name
 *     U PATH                a name is removed
 *
 * Paths are relative to the folder, which is ".".  What happens and its line are one under a lock
 * that all processes share; what goes by other calls than these is missed, and shows when the log
 * is played back and the folder is another one.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int log_fd = -1;
static char root[PATH_MAX];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("POWER_ROOT");
    const char *path = getenv("POWER_LOG");
    if (folder == NULL || path == NULL || realpath(folder, root) == NULL)
        return;
    log_fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* flock holds off other processes, the mutex other threads of this one. */
static void lock(void)
{
    pthread_mutex_lock(&turn);
    while (log_fd >= 0 && flock(log_fd, LOCK_EX) != 0)
        continue;
}

static void unlock(void)
{
    const int cause = errno;
    if (log_fd >= 0)
        (void)flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&turn);
    errno = cause;
}

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    char line[3 * PATH_MAX];
    va_list args;
    va_start(args, fmt);
    const int size = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    (void)syscall(SYS_write, log_fd, line, (size_t)size);
}

/* The path below the root, "." for itself; NULL: it is elsewhere. */
static const char *below(const char *path)
{
    const size_t size = strlen(root);
    if (log_fd < 0 || strncmp(path, root, size) != 0)
        return NULL;
    return path[size] == '\0' ? "." : path[size] == '/' ? path + size + 1 : NULL;
}

static const char *path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t size = log_fd >= 0 ? readlink(link, path, PATH_MAX - 1) : -1;
    path[size > 0 ? size : 0] = '\0';
    return below(path);
}

static const char *path_at(int folder, const char *name, char path[PATH_MAX])
{
    char at[PATH_MAX];
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return below(path);
    }
    if (folder == AT_FDCWD ? getcwd(at, sizeof(at)) == NULL : path_of(folder, at) == NULL)
        return NULL;
    while (strncmp(name, "./", 2) == 0)
        name += 2;
    if ((size_t)snprintf(path, PATH_MAX, "%s/%s", at, name) >= PATH_MAX)
        return NULL;
    return below(path);
}

/* A plain file that is watched: its number; 0: it is none. */
static unsigned long inode_of(int fd)
{
    char path[PATH_MAX];
    struct stat info;
    return path_of(fd, path) != NULL && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)
               ? (unsigned long)info.st_ino
               : 0;
}

/* ---- the calls ---- */

static int open_noted(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    struct stat info;
    lock();
    const char *watched =
        (flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)) != 0 ? path_at(folder, name, path) : NULL;
    const bool is_new = watched != NULL && stat(path, &info) != 0;
    const int fd = (int)syscall(SYS_openat, folder, name, flags, mode);
    const unsigned long inode = fd >= 0 && watched != NULL ? inode_of(fd) : 0;
    if (inode != 0 && is_new)
        note("C %lu %s\n", inode, watched);
    else if (inode != 0)
        note("E %lu %s\n", inode, watched);
    if (inode != 0 && !is_new && (flags & O_TRUNC) != 0)
        note("T %lu 0\n", inode);
    unlock();
    return fd;
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...);                                                    \
    __attribute__((visibility("default"))) int name(const char *path, int flags, ...)              \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        const mode_t mode = mode_of(flags, args);                                                  \
        va_end(args);                                                                              \
        return open_noted(AT_FDCWD, path, flags, mode);                                            \
    }
#define OPENAT(name)                                                                               \
    int name(int folder, const char *path, int flags, ...);                                        \
    __attribute__((visibility("default"))) int name(int folder, const char *path, int flags, ...)  \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, flags);                                                                     \
        const mode_t mode = mode_of(flags, args);                                                  \
        va_end(args);                                                                              \
        return open_noted(folder, path, flags, mode);                                              \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define EXPORTED __attribute__((visibility("default")))

static void note_write(unsigned long inode, const void *data, ssize_t size, off_t offset)
{
    note("W %lu %lld %zd\n", inode, (long long)offset, size);
    (void)syscall(SYS_write, log_fd, data, (size_t)size);
    (void)syscall(SYS_write, log_fd, "\n", (size_t)1);
}

EXPORTED ssize_t write(int fd, const void *data, size_t size)
{
    const unsigned long inode = inode_of(fd);
    if (inode == 0)
        return syscall(SYS_write, fd, data, size);
    lock();
    const ssize_t done = syscall(SYS_write, fd, data, size);
    if (done > 0)
        note_write(inode, data, done, lseek(fd, 0, SEEK_CUR) - done);
    unlock();
    return done;
}

static ssize_t pwrite_noted(int fd, const void *data, size_t size, off_t offset)
{
    lock();
    const unsigned long inode = inode_of(fd);
    const ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);
    if (done > 0 && inode != 0)
        note_write(inode, data, done, offset);
    unlock();
    return done;
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite_noted(fd, data, size, offset);
}

EXPORTED ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return pwrite_noted(fd, data, size, offset);
}

static int truncate_noted(int fd, off_t size)
{
    lock();
    const unsigned long inode = inode_of(fd);
    const int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && inode != 0)
        note("T %lu %lld\n", inode, (long long)size);
    unlock();
    return rc;
}

EXPORTED int ftruncate(int fd, off_t size)
{
    return truncate_noted(fd, size);
}

EXPORTED int ftruncate64(int fd, off64_t size)
{
    return truncate_noted(fd, size);
}

static int sync_noted(int fd, long call)
{
    char path[PATH_MAX];
    lock();
    const unsigned long inode = inode_of(fd);
    const char *folder = inode == 0 ? path_of(fd, path) : NULL;
    const int rc = (int)syscall(call, fd);
    if (rc == 0 && inode != 0)
        note("S %lu\n", inode);
    else if (rc == 0 && folder != NULL)
        note("D %s\n", folder);
    unlock();
    return rc;
}

EXPORTED int fsync(int fd)
{
    return sync_noted(fd, SYS_fsync);
}

EXPORTED int fdatasync(int fd)
{
    return sync_noted(fd, SYS_fdatasync);
}

EXPORTED int renameat(int folder, const char *from, int to_folder, const char *to)
{
    char path[PATH_MAX];
    char to_path[PATH_MAX];
    lock();
    const char *watched = path_at(folder, from, path);
    const char *to_watched = path_at(to_folder, to, to_path);
    const int rc = (int)syscall(SYS_renameat, folder, from, to_folder, to);
    if (rc == 0 && watched != NULL && to_watched != NULL)
        note("R %s -> %s\n", watched, to_watched);
    unlock();
    return rc;
}

EXPORTED int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORTED int unlinkat(int folder, const char *name, int flags)
{
    char path[PATH_MAX];
    lock();
    const char *watched = path_at(folder, name, path);
    const int rc = (int)syscall(SYS_unlinkat, folder, name, flags);
    if (rc == 0 && watched != NULL)
        note("U %s\n", watched);
    unlock();
    return rc;
}

EXPORTED int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

EXPORTED int mkdirat(int folder, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    lock();
    const char *watched = path_at(folder, name, path);
    const int rc = (int)syscall(SYS_mkdirat, folder, name, mode);
    if (rc == 0 && watched != NULL)
        note("M %s\n", watched);
    unlock();
    return rc;
}

EXPORTED int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}
