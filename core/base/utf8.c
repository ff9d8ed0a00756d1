/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/* Bytes that a character with this first byte has; 0: no character begins so. */
static size_t size_by_lead(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* The second byte is where overlong forms, surrogates and too large numbers show. */
static bool second_fits(unsigned char lead, unsigned char second)
{
    const unsigned char least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return second >= least && second <= most;
}

size_t flow_utf8_size(const char *text, size_t size)
{
    if (size == 0)
        return 0;
    const unsigned char lead = (unsigned char)text[0];
    const size_t whole = size_by_lead(lead);
    if (whole > size || (whole > 1 && !second_fits(lead, (unsigned char)text[1])))
        return 0;
    for (size_t i = 2; i < whole; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    return whole;
}

bool flow_utf8_valid(const char *text, size_t size)
{
    size_t step;
    for (size_t at = 0; at < size; at += step) {
        step = flow_utf8_size(text + at, size - at);
        if (step == 0)
            return false;
    }
    return true;
}

size_t flow_utf8_cut(const char *text, size_t size, size_t most)
{
    if (size <= most)
        return size;

    size_t start = most;
    while (start > 0 && most - start < 3 && ((unsigned char)text[start] & 0xc0) == 0x80)
        start--;
    return start + flow_utf8_size(text + start, size - start) > most ? start : most;
}
