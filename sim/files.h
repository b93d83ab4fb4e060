/* files.h - the files of a run, by what they are used for: none that is written is any other. */
#ifndef RINGSIDE_FILES_H
#define RINGSIDE_FILES_H

#include "ringside.h"

struct used_file {
    enum rs_file use;
    char *path;
};

struct files {
    struct used_file *file;
    size_t count;
};

void files_forget(struct files *f);

#endif
