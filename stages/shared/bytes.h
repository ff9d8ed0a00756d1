/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_BYTES_H
#define FLOW_STAGES_BYTES_H

/*
 * What several built-in stages do with a record's bytes: read a number, write one, show them in a
 * message.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The decimal digits at the start of `data` as a number; `*used` is how many there were.  False: no
 * digit there, or more than 64 bits hold.
 */
static inline bool flow_bytes_number(const void *data, size_t size, uint64_t *value, size_t *used)
{
    const unsigned char *c = data;
    uint64_t sum = 0;
    size_t i = 0;
    for (; i < size && c[i] >= '0' && c[i] <= '9'; i++) {
        const unsigned digit = (unsigned)(c[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (i == 0)
        return false;
    *value = sum;
    *used = i;
    return true;
}

/* How many decimal digits `value` has. */
static inline size_t flow_bytes_count_digits(uint64_t value)
{
    size_t count = 1;
    for (; value >= 10000; value /= 10000)
        count += 4;
    return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* The decimal digits of `value`, ending right before `end`. */
static inline void flow_bytes_put_digits(uint64_t value, char *end)
{
    static const char pairs[] = "0001020304050607080910111213141516171819"
                                "2021222324252627282930313233343536373839"
                                "4041424344454647484950515253545556575859"
                                "6061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    for (; value >= 100; value /= 100) {
        end -= 2;
        memcpy(end, pairs + value % 100 * 2, 2);
    }
    if (value >= 10)
        memcpy(end - 2, pairs + value * 2, 2);
    else
        end[-1] = (char)('0' + value);
}

#define FLOW_BYTES_DIGITS 20 /* of the largest number of 64 bits */

/* The decimal digits of `value`, from `out` on; how many they are. */
static inline size_t flow_bytes_put_number(uint64_t value, char *out)
{
    const size_t size = flow_bytes_count_digits(value);
    flow_bytes_put_digits(value, out + size);
    return size;
}

/* One byte as it is shown to people: itself, or an escape of up to 4 characters.  Their count. */
static inline size_t flow_bytes_escape(unsigned char byte, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\n\t\r\\\"";
    static const char letters[] = "ntr\\\"";
    const char *special = byte == 0 ? NULL : strchr(plain, byte);
    if (byte >= 0x20 && byte < 0x7f && special == NULL) {
        out[0] = (char)byte;
        return 1;
    }
    out[0] = '\\';
    if (special != NULL) {
        out[1] = letters[special - plain];
        return 2;
    }
    out[1] = 'x';
    out[2] = hex[byte >> 4];
    out[3] = hex[byte & 15];
    return 4;
}

#define FLOW_QUOTE_BYTES 40

struct flow_quote {
    char text[FLOW_QUOTE_BYTES * 4 + 8];
};

/* The beginning of a record for a message: in quotes, escaped, cut with "..." when it is long. */
static inline struct flow_quote flow_bytes_quote(const void *data, size_t size)
{
    struct flow_quote quote = {{0}};
    const unsigned char *c = data;
    size_t at = 0;
    quote.text[at++] = '"';
    for (size_t i = 0; i < size && i < FLOW_QUOTE_BYTES; i++)
        at += flow_bytes_escape(c[i], quote.text + at);
    quote.text[at++] = '"';
    for (int dots = 0; size > FLOW_QUOTE_BYTES && dots < 3; dots++)
        quote.text[at++] = '.';
    return quote;
}

#endif /* FLOW_STAGES_BYTES_H */
