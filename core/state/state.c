/* SPDX-License-Identifier: MIT */
#include "state/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/refuse.h"

#define LOCK "lock"
#define MEMBERS "members"
#define MANIFEST_NEW "checkpoint.new"
#define MANIFEST_MOST ((off_t)1 << 30)
#define DYING_MS 10000 /* what is left of a run that was killed is gone in far less */
#define DYING_STEP_MS 5

static void manifest_name(uint64_t epoch, char name[FLOW_BLOB_NAME])
{
    (void)snprintf(name, FLOW_BLOB_NAME, "checkpoint-%" PRIu64 ".json", epoch);
}

void flow_state_blob_name(uint64_t epoch, size_t replica, bool finished, unsigned incarnation,
                          char name[FLOW_BLOB_NAME])
{
    const int used = snprintf(name, FLOW_BLOB_NAME, "%s-%" PRIu64 "-%zu",
                              finished ? "end" : "state", epoch, replica);
    if (incarnation > 0)
        (void)snprintf(name + used, FLOW_BLOB_NAME - (size_t)used, "-%u", incarnation);
}

/* ---- the folder and its locks ---- */

/* The pid that the lock's file names; 0: none. */
static long holder_of(int fd)
{
    char pid[24];
    const ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[size > 0 ? size : 0] = '\0';
    return strtol(pid, NULL, 10);
}

/*
 * The processes of a run whose coordinator was killed end by themselves, within milliseconds; but
 * until then they may write, or, if they were being started, have its lock.  The kernel tells
 * nobody when a lock becomes free, but who sleeps in flock, which has no limit of time: so this
 * looks again and again, for a while, unless the lock's file names a holder that lives.  An errno.
 */
static int lock_soon(int fd, bool has_holder)
{
    for (int waited = 0;; waited += DYING_STEP_MS) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        const int cause = errno;
        const long holder = has_holder ? holder_of(fd) : 0;
        const bool lives = holder > 0 && (kill((pid_t)holder, 0) == 0 || errno == EPERM);
        if (cause != EWOULDBLOCK || lives || waited >= DYING_MS)
            return cause;
        (void)poll(NULL, 0, DYING_STEP_MS);
    }
}

static enum flow_status refuse_locked(const struct flow_state *state, int cause, long holder,
                                      struct flow_error *err)
{
    if (cause != EWOULDBLOCK)
        return flow_state_refuse(err, cause, "cannot lock the state folder '%s'", state->path);
    return flow_fail(err, FLOW_EIO, "the state folder '%s' is in use by another run, process %ld",
                     state->path, holder);
}

static int open_lock(const struct flow_state *state, const char *name, struct flow_error *err)
{
    const int fd = openat(state->fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        (void)flow_state_refuse(err, errno, "cannot lock the state folder '%s'", state->path);
    return fd;
}

static enum flow_status take_lock(struct flow_state *state, struct flow_error *err)
{
    const int fd = open_lock(state, LOCK, err);
    if (fd < 0)
        return FLOW_EIO;
    const int cause = lock_soon(fd, true);
    if (cause != 0) {
        const enum flow_status rc = refuse_locked(state, cause, holder_of(fd), err);
        close(fd);
        return rc;
    }
    state->lock = fd;
    char pid[24];
    const int size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size)
        return flow_state_refuse(err, errno, "cannot write to the state folder '%s'", state->path);
    return FLOW_OK;
}

enum flow_status flow_state_wait(const struct flow_state *state, struct flow_error *err)
{
    const int fd = open_lock(state, MEMBERS, err);
    if (fd < 0)
        return FLOW_EIO;
    const int cause = lock_soon(fd, false);
    close(fd);
    if (cause == 0)
        return FLOW_OK;
    return flow_fail(err, FLOW_EIO,
                     "processes of the run that used the state folder '%s' before are still there; "
                     "its coordinator is not",
                     state->path);
}

/* Without it a loss of power might leave the checkpoints, and no folder that they are in.  Also if
 * the folder was there: who made it may have died before it came to this. */
