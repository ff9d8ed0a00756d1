/* SPDX-License-Identifier: MIT */
#include "flowrun/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"

/* A text that was cut must not end in half a character: a JSON report would refuse it. */
static void drop_half_character(char *text, size_t size)
{
    size_t lead = size - 1;
    while (lead > 0 && size - lead < 4 && ((unsigned char)text[lead] & 0xc0) == 0x80)
        lead--;
    if (flow_utf8_size(text + lead, size - lead) == 0)
        text[lead] = '\0';
}

enum flow_status flow_fail(struct flow_error *err, enum flow_status status, const char *fmt, ...)
{
    if (err == NULL || err->status != FLOW_OK)
        return status;

    va_list args;
    va_start(args, fmt);
    const int size = vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    if (size >= (int)sizeof(err->text))
        drop_half_character(err->text, sizeof(err->text) - 1);
    err->status = status;
    return status;
}
