/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SERIES_H
#define FLOW_STAGES_SERIES_H

/*
 * The names of files that follow on one another: "log-{n:4}.txt" or "{time:%Y-%m-%d}.{n}.gz".
 *
 *     {n} {n:WIDTH}         the number of the file, filled up with zeros
 *     {time} {time:FORMAT}  when it begins, in UTC, as strftime writes it
 *     {{                    a brace
 *
 * Only the name of the file is made so, not that of its folder.  Names that are there already can
 * be read back: by this the next number is found, and which of them are the oldest.
 *
 * Threads: any, one at a time.
 */

#include <flowrun/stage.h>

struct flow_series {
    const char *path;   /* as the user has written it; borrowed */
    size_t folder_size; /* of what stands before the name of the file, with its slash */
    bool numbered;      /* {n} is in it */
    bool timed;         /* {time} is in it */
};

/* Look at the path.  FLOW_EINVAL: it is wrong, which has been said. */
enum flow_status flow_series_init(struct flow_series *series, struct flow_stage *stage,
                                  const char *path);

/* The path of file `number`, which begins `seconds` after 1970, to be freed; NULL: no memory. */
char *flow_series_make(const struct flow_series *series, uint64_t number, int64_t seconds);

/* Is `name` one that was made from it?  Then `place` is what its files are ordered by. */
bool flow_series_match(const struct flow_series *series, const char *name, uint64_t *place);

/* The highest number among the files that are there; 0: there is none. */
enum flow_status flow_series_last(const struct flow_series *series, struct flow_stage *stage,
                                  uint64_t *number);

/* Remove the oldest files, so that `keep` are left. */
enum flow_status flow_series_prune(const struct flow_series *series, struct flow_stage *stage,
                                   size_t keep);

#endif /* FLOW_STAGES_SERIES_H */
