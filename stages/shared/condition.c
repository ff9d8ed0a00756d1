/* SPDX-License-Identifier: MIT */
/* Reading conditions, and telling whether they hold. */
#include "shared/condition.h"

#include <stdio.h>

#include "shared/json_number.h"
#include "shared/regex.h"

#define DEPTH 64  /* brackets and "not" in each other */
#define MOST 1000 /* terms */

enum kind { AND, OR, NOT, EXISTS, COMPARE, MATCHES };
enum op { EQUAL, DIFFERENT, LESS, AT_MOST, MORE, AT_LEAST };
enum type { NOTHING, NULL_, FALSE_, TRUE_, NUMBER, STRING, OTHER };

/* A value of a type that can be compared. */
struct scalar {
    enum type type;
    const char *text; /* STRING */
    size_t size;
    struct flow_json_number number; /* NUMBER */
};

/* One side of a comparison: what a pointer finds, or always the same. */
struct operand {
    bool is_pointer;
    size_t slot;
    struct scalar fixed;
    char *own; /* what fixed.text points to */
};

struct condition_term {
    enum kind kind;
    enum op op;
    size_t left, right; /* the terms that AND, OR and NOT are about */
    struct operand a, b;
    struct flow_regex regex;
};

struct parser {
    struct condition *condition;
    struct flow_json_paths *paths;
    struct condition_fault *fault;
    const char *text, *at;
    unsigned depth;
};

static bool wrong(struct parser *p, const char *at, const char *what)
{
    const size_t left = strlen(at);
    (void)snprintf(p->fault->text, sizeof(p->fault->text), left > 0 ? "%s, not '%.40s'" : "%s",
                   what, at);
    p->fault->at = (size_t)(at - p->text) + 1;
    return false;
}

static bool add_term(struct parser *p, const struct condition_term *term, size_t *index)
{
    struct condition *c = p->condition;
    if (c->count == MOST)
        return wrong(p, p->at, "expected at most 1000 comparisons and words that join them");
    if (c->count == c->capacity) {
        const size_t capacity = c->capacity > 0 ? c->capacity * 2 : 8;
        struct condition_term *terms = realloc(c->terms, capacity * sizeof(*terms));
        if (terms == NULL)
            return wrong(p, p->at, "no memory");
        c->terms = terms;
        c->capacity = capacity;
    }
    *index = c->count;
    c->terms[c->count++] = *term;
    return true;
}

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

/* Is this word next?  Then go on behind it. */
static bool take_word(struct parser *p, const char *word)
{
    const size_t size = strlen(word);
    skip_blanks(p);
    if (strncmp(p->at, word, size) != 0 ||
        (p->at[size] != '\0' && !strchr(" \t\r\n()\"'/", p->at[size])))
        return false;
    p->at += size;
    return true;
}

static bool read_pointer(struct parser *p, size_t *slot)
{
    skip_blanks(p);
    const char *start = p->at;
    size_t size = strcspn(start, " \t\r\n()=!<>");
    if (*start == '\'') {
        size = strcspn(++start, "'");
        if (start[size] == '\0')
            return wrong(p, p->at, "a pointer in single quotes that does not end");
        p->at = start + size + 1;
    } else if (*start == '/') {
        p->at = start + size;
    } else {
        return wrong(p, start, "expected a JSON pointer such as /user/id");
    }
    const char *reason = flow_json_paths_add(p->paths, start, size, slot);
    return reason == NULL || wrong(p, start, reason);
}

/* A string or a number, as in JSON. */
static bool read_literal(struct parser *p, struct operand *operand)
{
    struct flow_json_scan scan = {.end = (const unsigned char *)p->at + strlen(p->at)};
    const unsigned char *at = (const unsigned char *)p->at;
    const unsigned char *end =
        *at == '"' ? flow_json_string_(&scan, at + 1) : flow_json_number_(&scan, at);
    if (end == NULL)
        return wrong(p, p->at, scan.fault);
    const size_t size = (size_t)(end - at);
    struct scalar *fixed = &operand->fixed;
    operand->own = malloc(size + 1);
    if (operand->own == NULL)
        return wrong(p, p->at, "no memory");
    if (*at == '"') {
        fixed->type = STRING;
        fixed->text = operand->own;
        fixed->size = flow_json_unescape(at + 1, end - 1, operand->own);
        operand->own[fixed->size] = '\0';
    } else {
        memcpy(operand->own, at, size);
        operand->own[size] = '\0'; /* the number's text may be looked at behind its end */
        fixed->type = NUMBER;
        fixed->number = flow_json_read_number(operand->own, operand->own + size);
    }
    p->at += size;
    return true;
}

