/* SPDX-License-Identifier: MIT */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_ 32 /* of PCRE2 */

static const char digits[] = "0123456789";
static const char letters[] = "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* The number of the group that this name or number of `size` bytes means; -1: there is none. */
static int group_number(const char *text, size_t size, const pcre2_code *code)
{
    char name[NAME_MAX_ + 1] = "";
    if (size == 0 || size > NAME_MAX_)
        return -1;
    memcpy(name, text, size);
    if (strspn(name, digits) == size) {
        uint32_t count = 0;
        (void)pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &count);
        const unsigned long number = strtoul(name, NULL, 10);
        return number <= count ? (int)number : -1;
    }
    return pcre2_substring_number_from_name(code, (PCRE2_SPTR)name);
}

/* What follows a dollar sign.  Where it ends; NULL: it is no group. */
static const char *read_group(const char *at, const pcre2_code *code, uint32_t *group)
{
    const bool marked = *at == '<';
    at += marked;
    size_t size = strspn(at, *at >= '0' && *at <= '9' ? digits : letters);
    if (marked)
        size = strcspn(at, ">");
    const int number = group_number(at, size, code);
    if (number < 0 || (marked && at[size] != '>'))
        return NULL;
    *group = (uint32_t)number;
    return at + size + marked;
}

bool template_read(struct template *template, const char *text, const pcre2_code *code,
                   const char **wrong)
{
    *wrong = text;
    *template = (struct template){0};
    /* A piece is at least a byte. */
    template->pieces = calloc(strlen(text) + 1, sizeof(*template->pieces));
    if (template->pieces == NULL)
        return false;
    while (*text != '\0') {
        struct template_piece *piece = &template->pieces[template->count++];
        if (*text == '$' && text[1] != '$') {
            *wrong = text;
            text = read_group(text + 1, code, &piece->group);
            if (text == NULL)
                return false;
            continue;
        }
        text += *text == '$';
        piece->text = text;
        piece->size = 1 + strcspn(text + 1, "$");
        text += piece->size;
        template->text_size += piece->size;
    }
    return true;
}

size_t template_size(const struct template *template, const size_t *span)
{
    size_t size = template->text_size;
    for (size_t i = 0; i < template->count; i++) {
        const struct template_piece *piece = &template->pieces[i];
        const size_t *pair = span + (size_t)piece->group * 2;
        if (piece->text == NULL && pair[0] != PCRE2_UNSET)
            size += pair[1] - pair[0];
    }
    return size;
}

size_t template_put(const struct template *template, const char *data, const size_t *span,
                    char *out)
{
    char *to = out;
    for (size_t i = 0; i < template->count; i++) {
        const struct template_piece *piece = &template->pieces[i];
        const size_t *pair = span + (size_t)piece->group * 2;
        const bool set = piece->text == NULL && pair[0] != PCRE2_UNSET;
        const char *text = set ? data + pair[0] : piece->text;
        const size_t size = set ? pair[1] - pair[0] : piece->size;
        memcpy(to, text != NULL ? text : "", size);
        to += size;
    }
    return (size_t)(to - out);
}

void template_clear(struct template *template)
{
    free(template->pieces);
    *template = (struct template){0};
}
