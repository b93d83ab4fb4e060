#include "images.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"

#ifndef RINGSIDE_SHARE
#define RINGSIDE_SHARE "/usr/local/share/ringside"
#endif

#define KNOWN_MAX 64

static char program_dir[IMAGE_PATH_MAX] = ".";

void images_init(const char *program)
{
    char self[IMAGE_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0)
        self[n] = '\0';
    else
        snprintf(self, sizeof self, "%s", program);
    char *slash = strrchr(self, '/');
    if (!slash)
        return;
    *slash = '\0';
    snprintf(program_dir, sizeof program_dir, "%s", slash == self ? "/" : self);
}

/* A regular file: a FIFO or a terminal would be waited for. */
static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_something_else(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* Why nobody can say whether there is such a file, or NULL: a directory that may not be looked into, links
 * in a circle. */
static const char *out_of_sight(const char *path)
{
    struct stat st;
    bool known = stat(path, &st) == 0 || errno == ENOENT || errno == ENOTDIR;
    return known ? NULL : strerror(errno);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The i-th directory that images are looked for in, NULL after the last; "" if it is not set. */
static const char *directory(size_t i, char text[IMAGE_PATH_MAX])
{
    const char *lib = getenv("RINGSIDE_LIB");
    const char *const roots[] = {lib ? lib : "", program_dir, "../share/ringside", RINGSIDE_SHARE};
    static const char *const parts[] = {"", "hv", "guests"};
    if (i >= 3 * sizeof roots / sizeof *roots)
        return NULL;
    const char *root = roots[i / 3], *part = parts[i % 3];
    if (!*root)
        return "";
    bool beside = i / 3 == 2;
    snprintf(text, IMAGE_PATH_MAX, "%.2000s%s%.1000s%s%s", beside ? program_dir : root, beside ? "/" : "",
             beside ? root : "", *part ? "/" : "", part);
    return text;
}

struct known {
    char name[KNOWN_MAX][RS_NAME_MAX];
    size_t count;
};

static const char *known_at(size_t i, const void *arg)
{
    const struct known *known = arg;
    return i < known->count ? known->name[i] : NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_known(const struct known *known, const char *name)
{
    for (size_t i = 0; i < known->count; i++)
        if (strcmp(known->name[i], name) == 0)
            return true;
    return false;
}

/* An ELF file, or a scenario: what a directory of the build holds besides is no image. */
static bool is_listed(const char *directory, const char *name, const char *suffix)
{
    char path[IMAGE_PATH_MAX + NAME_MAX + 2], magic[4] = "";
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (!ends_with(name, suffix) || !is_file(path))
        return false;
    if (strcmp(suffix, ".elf") != 0)
        return true;
    FILE *f = fopen(path, "rb");
    bool elf = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "\177ELF", 4) == 0;
    if (f)
        fclose(f);
    return elf;
}

static void list_directory(const char *path, const char *suffix, struct known *known)
{
    DIR *dir = *path ? opendir(path) : NULL;
    struct dirent *entry;
    while (dir && known->count < KNOWN_MAX && (entry = readdir(dir))) {
        size_t n = strlen(entry->d_name), m = strlen(suffix);
        if (n <= m || n - m >= RS_NAME_MAX || !is_listed(path, entry->d_name, suffix))
            continue;
        char name[RS_NAME_MAX];
        memcpy(name, entry->d_name, n - m);
        name[n - m] = '\0';
        if (!is_known(known, name))
            memcpy(known->name[known->count++], name, sizeof name);
    }
    if (dir)
        closedir(dir);
}

static enum rs_status no_image(const char *name, struct rs_error *err)
{
    struct known known = {.count = 0};
    char dir[IMAGE_PATH_MAX], text[sizeof err->text];
    const char *path;
    for (size_t i = 0; (path = directory(i, dir)); i++)
        list_directory(path, ".elf", &known);
    qsort(known.name, known.count, sizeof *known.name, by_name);
    if (known.count == 0)
        return rs_fail(
            err,
            "unknown image '%s', and none are built: run make, or set RINGSIDE_LIB to the directory "
            "that holds them",
            name);
    names_complain(text, sizeof text, "image", name, known_at, &known);
    return rs_fail(err, "%s (a file is given with a slash: ./%s)", text, name);
}

enum rs_status images_find(const char *name, char path[IMAGE_PATH_MAX], struct rs_error *err)
{
    char dir[IMAGE_PATH_MAX];
    const char *where;
    if (strlen(name) > 2000)
        return rs_fail(err, "the name of the image is too long");
    if (strchr(name, '/') || ends_with(name, ".elf")) {
        snprintf(path, IMAGE_PATH_MAX, "%s", name);
        if (is_something_else(path))
            return rs_fail(err, "%s: not a regular file, so no image", name);
        if (out_of_sight(path))
            return rs_fail(err, "%s: cannot be read: %s", name, out_of_sight(path));
        return is_file(path) ? RS_OK
                             : rs_fail(err, "%s: no such image file; build it or check the path", name);
    }
    for (size_t i = 0; (where = directory(i, dir)); i++) {
        snprintf(path, IMAGE_PATH_MAX, "%.2000s/%.2000s.elf", where, name);
        if (*where && is_file(path))
            return RS_OK;
    }
    return no_image(name, err);
}

void images_name(const char *path, char name[RS_NAME_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, RS_NAME_MAX, "%s", slash ? slash + 1 : path);
    if (ends_with(name, ".elf"))
        name[strlen(name) - 4] = '\0';
}

/* The i-th directory that scenarios come in. */
static const char *scenario_directory(size_t i, char text[IMAGE_PATH_MAX])
{
    static const char *const beside[] = {"../scenarios", "../../scenarios", "../share/ringside/scenarios"};
    if (i < 3)
        snprintf(text, IMAGE_PATH_MAX, "%.4000s/%s", program_dir, beside[i]);
    else if (i == 3)
        snprintf(text, IMAGE_PATH_MAX, "%s/scenarios", RINGSIDE_SHARE);
    else
        return NULL;
    return text;
}

static enum rs_status no_scenario(const char *name, struct rs_error *err)
{
    struct known known = {.count = 0};
    char dir[IMAGE_PATH_MAX], text[sizeof err->text] = "";
    const char *where;
    for (size_t i = 0; (where = scenario_directory(i, dir)); i++)
        list_directory(where, ".lua", &known);
    qsort(known.name, known.count, sizeof *known.name, by_name);
    for (size_t i = 0; i < known.count; i++)
        names_add(text, sizeof text - 200, "%s%s",
                  i ? ", " : "; scenarios that come with it: ", known.name[i]);
    return rs_fail(err, "%.200s: no such scenario file%s", name, text);
}

enum rs_status images_scenario(const char *name, char path[IMAGE_PATH_MAX], struct rs_error *err)
{
    char dir[IMAGE_PATH_MAX];
    const char *where, *slash = strrchr(name, '/');
    if (strlen(name) > 2000)
        return rs_fail(err, "the name of the scenario is too long");
    snprintf(path, IMAGE_PATH_MAX, "%s", name);
    if (is_file(path))
        return RS_OK;
    if (is_something_else(path))
        return rs_fail(err, "%.900s: not a regular file, so no scenario", name);
    if (out_of_sight(path))
        return rs_fail(err, "%.900s: cannot be read: %s", name, out_of_sight(path));
    if (slash && strncmp(name, "scenarios/", 10) != 0)
        return no_scenario(name, err);
    const char *base = slash ? slash + 1 : name;
    for (size_t i = 0; (where = scenario_directory(i, dir)); i++) {
        snprintf(path, IMAGE_PATH_MAX, "%.2000s/%.1000s%s", where, base,
                 ends_with(base, ".lua") ? "" : ".lua");
        if (is_file(path))
            return RS_OK;
    }
    return no_scenario(name, err);
}
