/* SPDX-License-Identifier: MIT */
/* A parameter table as a table of Markdown, and as a plain list in JSON. */
#include <stdlib.h>
#include <string.h>

#include "param/param.h"
#include "param/value.h"

static const char *kind_name(const struct flow_param *row)
{
    static const char *const kinds[] = {
        [FLOW_I64] = "integer", [FLOW_F64] = "number", [FLOW_BOOL] = "boolean",
        [FLOW_STR] = "string",  [FLOW_SIZE] = "size",  [FLOW_DURATION] = "duration",
        [FLOW_ENUM] = "choice", [FLOW_LIST] = "list",  [FLOW_JSON] = "json",
    };
    return kinds[row->type];
}

/* Where the "[unit]" begins that ends the help of a quantity; NULL: it has none. */
static const char *find_unit(const struct flow_param *row)
{
    const size_t size = strlen(row->help);
    return size > 0 && row->help[size - 1] == ']' ? strrchr(row->help, '[') : NULL;
}

static void add_unit(const struct flow_param *row, struct flow_str *out)
{
    const char *unit = find_unit(row);
    if (unit != NULL)
        flow_str_add_bytes(out, unit + 1, strlen(unit) - 2);
}

/* The help without its unit. */
static void add_help(const struct flow_param *row, struct flow_str *out)
{
    const char *unit = find_unit(row);
    size_t size = unit != NULL ? (size_t)(unit - row->help) : strlen(row->help);
    while (size > 0 && row->help[size - 1] == ' ')
        size--;
    flow_str_add_bytes(out, row->help, size);
}

static void add_range(const struct flow_param *row, struct flow_str *out)
{
    const bool low = flow_value_has_min(row);
    const bool high = flow_value_has_max(row);
    if (!low && high)
        flow_str_add(out, "up to ");
    if (low)
        flow_value_limit(row, row->min, out);
    if (low)
        flow_str_add(out, high ? " to " : " or more");
    if (high)
        flow_value_limit(row, row->max, out);
}

/* The default as it would stand in a graph. */
static void add_default(const struct flow_param *row, struct flow_str *out)
{
    json_t *value = NULL;
    if (flow_value_default(row, &value, NULL) != FLOW_OK) {
        out->failed = true;
        return;
    }
    if (json_is_number(value)) { /* 0.1 is not to become 0.10000000000000001 */
        flow_str_add(out, row->def);
    } else if (value != NULL) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (text != NULL)
            flow_str_add(out, text);
        else
            out->failed = true;
        free(text);
    }
    json_decref(value);
}

/* ---- Markdown ---- */

void flow_markdown_text(const char *text, struct flow_str *out)
{
    for (; *text != '\0'; text++) {
        if (strchr("\\|*<`", *text) != NULL)
            flow_str_add(out, "\\");
        flow_str_add_bytes(out, text, 1);
    }
}

/* As code in a cell of a table; nothing for an empty text. */
static void add_code(const char *text, struct flow_str *out)
{
    const char *mark = strchr(text, '`') != NULL ? "``" : "`";
    if (*text == '\0')
        return;
    flow_str_add(out, mark);
    for (; *text != '\0'; text++)
        flow_str_addf(out, *text == '|' ? "\\%c" : "%c", *text);
    flow_str_add(out, mark);
}

/* What one of the functions above gives, as text or as code in a cell. */
static void add_made(const struct flow_param *row,
                     void (*make)(const struct flow_param *, struct flow_str *),
                     void (*show)(const char *, struct flow_str *), struct flow_str *out)
{
    struct flow_str made = {0};
    make(row, &made);
    out->failed = out->failed || made.failed;
    show(made.text != NULL ? made.text : "", out);
    flow_str_clear(&made);
}

static void add_kind_cell(const struct flow_param *row, struct flow_str *out)
{
    if (row->type != FLOW_ENUM) {
        flow_str_add(out, row->type == FLOW_JSON   ? "JSON"
                          : row->type == FLOW_LIST ? "list of strings"
                                                   : kind_name(row));
        return;
    }
    const char *at = row->choices;
    const char *before = "";
    size_t size;
    for (const char *word; (word = flow_value_choice(&at, &size)) != NULL; before = ", ")
        flow_str_addf(out, "%s`%.*s`", before, (int)size, word);
}

static void add_row(const struct flow_param *row, struct flow_str *out)
{
    flow_str_addf(out, "| `%s` | ", row->name);
    add_kind_cell(row, out);
    flow_str_add(out, " | ");
    add_made(row, add_unit, flow_markdown_text, out);
    flow_str_add(out, " | ");
    if (row->def == FLOW_REQUIRED)
        flow_str_add(out, "required");
    else if (row->def == NULL)
        flow_str_add(out, "none");
    else
        add_made(row, add_default, add_code, out);
    flow_str_add(out, " | ");
    add_made(row, add_range, flow_markdown_text, out);
    flow_str_add(out, " | ");
    add_made(row, add_help, flow_markdown_text, out);
    flow_str_add(out, " |\n");
}

void flow_params_markdown(const struct flow_param *table, struct flow_str *out)
{
    if (table == NULL || table->name == NULL)
        return;
    flow_str_add(out, "| parameter | value | unit | default | range | |\n"
                      "|---|---|---|---|---|---|\n");
    for (; table->name != NULL; table++)
        add_row(table, out);
}

/* ---- JSON ---- */

/* What one of the functions above gives; null where that is nothing. */
static json_t *made_json(const struct flow_param *row,
                         void (*make)(const struct flow_param *, struct flow_str *))
{
    struct flow_str made = {0};
    make(row, &made);
    json_t *json = made.failed         ? NULL
                   : made.text == NULL ? json_null()
                                       : json_stringn_nocheck(made.text, made.size);
    flow_str_clear(&made);
    return json;
}

static json_t *limit_json(const struct flow_param *row, bool is_given, double limit)
{
    if (!is_given)
        return json_null();
    return row->type == FLOW_F64 ? json_real(limit) : json_integer((json_int_t)limit);
}

static json_t *choices_json(const struct flow_param *row)
{
    if (row->type != FLOW_ENUM)
        return json_null();
    json_t *words = json_array();
    const char *at = row->choices;
    size_t size;
    for (const char *word; words != NULL && (word = flow_value_choice(&at, &size)) != NULL;) {
        if (json_array_append_new(words, json_stringn(word, size)) != 0) {
            json_decref(words);
            return NULL;
        }
    }
    return words;
}

static json_t *row_json(const struct flow_param *row)
{
    json_t *value = NULL;
    if (flow_value_default(row, &value, NULL) != FLOW_OK)
        return NULL;
    if (value == NULL)
        value = json_null();
    return json_pack("{s:s,s:s,s:o,s:b,s:o,s:o,s:o,s:o,s:o}", "name", row->name, "type",
                     kind_name(row), "unit", made_json(row, add_unit), "required",
                     row->def == FLOW_REQUIRED, "default", value, "min",
                     limit_json(row, flow_value_has_min(row), row->min), "max",
                     limit_json(row, flow_value_has_max(row), row->max), "choices",
                     choices_json(row), "help", made_json(row, add_help));
}

json_t *flow_params_list(const struct flow_param *table)
{
    json_t *list = json_array();
    for (; list != NULL && table != NULL && table->name != NULL; table++) {
        if (json_array_append_new(list, row_json(table)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}
