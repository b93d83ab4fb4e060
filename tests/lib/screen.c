/* screen.c - see screen.h. */
#include "screen.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "temporary.h"

struct canvas canvas;
char screen[64 * 1024];

const char *screen_read(void)
{
    char line[2048];
    size_t n = 0;
    screen[0] = 0;
    for (int y = 0; y < canvas.height; y++) {
        canvas_line(&canvas, y, line, sizeof line);
        n += (size_t)snprintf(screen + n, sizeof screen - n, "%s\n", line);
        ck_assert_uint_lt(n, sizeof screen);
    }
    if (getenv("TEST_VIEW_SHOW"))
        fputs(screen, stderr);
    return screen;
}

void expect(const char *text)
{
    ck_assert_msg(strstr(screen, text), "\"%s\" is not in\n%s", text, screen);
}

void expect_not(const char *text)
{
    ck_assert_msg(!strstr(screen, text), "\"%s\" is in\n%s", text, screen);
}

const char *line_at(int y)
{
    static char line[2048];
    canvas_line(&canvas, y, line, sizeof line);
    return line;
}

struct scenario *scenario_loaded(const char *script)
{
    struct scenario_options options = {.interactive = true};
    struct rs_error err = {{0}};
    char path[256];
    ck_assert(temporary_file(path));
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(script, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    struct scenario *s = scenario_load(path, &options, &err);
    unlink(path);
    ck_assert_msg(s, "%s", err.text);
    return s;
}

void go_on(struct scenario *s)
{
    while (scenario_advance(s, 100000) == SCENARIO_MOVING)
        ;
    ck_assert_msg(!scenario_error(s), "%s", scenario_error(s));
}

struct scenario *scenario_of(const char *script)
{
    struct scenario *s = scenario_loaded(script);
    go_on(s);
    return s;
}

void draw_frame(struct view *v, int width, int height)
{
    ck_assert(canvas_resize(&canvas, width, height));
    view_draw(v, &canvas);
    screen_read();
}