static bool read_operand(struct parser *p, struct operand *operand)
{
    skip_blanks(p);
    if (*p->at == '/' || *p->at == '\'') {
        operand->is_pointer = true;
        return read_pointer(p, &operand->slot);
    }
    if (*p->at == '"' || *p->at == '-' || (*p->at >= '0' && *p->at <= '9'))
        return read_literal(p, operand);
    if (take_word(p, "true"))
        operand->fixed.type = TRUE_;
    else if (take_word(p, "false"))
        operand->fixed.type = FALSE_;
    else if (take_word(p, "null"))
        operand->fixed.type = NULL_;
    else
        return wrong(p, p->at,
                     "expected a JSON pointer, a string in double quotes, a number, true, "
                     "false, null, exists, 'not' or '('");
    return true;
}

static bool read_op(struct parser *p, enum op *op)
{
    static const char *const ops[] = {"==", "!=", "<=", ">=", "<", ">"};
    static const enum op values[] = {EQUAL, DIFFERENT, AT_MOST, AT_LEAST, LESS, MORE};
    skip_blanks(p);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strncmp(p->at, ops[i], strlen(ops[i])) == 0) {
            p->at += strlen(ops[i]);
            *op = values[i];
            return true;
        }
    }
    return wrong(p, p->at, "expected ==, !=, <, <=, >, >= or matches");
}

static bool read_pattern(struct parser *p, struct condition_term *term)
{
    skip_blanks(p);
    const char *start = p->at;
    if (*start != '"')
        return wrong(p, start, "expected a regular expression in double quotes");
    if (!term->a.is_pointer)
        return wrong(p, start, "what stands before 'matches' is a JSON pointer");
    if (!read_literal(p, &term->b))
        return false;
    struct flow_regex_fault fault = {.at = 0};
    if (flow_regex_compile(&term->regex, term->b.fixed.text, term->b.fixed.size,
                           PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &fault))
        return true;
    char what[300];
    (void)snprintf(what, sizeof(what), "expected a regular expression: %s", fault.text);
    return wrong(p, start, what);
}

static void clear_term(struct condition_term *term)
{
    free(term->a.own);
    free(term->b.own);
    flow_regex_clear(&term->regex);
}

static bool read_comparison(struct parser *p, size_t *index)
{
    struct condition_term term = {.kind = COMPARE};
    bool good;
    if (take_word(p, "exists")) {
        term.kind = EXISTS;
        good = read_pointer(p, &term.a.slot);
    } else {
        good = read_operand(p, &term.a);
        if (good && take_word(p, "matches")) {
            term.kind = MATCHES;
            good = read_pattern(p, &term);
        } else if (good) {
            good = read_op(p, &term.op) && read_operand(p, &term.b);
        }
    }
    if (good && add_term(p, &term, index))
        return true;
    clear_term(&term);
    return false;
}

static bool read_any(struct parser *p, size_t *index);

static bool read_one(struct parser *p, size_t *index)
{
    if (p->depth == DEPTH)
        return wrong(p, p->at, "expected at most 64 brackets and 'not' in each other");
    p->depth++;
    bool good;
    if (take_word(p, "not")) {
        struct condition_term term = {.kind = NOT};
        good = read_one(p, &term.left) && add_term(p, &term, index);
    } else if (*p->at == '(') {
        p->at++;
        good = read_any(p, index);
        skip_blanks(p);
        if (good && *p->at != ')')
            good = wrong(p, p->at, "expected 'and', 'or' or ')'");
        p->at += good;
    } else {
        good = read_comparison(p, index);
    }
    p->depth--;
    return good;
}

/* Terms with this word between them. */
static bool read_joined(struct parser *p, enum kind kind, size_t *index)
{
    const bool and = kind == AND;
    if (!(and? read_one(p, index) : read_joined(p, AND, index)))
        return false;
    while (take_word(p, and? "and" : "or")) {
        struct condition_term term = {.kind = kind, .left = *index};
        if (!(and? read_one(p, &term.right) : read_joined(p, AND, &term.right)))
            return false;
        if (!add_term(p, &term, index))
            return false;
    }
    return true;
}

static bool read_any(struct parser *p, size_t *index)
{
    return read_joined(p, OR, index);
}

bool condition_read(struct condition *condition, const char *text, struct flow_json_paths *paths,
                    struct condition_fault *fault)
{
    struct parser p = {
        .condition = condition, .paths = paths, .fault = fault, .text = text, .at = text};
    if (!read_any(&p, &condition->first))
        return false;
    skip_blanks(&p);
    return *p.at == '\0' || wrong(&p, p.at, "expected 'and', 'or' or the end");
}

