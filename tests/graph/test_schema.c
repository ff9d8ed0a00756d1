/* SPDX-License-Identifier: MIT */
#include "graph/schema.h"

#include "support/read_graph.h"

/* What "with" of stage type `name` must be; borrowed from the schema. */
static json_t *rule_of(const json_t *schema, const char *name, bool *required)
{
    const json_t *rules =
        json_object_get(json_object_get(json_object_get(schema, "$defs"), "stage"), "allOf");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const char *type = NULL;
        json_t *then = NULL;
        assert_int_equal(json_unpack(json_array_get(rules, i), "{s:{s:{s:{s:s}}},s:o}", "if",
                                     "properties", "use", "const", &type, "then", &then),
                         0);
        if (strcmp(type, name) != 0)
            continue;
        *required = json_object_get(then, "required") != NULL;
        return json_object_get(json_object_get(then, "properties"), "with");
    }
    fail_msg("no rule for %s", name);
    return NULL;
}

TEST(every_known_type_brings_its_parameters)
{
    json_t *schema = flow_graph_schema(&fake_catalog, NULL);
    assert_non_null(schema);
    for (const char *const *name = fake_names(NULL); *name != NULL; name++) {
        bool required = false;
        const struct flow_stage_type *type = fake_find(NULL, *name, ".", NULL);
        const json_t *rows = json_object_get(rule_of(schema, *name, &required), "properties");
        size_t count = 0;
        bool must = false;
        for (const struct flow_param *p = type->params; p != NULL && p->name != NULL; p++) {
            assert_non_null(json_object_get(rows, p->name));
            must = must || p->def == FLOW_REQUIRED;
            count++;
        }
        assert_int_equal(json_object_size(rows), count);
        assert_int_equal(required, must);
    }
    json_decref(schema);
}

TEST(use_is_one_of_the_known_types_or_a_file)
{
    json_t *schema = flow_graph_schema(&fake_catalog, NULL);
    json_t *choices = NULL;
    assert_int_equal(json_unpack(schema, "{s:{s:{s:{s:{s:o}}}}}", "$defs", "stage", "properties",
                                 "use", "anyOf", &choices),
                     0);
    assert_int_equal(json_array_size(choices), FAKE_TYPE_COUNT + 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(choices, 0), "pattern")),
                        "/|\\$\\{.+\\}");
    assert_string_equal(json_string_value(json_object_get(json_array_get(choices, 1), "const")),
                        fake_names(NULL)[0]);
    json_decref(schema);
}

/* What a key may be: true, false, a word, or a reference that becomes one of them. */
static void check_fuse(json_t *rule)
{
    const char *type = NULL;
    const char *word = NULL;
    const char *reference = NULL;
    const char *usual = NULL;
    assert_int_equal(json_unpack(json_object_get(rule, "anyOf"), "[{s:s},{s:s},{s:s}!]", "type",
                                 &type, "const", &word, "type", &reference),
                     0);
    assert_int_equal(json_unpack(rule, "{s:s}", "default", &usual), 0);
    assert_string_equal(type, "boolean");
    assert_string_equal(word, "auto");
    assert_string_equal(reference, "string");
    assert_string_equal(usual, "auto");
}

TEST(fuse_stands_in_a_stage_and_in_run)
{
    json_t *schema = flow_graph_schema(&fake_catalog, NULL);
    json_t *defs = json_object_get(schema, "$defs");
    static const char *const parts[] = {"stage", "run"};
    for (size_t i = 0; i < COUNT(parts); i++) {
        const json_t *keys = json_object_get(json_object_get(defs, parts[i]), "properties");
        assert_non_null(json_object_get(keys, "fuse"));
        check_fuse(json_object_get(keys, "fuse"));
    }
    json_decref(schema);
}

static bool resolves(const json_t *defs, const char *ref)
{
    return strncmp(ref, "#/$defs/", 8) == 0 && json_object_get(defs, ref + 8) != NULL;
}

static int count_refs(const json_t *defs, json_t *json)
{
    int count = 0;
    const char *key;
    json_t *value;
    if (json_is_object(json)) {
        json_object_foreach(json, key, value) {
            if (strcmp(key, "$ref") == 0) {
                assert_true(resolves(defs, json_string_value(value)));
                count++;
            }
            count += count_refs(defs, value);
        }
    }
    for (size_t i = 0; i < json_array_size(json); i++)
        count += count_refs(defs, json_array_get(json, i));
    return count;
}

TEST(every_reference_of_the_schema_leads_somewhere)
{
    json_t *schema = flow_graph_schema(&fake_catalog, NULL);
    assert_true(count_refs(json_object_get(schema, "$defs"), schema) > 10);
    json_decref(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_type_brings_its_parameters),
        cmocka_unit_test(use_is_one_of_the_known_types_or_a_file),
        cmocka_unit_test(fuse_stands_in_a_stage_and_in_run),
        cmocka_unit_test(every_reference_of_the_schema_leads_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
