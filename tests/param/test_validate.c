/* SPDX-License-Identifier: MIT */
#include "param/param.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"

struct state {
    int64_t a;
    int64_t b;
    char *text;
    struct flow_list list;
    int choice;
    bool flag;
};

static const struct flow_param sound[] = {
    FLOW_PARAM_I64(struct state, a, "1", 0, 10, "a [1]"),
    FLOW_PARAM_DURATION(struct state, b, "0s", 0, 0x1p53, "b [time]"),
    FLOW_PARAM_STR(struct state, text, NULL, "text"),
    FLOW_PARAM_LIST(struct state, list, "plain", "a list"),
    FLOW_PARAM_ENUM(struct state, choice, "two", "one|two", "choice"),
    FLOW_PARAM_BOOL(struct state, flag, FLOW_REQUIRED, "flag"),
    FLOW_PARAM_END,
};

TEST(a_sound_table_passes)
{
    struct flow_error err = {0};
    assert_int_equal(flow_params_validate(sound, sizeof(struct state), &err), FLOW_OK);
    assert_string_equal(err.text, "");
    assert_int_equal(flow_params_validate(NULL, 0, &err), FLOW_OK);
}

#define A offsetof(struct state, a)
#define B offsetof(struct state, b)

static const struct {
    struct flow_param rows[3];
    const char *text;
} broken[] = {
    {{{"Tap", FLOW_I64, A, 0, 1, "0", NULL, "h"}},
     "parameter 0 is named 'Tap'; a name has lower-case letters, digits and '_', and begins with a "
     "letter"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, "h"}, {"", FLOW_I64, B, 0, 1, "0", NULL, "h"}},
     "parameter 1 is named ''; a name has lower-case letters, digits and '_', and begins with a "
     "letter"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, "h"}, {"a", FLOW_I64, B, 0, 1, "0", NULL, "h"}},
     "parameter 'a' is declared twice"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, NULL}}, "parameter 'a' needs a line of help in UTF-8"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, ""}}, "parameter 'a' needs a line of help in UTF-8"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, "two\nlines"}},
     "parameter 'a' needs a line of help in UTF-8"},
    {{{"a", FLOW_I64, A, 0, 1, "0", NULL, "\xe4"}}, "parameter 'a' needs a line of help in UTF-8"},
    {{{"a", (enum flow_type)99, A, 0, 1, "0", NULL, "h"}}, "parameter 'a' has the unknown type 99"},
    {{{"a", FLOW_I64, sizeof(struct state) - 7, 0, 1, "0", NULL, "h"}}, NULL},
    {{{"a", FLOW_I64, (size_t)-8, 0, 1, "0", NULL, "h"}}, NULL},
    {{{"a", FLOW_I64, A + 4, 0, 1, "0", NULL, "h"}},
     "the field of parameter 'a' lies at 4, unaligned"},
    {{{"a", FLOW_I64, B, 0, 1, "0", NULL, "h"}, {"b", FLOW_BOOL, B + 7, 0, 0, "true", NULL, "h"}},
     "parameters 'a' and 'b' share a field"},
    {{{"a", FLOW_I64, A, 2, 1, "2", NULL, "h"}}, "parameter 'a' has the impossible range 2 to 1"},
    {{{"a", FLOW_I64, A, 0.5, 1, "1", NULL, "h"}},
     "parameter 'a' has the impossible range 0.5 to 1"},
    {{{"a", FLOW_I64, A, 0, 0x1p54, "0", NULL, "h"}},
     "parameter 'a' has the impossible range 0 to 18014398509481984"},
    {{{"a", FLOW_SIZE, A, -1, 10, "1", NULL, "h"}},
     "parameter 'a' has the impossible range -1 to 10"},
    {{{"a", FLOW_DURATION, A, -1, 10, "1ns", NULL, "h"}},
     "parameter 'a' has the impossible range -1 to 10"},
    {{{"a", FLOW_F64, A, NAN, 1, "0", NULL, "h"}},
     "parameter 'a' has the impossible range nan to 1"},
    {{{"a", FLOW_I64, A, 0, 1, NULL, NULL, "h"}},
     "parameter 'a' needs a default, or FLOW_REQUIRED"},
    {{{"a", FLOW_I64, A, 0, 1, "2", NULL, "h"}},
     "the default does not fit: 'a' is 2; it must be an integer from 0 to 1"},
    {{{"a", FLOW_I64, A, 0, 1, "one", NULL, "h"}}, NULL},
    {{{"a", FLOW_I64, A, 0, 1, "", NULL, "h"}}, NULL},
    {{{"a", FLOW_DURATION, A, 0, 10, "5", NULL, "h"}},
     "the default does not fit: 'a' is \"5\"; it must be a duration (such as \"250ms\") of at most "
     "10ns"},
    {{{"text", FLOW_STR, offsetof(struct state, text), 0, 0, "\xff", NULL, "h"}},
     "the default of parameter 'text' is not UTF-8"},
    {{{"text", FLOW_JSON, offsetof(struct state, text), 0, 0, "{\"a\":1,\"a\":2}", NULL, "h"}},
     NULL},
    {{{"list", FLOW_LIST, offsetof(struct state, list), 0, 0, "[1]", NULL, "h"}},
     "the default does not fit: 'list' is [1]; it must be a string or a list of strings"},
    {{{"choice", FLOW_ENUM, offsetof(struct state, choice), 0, 0, "a", NULL, "h"}},
     "parameter 'choice' has no choices in UTF-8"},
    {{{"choice", FLOW_ENUM, offsetof(struct state, choice), 0, 0, "a", "a||b", "h"}},
     "parameter 'choice' has an empty choice in \"a||b\""},
    {{{"choice", FLOW_ENUM, offsetof(struct state, choice), 0, 0, "a", "a|b|", "h"}},
     "parameter 'choice' has an empty choice in \"a|b|\""},
    {{{"choice", FLOW_ENUM, offsetof(struct state, choice), 0, 0, "a", "a|b|a", "h"}},
     "parameter 'choice' has a choice twice in \"a|b|a\""},
    {{{"choice", FLOW_ENUM, offsetof(struct state, choice), 0, 0, "c", "a|b", "h"}},
     "the default does not fit: 'choice' is \"c\"; it must be one of \"a\", \"b\""},
};