static enum type type_of(const struct flow_json_value *value)
{
    if (value->at == NULL)
        return NOTHING;
    switch (*value->at) {
    case 'n':
        return NULL_;
    case 'f':
        return FALSE_;
    case 't':
        return TRUE_;
    case '"':
        return STRING;
    default:
        return *value->at == '{' || *value->at == '[' ? OTHER : NUMBER;
    }
}

/* The value of one side (0 or 1), which may use the scratch of that side.  False: no memory. */
static bool load(struct condition *c, const struct operand *operand, int side,
                 const struct flow_json_value *values, struct scalar *scalar)
{
    *scalar = operand->fixed;
    if (!operand->is_pointer)
        return true;
    const struct flow_json_value *value = &values[operand->slot];
    scalar->type = type_of(value);
    if (scalar->type != STRING && scalar->type != NUMBER)
        return true;
    const size_t size = (size_t)(value->end - value->at);
    if (scalar->type == STRING && !value->escaped) {
        scalar->text = (const char *)value->at + 1;
        scalar->size = size - 2;
        return true;
    }
    if (size >= c->room_size[side]) {
        char *room = realloc(c->room[side], size * 2);
        if (room == NULL)
            return false;
        c->room[side] = room;
        c->room_size[side] = size * 2;
    }
    char *room = c->room[side];
    scalar->text = room;
    scalar->size = flow_json_put_plain(value, room);
    room[scalar->size] = '\0';
    if (scalar->type == NUMBER)
        scalar->number = flow_json_read_number(room, room + scalar->size);
    return true;
}

/* Below, equal or above; the two are of the same type. */
static int order(const struct scalar *a, const struct scalar *b)
{
    if (a->type == NUMBER)
        return flow_json_compare_numbers(&a->number, &b->number);
    if (a->type != STRING)
        return 0;
    const size_t size = a->size < b->size ? a->size : b->size;
    const int first = size > 0 ? memcmp(a->text, b->text, size) : 0;
    return first != 0 ? first : (a->size > b->size) - (a->size < b->size);
}

static bool compare(const struct scalar *a, const struct scalar *b, enum op op)
{
    if (a->type != b->type || a->type == NOTHING || a->type == OTHER)
        return op == DIFFERENT;
    const int sign = order(a, b);
    switch (op) {
    case EQUAL:
        return sign == 0;
    case DIFFERENT:
        return sign != 0;
    case LESS:
        return sign < 0 && a->type >= NUMBER;
    case AT_MOST:
        return sign <= 0 && a->type >= NUMBER;
    case MORE:
        return sign > 0 && a->type >= NUMBER;
    default:
        return sign >= 0 && a->type >= NUMBER;
    }
}

static int matches(const struct condition_term *term, const struct scalar *a,
                   struct condition_fault *fault)
{
    if (a->type != STRING)
        return 0;
    const int found = flow_regex_match(&term->regex, a->text, a->size, 0, 0);
    if (found >= 0 || found == PCRE2_ERROR_NOMATCH)
        return found >= 0;
    struct flow_regex_fault reason;
    flow_regex_explain(found, &reason);
    (void)snprintf(fault->text, sizeof(fault->text), "pattern '%.40s': %s", term->b.fixed.text,
                   reason.text);
    return -1;
}

static int holds(struct condition *c, const struct condition_term *term,
                 const struct flow_json_value *values, struct condition_fault *fault)
{
    if (term->kind == EXISTS)
        return values[term->a.slot].at != NULL;
    if (term->kind == COMPARE || term->kind == MATCHES) {
        struct scalar a;
        struct scalar b;
        if (!load(c, &term->a, 0, values, &a) || !load(c, &term->b, 1, values, &b)) {
            (void)snprintf(fault->text, sizeof(fault->text), "no memory for a value of it");
            return -1;
        }
        return term->kind == COMPARE ? compare(&a, &b, term->op) : matches(term, &a, fault);
    }
    const int left = holds(c, &c->terms[term->left], values, fault);
    if (left < 0 || (term->kind == AND && left == 0) || (term->kind == OR && left == 1))
        return left;
    return term->kind == NOT ? !left : holds(c, &c->terms[term->right], values, fault);
}

int condition_holds(struct condition *condition, const struct flow_json_value *values,
                    struct condition_fault *fault)
{
    return holds(condition, &condition->terms[condition->first], values, fault);
}

void condition_clear(struct condition *condition)
{
    for (size_t i = 0; i < condition->count; i++)
        clear_term(&condition->terms[i]);
    free(condition->terms);
    free(condition->room[0]);
    free(condition->room[1]);
    *condition = (struct condition){0};
}
