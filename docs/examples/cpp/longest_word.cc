// SPDX-License-Identifier: MIT
#include <flowrun/stage.h>

#include <new>
#include <string>

// The engine zeroes this struct and runs no constructor: what has one is made in open.
struct words {
    int64_t least;
    std::string *longest;
};

static const flow_param params[] = {
    FLOW_PARAM_I64(words, least, "1", 1, 1e6, "leave shorter ones out [bytes]"),
    FLOW_PARAM_END,
};

static flow_status words_open(void *self, flow_stage *stage)
{
    auto *w = static_cast<words *>(self);
    w->longest = new (std::nothrow) std::string;
    return w->longest != nullptr ? FLOW_OK : flow_stage_fail(stage, FLOW_ENOMEM, "no memory");
}

// No exception may leave a callback.
static flow_status words_process(void *self, flow_stage *stage, const flow_record *record)
{
    auto *w = static_cast<words *>(self);
    try {
        if (record->size >= static_cast<size_t>(w->least) && record->size > w->longest->size())
            w->longest->assign(static_cast<const char *>(record->data), record->size);
    } catch (const std::bad_alloc &) {
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu bytes", record->size);
    }
    return FLOW_OK;
}

static flow_status words_finish(void *self, flow_stage *stage)
{
    const auto *w = static_cast<words *>(self);
    return w->longest->empty() ? FLOW_OK : flow_emit(stage, w->longest->data(), w->longest->size());
}

static void words_close(void *self, flow_stage *)
{
    delete static_cast<words *>(self)->longest;
}

static const flow_stage_type longest_word = [] {
    flow_stage_type type = {};
    type.name = "text.longest_word";
    type.help = "emits the longest record at the end";
    type.role = FLOW_WORKER;
    type.traits = FLOW_STATEFUL;
    type.params = params;
    type.state_size = sizeof(words);
    type.open = words_open;
    type.process = words_process;
    type.finish = words_finish;
    type.close = words_close;
    return type;
}();

FLOW_PLUGIN(&longest_word);