static enum flow_status keep_name(const struct flow_state *state, struct flow_error *err)
{
    const int above = openat(state->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0 && errno == EACCES) /* whoever may not look there has not made it either */
        return FLOW_OK;
    const bool kept = above >= 0 && state->disk->sync(above) == 0;
    const int cause = errno;
    if (above >= 0)
        close(above);
    return kept
               ? FLOW_OK
               : flow_state_refuse(err, cause, "cannot make the name of the state folder '%s' last",
                                   state->path);
}

enum flow_status flow_state_open(const char *path, const struct flow_disk *disk,
                                 struct flow_state *state, struct flow_error *err)
{
    *state = (struct flow_state){.disk = disk, .fd = -1, .lock = -1};
    state->path = flow_strdup(path);
    if (state->path == NULL)
        return flow_fail(err, FLOW_ENOMEM, "no memory for a path");
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return flow_state_refuse(err, errno, "cannot make the state folder '%s'", path);
    state->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->fd < 0)
        return flow_state_refuse(err, errno, "cannot open the state folder '%s'", path);
    enum flow_status rc = take_lock(state, err);
    if (rc == FLOW_OK)
        rc = keep_name(state, err);
    return rc == FLOW_OK ? flow_state_wait(state, err) : rc;
}

void flow_state_close(struct flow_state *state)
{
    if (state->lock >= 0)
        close(state->lock);
    if (state->fd >= 0)
        close(state->fd);
    free(state->path);
    *state = (struct flow_state)FLOW_STATE_NONE;
}

