/* SPDX-License-Identifier: MIT */
#include "graph/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/check.h"
#include "support/hand_graph.h"

typedef void draw_function(const struct flow_graph *graph, const size_t *threads,
                           struct flow_str *out);

static void check(const struct hand *h, draw_function *draw, const char *expected)
{
    struct flow_str text = {0};
    draw(&h->graph, NULL, &text);
    assert_false(text.failed);
    assert_string_equal(text.text != NULL ? text.text : "", expected);
    flow_str_clear(&text);
}

/* clang-format off */
static const char wordcount_text[] =
    "        ┌────────────┐\n"
    "        │    read    │\n"
    "        │ lines.read │\n"
    "        └──────┬─────┘\n"
    "       ┌───────┴────────┐\n"
    "       ▼                ▼\n"
    "┌─────────────┐   ┌──────────┐\n"
    "│ words ×auto │   │  lines   │\n"
    "│ text.words  │   │ sort.top │\n"
    "└──────┬──────┘   └─────┬────┘\n"
    "      key               │\n"
    "       ▼                ▼\n"
    "┌────────────┐   ┌─────────────┐\n"
    "│  count ×2  │   │    total    │\n"
    "│ count.keys │   │ lines.write │\n"
    "└──────┬─────┘   └─────────────┘\n"
    "       ▼\n"
    " ┌───────────┐\n"
    " │ top ×auto │\n"
    " │ sort.top  │\n"
    " └─────┬─────┘\n"
    "       ▼\n"
    "┌─────────────┐\n"
    "│    print    │\n"
    "│ lines.write │\n"
    "└─────────────┘\n";

static const char wordcount_dot[] =
    "digraph \"hand\" {\n"
    "    rankdir=LR;\n"
    "    node [fontname=\"sans-serif\"];\n"
    "    edge [fontname=\"sans-serif\", fontsize=11];\n"
    "    \"read\" [label=\"read\\nlines.read\", shape=ellipse];\n"
    "    \"words\" [label=\"words ×auto\\ntext.words\", shape=box, style=rounded];\n"
    "    \"count\" [label=\"count ×2\\ncount.keys\", shape=box, style=rounded];\n"
    "    \"top\" [label=\"top ×auto\\nsort.top\", shape=box, style=rounded];\n"
    "    \"print\" [label=\"print\\nlines.write\", shape=cylinder];\n"
    "    \"lines\" [label=\"lines\\nsort.top\", shape=box, style=rounded];\n"
    "    \"total\" [label=\"total\\nlines.write\", shape=cylinder];\n"
    "    \"read\" -> \"words\";\n"
    "    \"words\" -> \"count\" [label=\"key\"];\n"
    "    \"count\" -> \"top\";\n"
    "    \"top\" -> \"print\";\n"
    "    \"read\" -> \"lines\";\n"
    "    \"lines\" -> \"total\";\n"
    "}\n";

static const char wordcount_mermaid[] =
    "flowchart LR\n"
    "    s0([\"read<br/>lines.read\"])\n"
    "    s1[\"words ×auto<br/>text.words\"]\n"
    "    s2[\"count ×2<br/>count.keys\"]\n"
    "    s3[\"top ×auto<br/>sort.top\"]\n"
    "    s4[(\"print<br/>lines.write\")]\n"
    "    s5[\"lines<br/>sort.top\"]\n"
    "    s6[(\"total<br/>lines.write\")]\n"
    "    s0 --> s1\n"
    "    s1 -->|\"key\"| s2\n"
    "    s2 --> s3\n"
    "    s3 --> s4\n"
    "    s0 --> s5\n"
    "    s5 --> s6\n";

