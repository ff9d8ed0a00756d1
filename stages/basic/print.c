/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include "shared/bytes.h"
#include "shared/file.h"
#include "shared/text.h"

#define ESCAPED 4               /* characters that a byte takes at most */
#define FULL ((size_t)64 << 10) /* that is written at once */

enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

struct printer {
    char *format;
    int color;  /* enum when */
    int escape; /* enum when */
    uint64_t max_size;

    bool colors, escapes;
    uint64_t seen;
    struct flow_text text; /* lines that are not printed yet */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct printer, format, "{record}",
                   "a line, with {record}, {key}, {n} (its number), {stage}; {{ is a brace"),
    FLOW_PARAM_ENUM(struct printer, color, "auto", "auto|always|never",
                    "colour keys and numbers; auto: on a terminal, unless NO_COLOR is set"),
    FLOW_PARAM_ENUM(struct printer, escape, "auto", "auto|always|never",
                    "show control characters as \\x1b; auto: on a terminal"),
    FLOW_PARAM_SIZE(struct printer, max_size, "0B", 0, 16 << 20,
                    "cut longer records, with a word; 0: print them whole [bytes]"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to be printed"},
    {NULL, NULL, NULL},
};

static const char *const words[] = {"{record}", "{key}", "{n}", "{stage}", "{{"};
enum { WORD_RECORD, WORD_KEY, WORD_NUMBER, WORD_STAGE, WORD_BRACE, WORDS };

static int find_word(const char *at)
{
    for (int i = 0; i < WORDS; i++) {
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return i;
    }
    return WORDS;
}

static enum flow_status printer_open(void *self, struct flow_stage *stage)
{
    struct printer *p = self;
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the program changes the environment */
    const char *no_color = getenv("NO_COLOR");
    const bool plain = no_color != NULL && no_color[0] != '\0';
    p->colors = p->color == WHEN_ALWAYS || (p->color == WHEN_AUTO && terminal && !plain);
    p->escapes = p->escape == WHEN_ALWAYS || (p->escape == WHEN_AUTO && terminal);
    for (const char *c = strchr(p->format, '{'); c != NULL; c = strchr(c, '{')) {
        const int word = find_word(c);
        if (word == WORDS)
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "format '%s', character %zu: {record}, {key}, {n}, {stage} and "
                                   "{{ are known",
                                   p->format, (size_t)(c - p->format) + 1);
        c += strlen(words[word]);
    }
    return FLOW_OK;
}

/* Bytes of UTF-8 are left as they are; whatever could steer a terminal is not. */
static void put_escaped(struct printer *p, const unsigned char *data, size_t size)
{
    if (!flow_text_reserve(&p->text, size * ESCAPED))
        return;
    char *at = p->text.at + p->text.size;
    for (size_t i = 0; i < size;) {
        const size_t step = flow_utf8_size(data + i, size - i);
        const bool c1 = step == 2 && data[i] == 0xc2 && data[i + 1] < 0xa0;
        const bool plain = step > 1 ? !c1 : data[i] == '"' || data[i] == '\\';
        if (plain) {
            memcpy(at, data + i, step > 1 ? step : 1);
            at += step > 1 ? step : 1;
        } else {
            at += flow_bytes_escape(data[i], at);
            at += c1 ? flow_bytes_escape(data[i + 1], at) : 0;
        }
        i += step > 1 ? step : 1;
    }
    p->text.size = (size_t)(at - p->text.at);
}

static void put_data(struct printer *p, const void *data, size_t size)
{
    if (p->escapes)
        put_escaped(p, data, size);
    else
        flow_text_add(&p->text, data, size);
}

static void put_number(struct printer *p, uint64_t number)
{
    char digits[FLOW_BYTES_DIGITS];
    flow_text_add(&p->text, digits, flow_bytes_put_number(number, digits));
}

static void put_colored(struct printer *p, const char *color, const void *data, size_t size)
{
    if (p->colors)
        flow_text_put(&p->text, color);
    put_data(p, data, size);
    if (p->colors)
        flow_text_put(&p->text, "\033[0m");
}

static void put_record(struct printer *p, const struct flow_record *record)
{
    const bool cut = p->max_size > 0 && record->size > p->max_size;
    put_data(p, record->data, cut ? (size_t)p->max_size : record->size);
    if (!cut)
        return;
    flow_text_put(&p->text, "... (");
    put_number(p, record->size);
    flow_text_put(&p->text, " bytes)");
}

static void put_word(struct printer *p, int word, const char *stage,
                     const struct flow_record *record)
{
    char digits[FLOW_BYTES_DIGITS];
    if (word == WORD_RECORD)
        put_record(p, record);
    else if (word == WORD_KEY)
        put_colored(p, "\033[36m", record->key_size > 0 ? record->key : "", record->key_size);
    else if (word == WORD_NUMBER)
        put_colored(p, "\033[90m", digits, flow_bytes_put_number(p->seen, digits));
    else
        flow_text_put(&p->text, word == WORD_STAGE ? stage : "{");
}

static void put_line(struct printer *p, const char *stage, const struct flow_record *record)
{
    const char *at = p->format;
    p->seen++;
    while (*at != '\0') {
        const size_t plain = strcspn(at, "{");
        flow_text_add(&p->text, at, plain);
        at += plain;
        if (*at == '\0')
            break;
        const int word = find_word(at);
        put_word(p, word, stage, record);
        at += strlen(words[word]);
    }
    flow_text_put(&p->text, "\n");
}

static enum flow_status flush(struct printer *p, struct flow_stage *stage)
{
    if (p->text.failed)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory to print a record");
    const size_t size = p->text.size;
    p->text.size = 0;
    return size > 0 ? flow_file_write(stage, STDOUT_FILENO, "standard output", p->text.at, size)
                    : FLOW_OK;
}

static enum flow_status printer_process_batch(void *self, struct flow_stage *stage,
                                              const struct flow_batch *batch)
{
    struct printer *p = self;
    const char *name = flow_stage_info(stage)->name;
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);) {
        put_line(p, name, &c.record);
        if (p->text.size >= FULL || p->text.failed)
            rc = flush(p, stage);
    }
    return rc == FLOW_OK ? flush(p, stage) : rc;
}

static enum flow_status printer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct printer *p = self;
    (void)stage;
    return flow_save_number(to, p->seen);
}

static enum flow_status printer_restore(void *self, struct flow_stage *stage,
                                        struct flow_loader *from)
{
    struct printer *p = self;
    (void)stage;
    return flow_load_number(from, &p->seen);
}

static const char *printer_weakness(const void *self)
{
    (void)self;
    return "what is on standard output cannot be taken back";
}

static void printer_close(void *self, struct flow_stage *stage)
{
    struct printer *p = self;
    (void)stage;
    flow_text_clear(&p->text);
}

static const struct flow_stage_type printer = {
    .name = "print",
    .help = "prints records for people: with key and number, in colour on a terminal",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct printer),
    .open = printer_open,
    .process_batch = printer_process_batch,
    .close = printer_close,
    .save = printer_save,
    .restore = printer_restore,
    .weakness = printer_weakness,
};

FLOW_PLUGIN(&printer);