TEST(a_broken_row_is_named_with_its_fault)
{
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct flow_error err = {0};
        const enum flow_status rc =
            flow_params_validate(broken[i].rows, sizeof(struct state), &err);
        if (broken[i].text != NULL)
            assert_string_equal(err.text, broken[i].text);
        else
            assert_non_null(strstr(err.text, "'a'") != NULL ? err.text
                                                            : strstr(err.text, "'text'"));
        assert_int_equal(rc, FLOW_EINVAL);
    }
}

TEST(a_default_that_is_not_json_is_shown)
{
    const struct flow_param rows[] = {{"a", FLOW_I64, A, 0, 1, "one", NULL, "h"}, FLOW_PARAM_END};
    struct flow_error err = {0};
    assert_int_equal(flow_params_validate(rows, sizeof(struct state), &err), FLOW_EINVAL);
    assert_non_null(strstr(err.text,
                           "the default does not fit: 'a' has the default 'one', which is "
                           "not JSON: "));
}

TEST(a_failed_allocation_is_not_mistaken_for_a_broken_table)
{
    enum flow_status rc = FLOW_ENOMEM;
    int n = 0;
    for (; rc == FLOW_ENOMEM; n++) {
        struct flow_error err = {0};
        flow_mem_fail_at(n);
        rc = flow_params_validate(sound, sizeof(struct state), &err);
        flow_mem_fail_at(-1);
        assert_true(rc == FLOW_ENOMEM || rc == FLOW_OK);
        assert_int_equal(err.status, rc);
    }
    assert_true(n > 5);
}

int main(void)
{
    json_set_alloc_funcs(flow_alloc, free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_table_passes),
        cmocka_unit_test(a_broken_row_is_named_with_its_fault),
        cmocka_unit_test(a_default_that_is_not_json_is_shown),
        cmocka_unit_test(a_failed_allocation_is_not_mistaken_for_a_broken_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