static const char ports_text[] =
    "               ┌────────────┐\n"
    "               │    read    │\n"
    "               │ lines.read │\n"
    "               └──────┬─────┘\n"
    "                      ▼\n"
    "               ┌────────────┐\n"
    "               │  parse ×3  │\n"
    "               │ text.words │\n"
    "               └──────┬─────┘\n"
    "              ┌───────┴────────┐\n"
    "          drop_old             │\n"
    "              ▼                │\n"
    "       ┌────────────┐          │\n"
    "       │  split ×2  │          │\n"
    "       │ text.split │          │\n"
    "       └──────┬─────┘          │\n"
    "       ┌──────┴─────┐          │\n"
    "  short →left  long →right     │\n"
    "       ▼            ▼          │\n"
    "┌──────────────────────────┐   │\n"
    "│         join ×2          │   │\n"
    "│        text.join         │   │\n"
    "└─────────────┬────────────┘   │\n"
    "         ┌────┴────────┐       │\n"
    "         │          errors  errors\n"
    "         ▼             ▼       ▼\n"
    "    ┌─────────┐   ┌────────────────┐\n"
    "    │  print  │   │      dead      │\n"
    "    │ inspect │   │  lines.write   │\n"
    "    └─────────┘   └────────────────┘\n";

static const char merge_text[] =
    "  ┌────────────┐   ┌────────────┐\n"
    "  │    left    │   │   right    │\n"
    "  │ lines.read │   │ lines.read │\n"
    "  └──────┬─────┘   └──────┬─────┘\n"
    "┌────────┴──────┐  ┌──────┴────────┐\n"
    "│               ▼  ▼               ▼\n"
    "│          ┌────────────┐   ┌─────────────┐\n"
    "│          │   merge    │   │    copy     │\n"
    "│          │ text.words │   │ lines.write │\n"
    "│          └──────┬─────┘   └─────────────┘\n"
    "│          ┌──────┴─────────┐\n"
    "│          ▼                ▼\n"
    "│   ┌────────────┐   ┌────────────┐\n"
    "│   │     up     │   │  down ×4   │\n"
    "│   │ text.words │   │ text.words │\n"
    "│   └──────┬─────┘   └──────┬─────┘\n"
    "└─────────┐│    ┌───────────┘\n"
    "          │└─┐  │\n"
    "          ▼  ▼  ▼\n"
    "      ┌─────────────┐\n"
    "      │    print    │\n"
    "      │ lines.write │\n"
    "      └─────────────┘\n";

static const char mesh_text[] =
    " ┌────────────┐   ┌────────────┐   ┌────────────┐\n"
    " │     p0     │   │     p1     │   │     p2     │\n"
    " │ lines.read │   │ lines.read │   │ lines.read │\n"
    " └──────┬─────┘   └──────┬─────┘   └──────┬─────┘\n"
    "    ┌───┴─────────────┬──│──────────────┐ │\n"
    "    │  ┌──────────────│──┼──────────────│─│┐\n"
    "    │  │  ┌───────────│──│──┬───────────│─┴│──┐\n"
    "    ▼  ▼  ▼           ▼  ▼  ▼           ▼  ▼  ▼\n"
    "┌─────────────┐   ┌─────────────┐   ┌─────────────┐\n"
    "│     q0      │   │     q1      │   │     q2      │\n"
    "│ lines.write │   │ lines.write │   │ lines.write │\n"
    "└─────────────┘   └─────────────┘   └─────────────┘\n";
/* clang-format on */

TEST(wordcount_is_drawn_in_each_form)
{
    struct hand *h = hand_wordcount();
    check(h, flow_graph_draw_text, wordcount_text);
    check(h, flow_graph_draw_dot, wordcount_dot);
    check(h, flow_graph_draw_mermaid, wordcount_mermaid);
    hand_free(h);
}

TEST(ports_errors_and_queues_are_drawn_as_labels)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t parse = hand_stage(h, "parse", &hand_map, 3);
    const size_t split = hand_stage(h, "split", &hand_split, 2);
    const size_t join = hand_stage(h, "join", &hand_join, 2);
    const size_t print = hand_stage(h, "print", &hand_either, 1);
    const size_t dead = hand_stage(h, "dead", &hand_sink, 1);
    (void)hand_edge(h, read, parse);
    hand_edge(h, parse, split)->queue.when_full = FLOW_DROP_OLD;
    (void)hand_edge(h, split, join);
    struct flow_graph_edge *edge = hand_edge(h, split, join);
    edge->from_port = edge->to_port = 1;
    (void)hand_edge(h, join, print);
    hand_edge(h, parse, dead)->from_port = FLOW_PORT_ERRORS;
    hand_edge(h, join, dead)->from_port = FLOW_PORT_ERRORS;
    check(h, flow_graph_draw_text, ports_text);
    hand_free(h);
}

