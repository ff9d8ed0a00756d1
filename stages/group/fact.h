/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_FACT_H
#define FLOW_STAGES_FACT_H

/* What `window` reads out of a record: whose it is, a number, and when it was. */

#include <flowrun/stage.h>

#include "shared/json_field.h"
#include "shared/text.h"

enum fact_field { FACT_GROUP, FACT_VALUE, FACT_TIME, FACT_FIELDS };
enum fact_unit { FACT_SECONDS, FACT_MILLISECONDS };

/* Where to find it. */
struct facts {
    const char *fields[FACT_FIELDS]; /* JSON pointers; NULL: not in a field.  Borrowed */
    enum fact_unit unit;             /* of times that are numbers */
    struct flow_json_paths paths;    /* of the fields */
    size_t slots[FACT_FIELDS];       /* theirs, of those that are named */
    struct flow_text key;            /* of the record read last */
};

struct fact {
    const char *key; /* lasts until the next one is read */
    size_t key_size;
    double number;
    int64_t time; /* ns since 1970; untouched if it is in no field */
};

/* `fields` and `unit` are set. */
enum flow_status facts_init(struct facts *facts, struct flow_stage *stage);

/* What is wrong with the record; NULL: nothing, and `fact` is what it says. */
const char *facts_find(struct facts *facts, const struct flow_record *record, struct fact *fact);

void facts_clear(struct facts *facts);

#endif /* FLOW_STAGES_FACT_H */
