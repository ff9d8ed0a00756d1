/* SPDX-License-Identifier: MIT */
#include "graph/canvas.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { UP = 1, DOWN = 2, LEFT = 4, RIGHT = 8 };

#define CROSSED ((size_t)-1) /* the net of a cell where two cross: whatever comes, it stays so */

struct flow_canvas_cell {
    const char *text; /* one character; NULL: lines, or nothing */
    unsigned char text_size;
    unsigned char arms; /* of the lines that meet here */
    size_t net;
};

bool flow_canvas_init(struct flow_canvas *canvas, size_t width, size_t height)
{
    canvas->cells = flow_calloc(width * height, sizeof(*canvas->cells));
    canvas->width = width;
    canvas->height = height;
    return canvas->cells != NULL;
}

void flow_canvas_clear(struct flow_canvas *canvas)
{
    free(canvas->cells);
    canvas->cells = NULL;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Bytes of the first character. */
static size_t first_size(const char *text)
{
    size_t size = 1;
    while (size < 4 && continues(text[size]))
        size++;
    return size;
}

size_t flow_canvas_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += !continues(*text);
    return width;
}

void flow_canvas_text(struct flow_canvas *canvas, size_t x, size_t y, const char *text)
{
    for (; *text != '\0' && x < canvas->width && y < canvas->height; x++) {
        struct flow_canvas_cell *cell = &canvas->cells[y * canvas->width + x];
        cell->text = text;
        cell->text_size = (unsigned char)first_size(text);
        text += cell->text_size;
    }
}

void flow_canvas_frame(struct flow_canvas *canvas, const struct flow_canvas_box *box)
{
    const size_t right = box->x + box->width - 1;
    const size_t bottom = box->y + box->height - 1;
    for (size_t x = box->x + 1; x < right; x++) {
        flow_canvas_text(canvas, x, box->y, "─");
        flow_canvas_text(canvas, x, bottom, "─");
    }
    for (size_t y = box->y + 1; y < bottom; y++) {
        flow_canvas_text(canvas, box->x, y, "│");
        flow_canvas_text(canvas, right, y, "│");
    }
    flow_canvas_text(canvas, box->x, box->y, "┌");
    flow_canvas_text(canvas, right, box->y, "┐");
    flow_canvas_text(canvas, box->x, bottom, "└");
    flow_canvas_text(canvas, right, bottom, "┘");
}

static void add_arms(struct flow_canvas *canvas, size_t x, size_t y, int arms, size_t net)
{
    if (x >= canvas->width || y >= canvas->height)
        return;
    struct flow_canvas_cell *cell = &canvas->cells[y * canvas->width + x];
    if (cell->arms != 0 && cell->net != net) {
        cell->arms = UP | DOWN;
        cell->net = CROSSED;
        return;
    }
    cell->arms = (unsigned char)(cell->arms | arms);
    cell->net = net;
}

void flow_canvas_across(struct flow_canvas *canvas, size_t y, size_t x1, size_t x2, size_t net)
{
    for (size_t x = x1; x <= x2; x++)
        add_arms(canvas, x, y, (x > x1 ? LEFT : 0) | (x < x2 ? RIGHT : 0), net);
}

void flow_canvas_down(struct flow_canvas *canvas, size_t x, size_t y1, size_t y2, size_t net)
{
    for (size_t y = y1; y <= y2; y++)
        add_arms(canvas, x, y, (y > y1 ? UP : 0) | (y < y2 ? DOWN : 0), net);
}

static void print_cell(const struct flow_canvas_cell *cell, struct flow_str *out)
{
    static const char *const lines[] = {
        " ", "│", "│", "│", "─", "┘", "┐", "┤", "─", "└", "┌", "├", "─", "┴", "┬", "┼",
    };
    if (cell->text != NULL)
        flow_str_add_bytes(out, cell->text, cell->text_size);
    else
        flow_str_add(out, lines[cell->arms]);
}

void flow_canvas_print(const struct flow_canvas *canvas, struct flow_str *out)
{
    for (size_t y = 0; y < canvas->height; y++) {
        const struct flow_canvas_cell *row = &canvas->cells[y * canvas->width];
        size_t size = canvas->width;
        while (size > 0 && row[size - 1].text == NULL && row[size - 1].arms == 0)
            size--;
        for (size_t x = 0; x < size; x++)
            print_cell(&row[x], out);
        flow_str_add(out, "\n");
    }
}