TEST(lines_that_skip_layers_pass_beside_the_boxes)
{
    struct hand *h = hand_new();
    const size_t left = hand_stage(h, "left", &hand_source, 1);
    const size_t right = hand_stage(h, "right", &hand_source, 1);
    const size_t merge = hand_stage(h, "merge", &hand_map, 1);
    const size_t up = hand_stage(h, "up", &hand_map, 1);
    const size_t down = hand_stage(h, "down", &hand_map, 4);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    const size_t copy = hand_stage(h, "copy", &hand_sink, 1);
    (void)hand_edge(h, left, merge);
    (void)hand_edge(h, right, merge);
    (void)hand_edge(h, merge, up);
    (void)hand_edge(h, merge, down);
    (void)hand_edge(h, up, print);
    (void)hand_edge(h, down, print);
    (void)hand_edge(h, left, print);
    (void)hand_edge(h, right, copy);
    check(h, flow_graph_draw_text, merge_text);
    hand_free(h);
}

TEST(lines_that_cross_pass_over_each_other)
{
    struct hand *h = hand_new();
    for (int i = 0; i < 6; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "%c%d", i < 3 ? 'p' : 'q', i % 3);
        (void)hand_stage(h, name, i < 3 ? &hand_source : &hand_sink, 1);
    }
    for (size_t i = 0; i < 9; i++)
        (void)hand_edge(h, i / 3, 3 + i % 3);
    check(h, flow_graph_draw_text, mesh_text);
    hand_free(h);
}

TEST(errors_are_red_and_dashed)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_either, 1);
    const size_t dead = hand_stage(h, "dead", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    hand_edge(h, work, dead)->from_port = FLOW_PORT_ERRORS;
    h->stages[work].isolate = true;
    struct flow_str text = {0};
    flow_graph_draw_dot(&h->graph, NULL, &text);
    assert_non_null(strstr(text.text, "    \"work\" [label=\"work\\ninspect\", shape=cylinder, "
                                      "penwidth=2];\n"));
    assert_non_null(strstr(text.text, "    \"work\" -> \"dead\" [label=\"errors\", color=red, "
                                      "fontcolor=red, style=dashed];\n"));
    flow_str_clear(&text);
    flow_graph_draw_mermaid(&h->graph, NULL, &text);
    assert_non_null(strstr(text.text, "    s1 -.->|\"errors\"| s2\n"));
    assert_non_null(strstr(text.text, "    linkStyle 1 stroke:red,color:red\n"));
    flow_str_clear(&text);
    hand_free(h);
}

TEST(an_either_type_that_is_read_is_drawn_as_a_worker)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_either, 1);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, work, print);
    struct flow_str text = {0};
    flow_graph_draw_dot(&h->graph, NULL, &text);
    assert_non_null(strstr(text.text, "inspect\", shape=box, style=rounded];\n"));
    flow_str_clear(&text);
    hand_free(h);
}

TEST(names_and_keys_are_escaped)
{
    char title[] = "a \"graph\"\\";
    char key[] = "/\"a\"<b>&#\\\n";
    struct hand *h = hand_new();
    h->graph.name = title;
    const size_t read = hand_stage(h, "end", &hand_source, 1);
    const size_t count = hand_stage(h, "count", &hand_count, 2);
    hand_edge(h, read, count)->share = FLOW_KEY;
    h->edges[0].key = key;
    struct flow_str text = {0};
    flow_graph_draw_dot(&h->graph, NULL, &text);
    assert_non_null(strstr(text.text, "digraph \"a \\\"graph\\\"\\\\\" {"));
    assert_non_null(strstr(text.text, "[label=\"key /\\\"a\\\"<b>&#\\\\\\n\"]"));
    flow_str_clear(&text);
    flow_graph_draw_mermaid(&h->graph, NULL, &text);
    assert_non_null(strstr(text.text, "|\"key /#34;a#34;#60;b#62;#38;#35;#92;#10;\"| s1\n"));
    flow_str_clear(&text);
    hand_free(h);
}

