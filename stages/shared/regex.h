/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_REGEX_H
#define FLOW_STAGES_REGEX_H

/*
 * A regular expression of PCRE2, compiled to machine code where that can be had.  Texts are matched
 * as bytes, or as UTF-8, in which case bytes that are none match nothing.
 * Everything is inline; for stages that are linked with PCRE2.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define FLOW_REGEX_STACK_FIRST ((size_t)32 << 10)
#define FLOW_REGEX_STACK_MOST ((size_t)4 << 20)

struct flow_regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    bool compiled; /* to machine code */
};

struct flow_regex_fault {
    char text[256];
    size_t at; /* in the pattern, bytes from 0 */
};

/* All that is zeros holds nothing. */
static inline void flow_regex_clear(struct flow_regex *regex)
{
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->context);
    pcre2_jit_stack_free(regex->stack);
    pcre2_code_free(regex->code);
    *regex = (struct flow_regex){0};
}

/* What a number that PCRE2 returned means. */
static inline void flow_regex_explain(int error, struct flow_regex_fault *fault)
{
    fault->text[0] = '\0';
    (void)pcre2_get_error_message(error, (PCRE2_UCHAR *)fault->text, sizeof(fault->text));
}

/* `options`: as for pcre2_compile.  False: the pattern is wrong, or there is no memory. */
static inline bool flow_regex_compile(struct flow_regex *regex, const char *pattern, size_t size,
                                      uint32_t options, struct flow_regex_fault *fault)
{
    int error = 0;
    *regex = (struct flow_regex){0};
    regex->code = pcre2_compile((PCRE2_SPTR)pattern, size, options, &error, &fault->at, NULL);
    if (regex->code == NULL) {
        flow_regex_explain(error, fault);
        return false;
    }
    /* Where the machine has no JIT the interpreter does the same, slower. */
    regex->compiled = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
    regex->context = pcre2_match_context_create(NULL);
    if (regex->compiled)
        regex->stack = pcre2_jit_stack_create(FLOW_REGEX_STACK_FIRST, FLOW_REGEX_STACK_MOST, NULL);
    if (regex->match == NULL || regex->context == NULL ||
        (regex->compiled && regex->stack == NULL)) {
        flow_regex_explain(PCRE2_ERROR_NOMEMORY, fault);
        flow_regex_clear(regex);
        return false;
    }
    pcre2_jit_stack_assign(regex->context, NULL, regex->stack);
    return true;
}

/* The next match from byte `from` of a text on, as pcre2_match: < 0 none, or an error. */
static inline int flow_regex_match(const struct flow_regex *regex, const void *text, size_t size,
                                   size_t from, uint32_t options)
{
    return regex->compiled
               ? pcre2_jit_match(regex->code, text, size, from, options, regex->match,
                                 regex->context)
               : pcre2_match(regex->code, text, size, from, options, regex->match, regex->context);
}

#endif /* FLOW_STAGES_REGEX_H */
