/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SQLITE_DATABASE_H
#define FLOW_STAGES_SQLITE_DATABASE_H

/* What the stages that use SQLite share: messages, and waiting for a database that is locked. */

#include <flowrun/stage.h>

#include <sqlite3.h>

#define FLOW_SQLITE_RETRY_NS ((int64_t)10 * 1000 * 1000) /* between two tries of a locked one */

static inline enum flow_status flow_sqlite_fail(struct flow_stage *stage, const char *path,
                                                sqlite3 *db, const char *what)
{
    const char *why = db != NULL ? sqlite3_errmsg(db) : "no memory";
    const bool memory = db == NULL || sqlite3_errcode(db) == SQLITE_NOMEM;
    return flow_stage_fail(stage, memory ? FLOW_ENOMEM : FLOW_EIO, "'%s': cannot %s: %s", path,
                           what, why);
}

/* Run statements that give no rows; while another connection holds the lock, wait up to `patience`.
 */
static inline enum flow_status flow_sqlite_run(struct flow_stage *stage, const char *path,
                                               sqlite3 *db, const char *sql, int64_t patience)
{
    for (int64_t waited = 0;; waited += FLOW_SQLITE_RETRY_NS) {
        const int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            return FLOW_OK;
        if (rc != SQLITE_BUSY || waited >= patience)
            return flow_sqlite_fail(stage, path, db, sql);
        const enum flow_status waits = flow_wait(stage, -1, 0, FLOW_SQLITE_RETRY_NS);
        if (waits != FLOW_EAGAIN && waits != FLOW_OK)
            return waits;
    }
}

#endif /* FLOW_STAGES_SQLITE_DATABASE_H */