/* clang-format off */
static const char fused_text[] =
    "         ┌────────────┐\n"
    "         │    read    │\n"
    "         │ lines.read │\n"
    "         └──────┬─────┘\n"
    "        ┌───────┴────────┐\n"
    "      fused              │\n"
    "        ▼                ▼\n"
    " ┌────────────┐   ┌─────────────┐\n"
    " │    work    │   │    print    │\n"
    " │ text.words │   │ lines.write │\n"
    " └──────┬─────┘   └─────────────┘\n"
    "  errors fused\n"
    "        ▼\n"
    "┌──────────────┐\n"
    "│     dead     │\n"
    "│ lines.write  │\n"
    "└──────────────┘\n";

static const char fused_dot[] =
    "    subgraph cluster_0 {\n"
    "        label=\"fused\"; style=dashed; fontname=\"sans-serif\";\n"
    "        \"read\" [label=\"read\\nlines.read\", shape=ellipse];\n"
    "        \"work\" [label=\"work\\ntext.words\", shape=box, style=rounded];\n"
    "        \"dead\" [label=\"dead\\nlines.write\", shape=cylinder];\n"
    "    }\n"
    "    \"print\" [label=\"print\\nlines.write\", shape=cylinder];\n"
    "    \"read\" -> \"work\";\n";

static const char fused_mermaid[] =
    "flowchart LR\n"
    "    subgraph fused0 [\"fused\"]\n"
    "        s0([\"read<br/>lines.read\"])\n"
    "        s1[\"work<br/>text.words\"]\n"
    "        s3[(\"dead<br/>lines.write\")]\n"
    "    end\n"
    "    s2[(\"print<br/>lines.write\")]\n"
    "    s0 --> s1\n";
/* clang-format on */

/* The stages of the thread are not all neighbours in the file. */
TEST(fused_stages_are_drawn_as_such_in_each_form)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    const size_t work = hand_stage(h, "work", &hand_map, 1);
    const size_t print = hand_stage(h, "print", &hand_sink, 1);
    const size_t dead = hand_stage(h, "dead", &hand_sink, 1);
    (void)hand_edge(h, read, work);
    (void)hand_edge(h, read, print);
    hand_edge(h, work, dead)->from_port = FLOW_PORT_ERRORS;
    const size_t threads[] = {read, read, print, read};

    struct flow_str text = {0};
    flow_graph_draw_text(&h->graph, threads, &text);
    assert_string_equal(text.text, fused_text);
    flow_str_clear(&text);
    flow_graph_draw_dot(&h->graph, threads, &text);
    assert_non_null(strstr(text.text, fused_dot));
    flow_str_clear(&text);
    flow_graph_draw_mermaid(&h->graph, threads, &text);
    assert_int_equal(strncmp(text.text, fused_mermaid, strlen(fused_mermaid)), 0);
    flow_str_clear(&text);
    hand_free(h);
}

TEST(a_list_of_stages_says_what_is_fused)
{
    struct hand *h = hand_new();
    size_t threads[101] = {0};
    (void)hand_stage(h, "s", &hand_source, 1);
    for (size_t i = 1; i < COUNT(threads); i++) {
        (void)hand_edge(h, i - 1, hand_stage(h, "s", &hand_map, 1));
        threads[i] = i < 2 ? 0 : i;
    }
    struct flow_str text = {0};
    flow_graph_draw_text(&h->graph, threads, &text);
    const char expected[] = "s  (lines.read)\n  → s  fused\ns  (text.words)\n  → s\n";
    assert_int_equal(strncmp(text.text, expected, strlen(expected)), 0);
    flow_str_clear(&text);
    hand_free(h);
}

TEST(an_empty_graph_has_no_picture)
{
    struct hand *h = hand_new();
    check(h, flow_graph_draw_text, "");
    hand_free(h);
}

