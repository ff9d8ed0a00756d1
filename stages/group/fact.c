/* SPDX-License-Identifier: MIT */
#include "group/fact.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum flow_status facts_init(struct facts *facts, struct flow_stage *stage)
{
    static const char *const names[FACT_FIELDS] = {"group", "value", "time"};
    flow_json_paths_init(&facts->paths);
    for (int i = 0; i < FACT_FIELDS; i++) {
        const char *why = facts->fields[i] != NULL
                              ? flow_json_field_add(&facts->paths, facts->fields[i],
                                                    strlen(facts->fields[i]), &facts->slots[i])
                              : NULL;
        if (why != NULL)
            return flow_stage_fail(stage, FLOW_EINVAL, "%s '%s': %s", names[i], facts->fields[i],
                                   why);
    }
    return FLOW_OK;
}

static bool parse_number(const char *text, size_t size, double *number)
{
    char copy[64];
    char *end = NULL;
    if (size == 0 || size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *number = strtod(copy, &end);
    return *end == '\0' && isfinite(*number);
}

static bool parse_date(const struct flow_json_value *value, double *seconds)
{
    char text[48];
    struct tm parts = {0};
    if ((size_t)(value->end - value->at) >= sizeof(text))
        return false;
    text[flow_json_put_string(value, text)] = '\0';
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL)
        return false;
    char *end = NULL;
    const double part = *rest == '.' ? strtod(rest, &end) : 0;
    rest = *rest == '.' ? end : rest;
    *seconds = (double)timegm(&parts) + part;
    return strcmp(rest, "Z") == 0 || strcmp(rest, "+00:00") == 0;
}

static bool parse_json_number(const struct flow_json_value *value, double *number)
{
    size_t size;
    const char *raw = flow_json_raw(value, &size);
    return parse_number(raw, size, number);
}

/* `values`: by slot, what the record has of the fields. */
static const char *find_time(const struct facts *f, const struct flow_json_value *values,
                             struct fact *fact)
{
    const struct flow_json_value *value = &values[f->slots[FACT_TIME]];
    double seconds = 0;
    if (f->fields[FACT_TIME] == NULL)
        return NULL;
    if (value->at == NULL)
        return "there is no time";
    const bool date = flow_json_is_text(value);
    if (!(date ? parse_date(value, &seconds) : parse_json_number(value, &seconds)))
        return "that is no time";
    seconds = !date && f->unit == FACT_MILLISECONDS ? seconds / 1000 : seconds;
    if (!(fabs(seconds) < 9e9))
        return "that time is out of reach";
    fact->time = (int64_t)(seconds * 1e9);
    return NULL;
}

static const char *find_group(struct facts *f, const struct flow_record *record,
                              const struct flow_json_value *values, struct fact *fact)
{
    const struct flow_json_value *value = &values[f->slots[FACT_GROUP]];
    fact->key = record->key != NULL ? record->key : "";
    fact->key_size = record->key_size;
    if (f->fields[FACT_GROUP] == NULL)
        return flow_utf8_check(fact->key, fact->key_size) < fact->key_size ? "its key is not UTF-8"
                                                                           : NULL;
    if (value->at == NULL)
        return "there is no group";
    f->key.size = 0;
    if (!flow_text_reserve(&f->key, (size_t)(value->end - value->at)))
        return "there is no memory for its group";
    fact->key_size = flow_json_put_raw(value, f->key.at);
    fact->key = f->key.at;
    return NULL;
}

static const char *find_number(const struct facts *f, const struct flow_record *record,
                               const struct flow_json_value *values, struct fact *fact)
{
    const struct flow_json_value *value = &values[f->slots[FACT_VALUE]];
    if (f->fields[FACT_VALUE] == NULL)
        return parse_number(record->data, record->size, &fact->number) ? NULL : "it is no number";
    if (value->at == NULL || !flow_json_is_number(value))
        return "there is no number";
    return parse_json_number(value, &fact->number) ? NULL : "it is no number";
}

const char *facts_find(struct facts *facts, const struct flow_record *record, struct fact *fact)
{
    struct flow_json_value values[FACT_FIELDS] = {0};
    struct flow_json_scan scan;
    if (facts->paths.count > 0 &&
        !flow_json_scan(&scan, &facts->paths, record->data, record->size, values))
        return "it is no JSON";
    const char *fault = find_time(facts, values, fact);
    fault = fault == NULL ? find_group(facts, record, values, fact) : fault;
    return fault == NULL ? find_number(facts, record, values, fact) : fault;
}

void facts_clear(struct facts *facts)
{
    flow_json_paths_clear(&facts->paths);
    flow_text_clear(&facts->key);
}
