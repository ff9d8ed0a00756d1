/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

struct splitter {
    bool lower;
};

static const struct flow_param params[] = {
    FLOW_PARAM_BOOL(struct splitter, lower, "false", "turn A-Z into a-z"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "text of any length"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "one word a record: an unbroken run of A-Z, a-z and 0-9"},
    {NULL, NULL, NULL},
};

/* The letter or digit itself, a capital as the small letter; 0 for what is no part of a word. */
static const unsigned char small[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',
    ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',
    ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',
    ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',
    ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f',
    ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm',
    ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't',
    ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z',
};

static enum flow_status emit_word(const struct splitter *s, struct flow_stage *stage,
                                  const unsigned char *word, size_t size)
{
    if (!s->lower)
        return flow_emit(stage, word, size);
    unsigned char *room = flow_reserve(stage, 0, size);
    if (room == NULL)
        return FLOW_EABORT;
    for (size_t i = 0; i < size; i++)
        room[i] = small[word[i]];
    const struct flow_target to = {0};
    return flow_commit(stage, &to, size);
}

static enum flow_status split(const struct splitter *s, struct flow_stage *stage,
                              const unsigned char *text, size_t size)
{
    size_t i = 0;
    for (;;) {
        while (i < size && small[text[i]] == 0)
            i++;
        if (i == size)
            return FLOW_OK;
        const size_t start = i;
        while (i < size && small[text[i]] != 0)
            i++;
        const enum flow_status rc = emit_word(s, stage, text + start, i - start);
        if (rc != FLOW_OK)
            return rc;
    }
}

static enum flow_status splitter_process_batch(void *self, struct flow_stage *stage,
                                               const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (uint32_t i = 0; rc == FLOW_OK && i < batch->count; i++) {
        const struct flow_record record = flow_batch_record(batch, i);
        rc = split(self, stage, record.data, record.size);
    }
    return rc;
}

static const struct flow_stage_type splitter = {
    .name = "text.words",
    .help = "splits text into its words, as tr -cs 'A-Za-z0-9' '\\n' does",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct splitter),
    .process_batch = splitter_process_batch,
};

FLOW_PLUGIN(&splitter);