TEST(a_graph_too_wide_for_a_terminal_is_listed)
{
    struct hand *h = hand_new();
    const size_t read = hand_stage(h, "read", &hand_source, 1);
    char expected[512];
    int size = snprintf(expected, sizeof(expected), "read  (lines.read)\n");
    for (int i = 0; i < 8; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "s%d", i);
        hand_edge(h, read, hand_stage(h, name, &hand_sink, 2))->share = FLOW_ALL;
        size += snprintf(expected + size, sizeof(expected) - (size_t)size, "  → s%d  all\n", i);
    }
    for (int i = 0; i < 8; i++)
        size += snprintf(expected + size, sizeof(expected) - (size_t)size,
                         "s%d ×2  (lines.write)\n", i);
    check(h, flow_graph_draw_text, expected);
    hand_free(h);
}

TEST(a_graph_of_too_many_stages_or_edges_is_listed)
{
    for (size_t edges = 0; edges < 2; edges++) {
        struct hand *h = hand_new();
        size_t last = hand_stage(h, "s", &hand_source, 1);
        for (size_t i = 0; i < 201; i++) {
            const size_t next = edges == 0 || i == 0 ? hand_stage(h, "s", &hand_map, 1) : last;
            (void)hand_edge(h, edges == 0 ? last : 0, next);
            last = next;
        }
        struct flow_str text = {0};
        flow_graph_draw_text(&h->graph, NULL, &text);
        assert_int_equal(strncmp(text.text, "s  (lines.read)\n  → s\n", 24), 0);
        assert_null(strstr(text.text, "┌"));
        flow_str_clear(&text);
        hand_free(h);
    }
}

TEST(a_cycle_is_listed_rather_than_followed)
{
    struct hand *h = hand_new();
    const size_t a = hand_stage(h, "a", &hand_map, 1);
    const size_t b = hand_stage(h, "b", &hand_map, 1);
    (void)hand_edge(h, a, b);
    (void)hand_edge(h, b, a);
    check(h, flow_graph_draw_text, "a  (text.words)\n  → b\nb  (text.words)\n  → a\n");
    hand_free(h);
}

TEST(a_failed_allocation_fails_the_drawing)
{
    static draw_function *const draws[] = {flow_graph_draw_text, flow_graph_draw_dot,
                                           flow_graph_draw_mermaid};
    struct hand *small = hand_wordcount();
    struct hand *big = hand_new();
    for (int i = 0; i < 50; i++)
        (void)hand_stage(big, "s", &hand_source, 1);
    hand_edge(big, 0, 1)->share = FLOW_KEY;
    for (size_t i = 0; i < 2 * COUNT(draws); i++) {
        const struct hand *h = i % 2 == 0 ? small : big;
        struct flow_str text = {.failed = true};
        int n = 0;
        for (; text.failed; n++) {
            flow_str_clear(&text);
            flow_mem_fail_at(n);
            draws[i / 2](&h->graph, NULL, &text);
            flow_mem_fail_at(-1);
        }
        assert_true(n > 3);
        assert_non_null(text.text);
        flow_str_clear(&text);
    }
    hand_free(small);
    hand_free(big);
}

/* ---- following the lines of a picture ---- */

#define SHEET_WIDTH 128
#define SHEET_HEIGHT 512

enum { UP, DOWN, LEFT, RIGHT };

struct sheet {
    char cells[SHEET_HEIGHT][SHEET_WIDTH][5]; /* a character each */
    size_t height;
    int reached[SHEET_HEIGHT]; /* how often the lines of the stage in hand reach each stage */
    size_t steps;              /* gone along lines so far: a wrong picture may lead in circles */
};

static void read_sheet(struct sheet *sheet, const char *text)
{
    memset(sheet, 0, sizeof(*sheet));
    size_t x = 0;
    for (; *text != '\0';) {
        if (*text == '\n') {
            sheet->height++;
            x = 0;
            text++;
            assert_true(sheet->height < SHEET_HEIGHT);
            continue;
        }
        size_t size = 1;
        while (((unsigned char)text[size] & 0xc0) == 0x80)
            size++;
        assert_true(x < SHEET_WIDTH && size <= 4);
        memcpy(sheet->cells[sheet->height][x++], text, size);
        text += size;
    }
}

