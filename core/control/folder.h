/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_FOLDER_H
#define FLOW_CONTROL_FOLDER_H

/*
 * The private folder of one run, where its sockets lie: flowrun-UID-XXXXXX of mode 0700 under
 * $XDG_RUNTIME_DIR, else $TMPDIR, else /tmp.
 *
 * The folder itself is locked (flock on the open folder) for as long as its run lives; the kernel
 * lets go of the lock however the coordinator ends.  So a folder that can be locked is stale, and
 * whoever finds one of his own may sweep it away.  A maker and a sweeper may meet between mkdir and
 * flock; the maker therefore looks, once it has the lock, whether its folder still has a name, and
 * otherwise makes another.
 *
 * Memory: a struct flow_folder starts as FLOW_FOLDER_NONE; flow_folder_remove releases all.
 */

#include "flowrun/error.h"

/* The longest name that anything in the folder may have [bytes, without the zero]. */
#define FLOW_FOLDER_NAME_MAX 31

struct flow_folder {
    char *path; /* NULL: none */
    int fd;     /* locked */
};

#define FLOW_FOLDER_NONE                                                                           \
    {                                                                                              \
        .path = NULL, .fd = -1                                                                     \
    }

/*
 * Sweep away stale folders, then make one.  FLOW_EIO: none of the places can be written, or its
 * path leaves no room for a socket's name (107 bytes in all); FLOW_ENOMEM.
 */
FLOW_NODISCARD enum flow_status flow_folder_new(struct flow_folder *folder, struct flow_error *err);

/* The same under `base` and nowhere else. */
FLOW_NODISCARD enum flow_status flow_folder_new_at(const char *base, struct flow_folder *folder,
                                                   struct flow_error *err);

/* Remove it with what lies in it, and let go of the lock.  Nothing to do for FLOW_FOLDER_NONE. */
void flow_folder_remove(struct flow_folder *folder);

/* Remove the folder `path` with what lies in it, as far as possible: its run has lost its head. */
void flow_folder_wipe(const char *path);

#endif /* FLOW_CONTROL_FOLDER_H */