enum flow_status flow_state_join(const char *path, int *fd, struct flow_error *err)
{
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int lock = folder >= 0 ? openat(folder, MEMBERS, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    /* The lock stays with the descriptor, which the end of the process closes. */
    if (lock >= 0 && flock(lock, LOCK_SH | LOCK_NB) == 0) {
        *fd = folder;
        return FLOW_OK;
    }
    const int cause = errno;
    if (lock >= 0)
        close(lock);
    if (folder >= 0)
        close(folder);
    return flow_state_refuse(err, cause, "cannot use the state folder '%s'", path);
}

/* ---- what lies in it ---- */

/* The epoch of a manifest's name; 0: it is none. */
static uint64_t epoch_of(const char *name)
{
    uint64_t epoch;
    char same[FLOW_BLOB_NAME];
    if (sscanf(name, "checkpoint-%" SCNu64 ".json", &epoch) != 1 || epoch == 0)
        return 0;
    manifest_name(epoch, same);
    return strcmp(name, same) == 0 ? epoch : 0;
}

static DIR *list(const struct flow_state *state, struct flow_error *err)
{
    const int fd = openat(state->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (folder != NULL)
        return folder;
    (void)flow_state_refuse(err, errno, "cannot look into the state folder '%s'", state->path);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/* The newest epoch below `below` that has a manifest, whole or not; 0: none. */
static enum flow_status newest(const struct flow_state *state, uint64_t below, uint64_t *epoch,
                               struct flow_error *err)
{
    DIR *folder = list(state, err);
    if (folder == NULL)
        return FLOW_EIO;
    *epoch = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const uint64_t found = epoch_of(entry->d_name);
        if (found < below && found > *epoch)
            *epoch = found;
    }
    (void)closedir(folder);
    return FLOW_OK;
}

static char *read_text(int folder, const char *name, size_t *size, struct flow_error *err)
{
    struct stat st = {0};
    const int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const bool fits = fd >= 0 && fstat(fd, &st) == 0 && st.st_size < MANIFEST_MOST;
    char *text = fits ? flow_alloc((size_t)st.st_size + 1) : NULL;
    const ssize_t got = text != NULL ? read(fd, text, (size_t)st.st_size) : -1;
    if (got < 0)
        (void)flow_state_refuse(err, fits && text == NULL ? ENOMEM : errno, "cannot read it");
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    *size = (size_t)got;
    return text;
}

enum flow_status flow_state_read(int fd, uint64_t epoch, struct flow_manifest *manifest,
                                 struct flow_error *err)
{
    char name[FLOW_BLOB_NAME];
    size_t size = 0;
    manifest_name(epoch, name);
    struct flow_error why = {0};
    char *text = read_text(fd, name, &size, &why);
    if (text == NULL)
        return flow_fail(err, why.status, "checkpoint %" PRIu64 ": %s", epoch, why.text);
    enum flow_status rc = flow_manifest_read(text, size, manifest, &why);
    free(text);
    if (rc == FLOW_OK && manifest->epoch != epoch) {
        flow_manifest_clear(manifest);
        rc = flow_fail(&why, FLOW_EPROTO, "it calls itself another one");
    }
    return rc == FLOW_OK ? rc : flow_fail(err, rc, "checkpoint %" PRIu64 ": %s", epoch, why.text);
}

/* Is everything there that the manifest speaks of? */
static enum flow_status check_blobs(int fd, const struct flow_manifest *manifest,
                                    struct flow_error *err)
{
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; i < manifest->replica_count && rc == FLOW_OK && !manifest->done; i++) {
        uint8_t *bytes = NULL;
        struct flow_error why = {0};
        rc = flow_blob_read(fd, &manifest->replicas[i].blob, &bytes, &why);
        free(bytes);
        if (rc != FLOW_OK)
            rc = flow_fail(err, rc, "checkpoint %" PRIu64 ": %s", manifest->epoch, why.text);
    }
    return rc;
}

enum flow_status flow_state_load(struct flow_state *state, struct flow_manifest *manifest,
                                 struct flow_str *said, struct flow_error *err)
{
    uint64_t epoch = UINT64_MAX;
    struct flow_error first = {0};
    for (;;) {
        enum flow_status rc = newest(state, epoch, &epoch, err);
        if (rc != FLOW_OK)
            return rc;
        if (epoch == 0)
            break;
        struct flow_error why = {0};
        rc = flow_state_read(state->fd, epoch, manifest, &why);
        if (rc == FLOW_OK && (rc = check_blobs(state->fd, manifest, &why)) != FLOW_OK)
            flow_manifest_clear(manifest);
        if (rc == FLOW_OK) {
            state->last = epoch;
            return newest(state, epoch, &state->older, err);
        }
        if (rc == FLOW_ENOMEM)
            return flow_fail(err, rc, "%s", why.text);
        (void)flow_fail(&first, FLOW_EIO, "%s", why.text);
        flow_str_addf(said, "%s; it is left out\n", why.text);
    }
    if (first.status != FLOW_OK)
        return flow_fail(err, FLOW_EIO, "no checkpoint in '%s' can be used: %s", state->path,
                         first.text);
    return FLOW_ENOENT;
}

/* ---- committing ---- */

static enum flow_status fail(const struct flow_state *state, const char *name,
                             struct flow_error *err)
{
    return flow_state_refuse(err, errno, "cannot write '%s/%s'", state->path, name);
}

static bool write_all(const struct flow_disk *disk, int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t done = disk->write(fd, bytes, size);
        if (done < 0 && errno != EINTR)
            return false;
        bytes += done > 0 ? done : 0;
        size -= done > 0 ? (size_t)done : 0;
    }
    return true;
}

/* Everything of the checkpoint is in the files; their names are made to last, then its own. */
static enum flow_status write_manifest(const struct flow_state *state,
                                       const struct flow_manifest *manifest,
                                       const struct flow_str *text, struct flow_error *err)
{
    const struct flow_disk *disk = state->disk;
    char name[FLOW_BLOB_NAME];
    manifest_name(manifest->epoch, name);
    if (disk->sync(state->fd) != 0)
        return fail(state, ".", err);
    const int fd = disk->create(state->fd, MANIFEST_NEW);
    if (fd < 0)
        return fail(state, MANIFEST_NEW, err);
    const bool written = write_all(disk, fd, text->text, text->size) && disk->sync(fd) == 0;
    const int cause = errno;
    const bool closed = disk->close(fd) == 0;
    errno = written ? errno : cause;
    if (!written || !closed)
        return fail(state, MANIFEST_NEW, err);
    if (disk->rename(state->fd, MANIFEST_NEW, name) != 0)
        return fail(state, name, err);
    return disk->sync(state->fd) == 0 ? FLOW_OK : fail(state, ".", err);
}