/* The number in the name of the box whose title row is `y` and which spans column `x`. */
static size_t box_at(const struct sheet *sheet, size_t x, size_t y)
{
    while (strcmp(sheet->cells[y][x], "│") != 0)
        assert_true(x-- > 0);
    while (sheet->cells[y][x][0] != 's')
        assert_true(++x < SHEET_WIDTH);
    size_t number = 0;
    for (x++; sheet->cells[y][x][0] >= '0' && sheet->cells[y][x][0] <= '9'; x++)
        number = number * 10 + (size_t)(sheet->cells[y][x][0] - '0');
    return number;
}

/* Which ways a line goes on from a character: by bit. */
static unsigned arms_of(const char *cell)
{
    static const struct {
        const char *cell;
        unsigned arms;
    } known[] = {
        {"│", 1 << UP | 1 << DOWN},
        {"─", 1 << LEFT | 1 << RIGHT},
        {"┘", 1 << UP | 1 << LEFT},
        {"└", 1 << UP | 1 << RIGHT},
        {"┐", 1 << DOWN | 1 << LEFT},
        {"┌", 1 << DOWN | 1 << RIGHT},
        {"┤", 1 << UP | 1 << DOWN | 1 << LEFT},
        {"├", 1 << UP | 1 << DOWN | 1 << RIGHT},
        {"┴", 1 << UP | 1 << LEFT | 1 << RIGHT},
        {"┬", 1 << DOWN | 1 << LEFT | 1 << RIGHT},
        {"┼", 1 << UP | 1 << DOWN | 1 << LEFT | 1 << RIGHT},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (strcmp(cell, known[i].cell) == 0)
            return known[i].arms;
    }
    return 0;
}

/* Follow a line that leaves (x, y) in a direction, and all its branches, to its arrows. */
static void follow(struct sheet *sheet, size_t x, size_t y, int way)
{
    static const int back[] = {[UP] = DOWN, [DOWN] = UP, [LEFT] = RIGHT, [RIGHT] = LEFT};
    for (;;) {
        x += way == RIGHT ? 1 : way == LEFT ? SIZE_MAX : 0;
        y += way == DOWN ? 1 : way == UP ? SIZE_MAX : 0;
        assert_true(x < SHEET_WIDTH && y < sheet->height && ++sheet->steps < 20000);
        const char *cell = sheet->cells[y][x];
        if (strcmp(cell, "▼") == 0) {
            assert_int_equal(way, DOWN);
            sheet->reached[box_at(sheet, x, y + 2)]++;
            return;
        }
        unsigned arms = arms_of(cell);
        if (strcmp(cell, "│") == 0 && (way == LEFT || way == RIGHT))
            continue; /* another line passes over this one */
        if (arms == 0 && way == DOWN && strcmp(sheet->cells[y + 1][x], "▼") == 0)
            continue; /* a label */
        assert_true((arms >> back[way] & 1) != 0);
        arms &= ~(1U << back[way]);
        assert_true(arms != 0);
        int next = 0;
        while ((arms >> next & 1) == 0)
            next++;
        for (int other = next + 1; other <= RIGHT; other++) {
            if ((arms >> other & 1) != 0)
                follow(sheet, x, y, other);
        }
        way = next;
    }
}

/* Is there a box with its corner at (x, y)?  Its title is the first thing in it. */
static bool is_box(const struct sheet *sheet, size_t x, size_t y)
{
    if (strcmp(sheet->cells[y][x], "┌") != 0 || y + 3 >= sheet->height ||
        strcmp(sheet->cells[y + 1][x], "│") != 0 || strcmp(sheet->cells[y + 3][x], "└") != 0)
        return false;
    for (x++; sheet->cells[y + 1][x][0] == ' ';)
        x++;
    return sheet->cells[y + 1][x][0] == 's';
}