static bool refers(const struct flow_manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->replica_count; i++)
        if (strcmp(manifest->replicas[i].blob.file, name) == 0)
            return true;
    return false;
}

/* Does the run still need what lies there under this name? */
static bool is_needed(const char *name, const struct flow_manifest *newest,
                      const struct flow_manifest *older)
{
    uint64_t epoch;
    size_t replica;
    const uint64_t manifest = epoch_of(name);
    if (manifest != 0)
        return manifest == newest->epoch || manifest == older->epoch;
    if (sscanf(name, "end-%" SCNu64 "-%zu", &epoch, &replica) == 2)
        return epoch == newest->session || refers(newest, name) || refers(older, name);
    if (sscanf(name, "state-%" SCNu64 "-%zu", &epoch, &replica) == 2)
        return epoch > newest->epoch || refers(newest, name) || refers(older, name);
    return true;
}

/* What cannot be removed does no harm. */
static void sweep(const struct flow_state *state, const struct flow_manifest *newest,
                  const struct flow_manifest *older)
{
    DIR *folder = list(state, NULL);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!is_needed(entry->d_name, newest, older))
            (void)state->disk->remove(state->fd, entry->d_name);
    }
    (void)closedir(folder);
}

enum flow_status flow_state_commit(struct flow_state *state, const struct flow_manifest *manifest,
                                   struct flow_error *err)
{
    struct flow_str text = {0};
    flow_manifest_write(manifest, &text);
    enum flow_status rc = text.failed ? flow_fail(err, FLOW_ENOMEM, "no memory for a checkpoint")
                                      : write_manifest(state, manifest, &text, err);
    flow_str_clear(&text);
    if (rc != FLOW_OK)
        return rc;
    if (manifest->epoch != state->last) {
        state->older = state->last;
        state->last = manifest->epoch;
    }
    struct flow_manifest older = {0};
    const bool known =
        state->older == 0 || flow_state_read(state->fd, state->older, &older, NULL) == FLOW_OK;
    if (known)
        sweep(state, manifest, &older);
    flow_manifest_clear(&older);
    return FLOW_OK;
}

static bool is_spool(const char *name)
{
    return strncmp(name, "spool-", 6) == 0;
}

enum flow_status flow_state_look_for_spools(const struct flow_state *state, bool *there,
                                            struct flow_error *err)
{
    DIR *folder = list(state, err);
    if (folder == NULL)
        return FLOW_EIO;
    *there = false;
    for (struct dirent *entry; !*there && (entry = readdir(folder)) != NULL;)
        *there = is_spool(entry->d_name);
    (void)closedir(folder);
    return FLOW_OK;
}

/* Of what may lie there when no checkpoint does. */
static bool is_left_over(const char *name, bool keep_spools)
{
    const struct flow_manifest none = {.session = UINT64_MAX};
    return (is_spool(name) && !keep_spools) || strncmp(name, "state-", 6) == 0 ||
           !is_needed(name, &none, &none);
}

enum flow_status flow_state_reset(struct flow_state *state, bool keep_spools,
                                  struct flow_error *err)
{
    /* Manifests go first, the newest last: whoever is interrupted here has what was there before,
     * or nothing. */
    uint64_t epoch = 0;
    enum flow_status rc = FLOW_OK;
    uint64_t below = UINT64_MAX;
    while (rc == FLOW_OK && (rc = newest(state, below, &epoch, err)) == FLOW_OK && epoch != 0) {
        uint64_t next = 0;
        rc = newest(state, epoch, &next, err);
        char name[FLOW_BLOB_NAME];
        manifest_name(next != 0 ? next : epoch, name);
        if (rc == FLOW_OK && state->disk->remove(state->fd, name) != 0)
            rc = flow_state_refuse(err, errno, "cannot remove '%s/%s'", state->path, name);
    }
    if (rc != FLOW_OK)
        return rc;
    state->last = state->older = 0;
    DIR *folder = list(state, err);
    if (folder == NULL)
        return FLOW_EIO;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (is_left_over(entry->d_name, keep_spools))
            (void)state->disk->remove(state->fd, entry->d_name);
    }
    (void)closedir(folder);
    return FLOW_OK;
}