/* The lines out of a box lead to the readers of its stage; returns how many there are. */
static size_t check_box(struct sheet *sheet, const struct hand *h, size_t x, size_t y)
{
    const size_t from = box_at(sheet, x, y + 1);
    memset(sheet->reached, 0, sizeof(sheet->reached));
    for (x++; strcmp(sheet->cells[y + 3][x], "┘") != 0; x++) {
        if (strcmp(sheet->cells[y + 3][x], "┬") == 0)
            follow(sheet, x, y + 3, DOWN);
    }
    size_t readers = 0;
    for (size_t i = 0; i < h->graph.edge_count; i++) {
        if (h->edges[i].from == from) {
            sheet->reached[h->edges[i].to]--;
            readers++;
        }
    }
    for (size_t i = 0; i < h->graph.stage_count; i++)
        assert_int_equal(sheet->reached[i], 0);
    return readers;
}

static void check_lines(struct sheet *sheet, const struct hand *h)
{
    size_t boxes = 0;
    size_t lines = 0;
    for (size_t y = 0; y < sheet->height; y++) {
        for (size_t x = 0; x < SHEET_WIDTH; x++) {
            if (!is_box(sheet, x, y))
                continue;
            boxes++;
            lines += check_box(sheet, h, x, y);
        }
    }
    assert_int_equal(boxes, h->graph.stage_count);
    assert_int_equal(lines, h->graph.edge_count);
}

static unsigned next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(*seed >> 33);
}

static struct hand *random_graph(uint64_t *seed)
{
    static const struct flow_stage_type *const types[] = {&hand_map, &hand_split, &hand_join};
    struct hand *h = hand_new();
    const size_t count = 2 + next_random(seed) % 11;
    for (size_t i = 0; i < count; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "s%zu", i);
        const size_t inputs = i == 0 ? 0 : next_random(seed) % 4;
        (void)hand_stage(h, name, inputs == 0 ? &hand_source : types[next_random(seed) % 3],
                         1 + next_random(seed) % 3);
        for (size_t k = 0; k < inputs; k++) {
            struct flow_graph_edge *edge = hand_edge(h, next_random(seed) % i, i);
            edge->share = (enum flow_share)(next_random(seed) % 3);
            if (next_random(seed) % 4 == 0)
                edge->from_port = FLOW_PORT_ERRORS;
        }
    }
    return h;
}

TEST(every_line_of_a_picture_leads_from_a_stage_to_its_readers_and_nowhere_else)
{
    struct sheet *sheet = malloc(sizeof(*sheet));
    assert_non_null(sheet);
    uint64_t seed = 7;
    size_t drawn = 0;
    for (int i = 0; i < 500; i++) {
        struct hand *h = random_graph(&seed);
        struct flow_str text = {0};
        flow_graph_draw_text(&h->graph, NULL, &text);
        assert_false(text.failed);
        if (strncmp(text.text, "s0", 2) != 0) {
            read_sheet(sheet, text.text);
            check_lines(sheet, h);
            drawn++;
        }
        flow_str_clear(&text);
        hand_free(h);
    }
    assert_in_range(drawn, 250, 500);
    free(sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wordcount_is_drawn_in_each_form),
        cmocka_unit_test(ports_errors_and_queues_are_drawn_as_labels),
        cmocka_unit_test(lines_that_skip_layers_pass_beside_the_boxes),
        cmocka_unit_test(lines_that_cross_pass_over_each_other),
        cmocka_unit_test(errors_are_red_and_dashed),
        cmocka_unit_test(an_either_type_that_is_read_is_drawn_as_a_worker),
        cmocka_unit_test(names_and_keys_are_escaped),
        cmocka_unit_test(fused_stages_are_drawn_as_such_in_each_form),
        cmocka_unit_test(a_list_of_stages_says_what_is_fused),
        cmocka_unit_test(an_empty_graph_has_no_picture),
        cmocka_unit_test(a_graph_too_wide_for_a_terminal_is_listed),
        cmocka_unit_test(a_graph_of_too_many_stages_or_edges_is_listed),
        cmocka_unit_test(a_cycle_is_listed_rather_than_followed),
        cmocka_unit_test(a_failed_allocation_fails_the_drawing),
        cmocka_unit_test(
            every_line_of_a_picture_leads_from_a_stage_to_its_readers_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
