/* images.h - where images and scenarios are found. */
#ifndef UI_IMAGES_H
#define UI_IMAGES_H

#include "ringside.h"

#define IMAGE_PATH_MAX 4096

/* Where this program lies: argv[0] as main got it. */
void images_init(const char *program);

/* The file of an image.  A name with a slash, or that ends in .elf, is a path.  Else it is looked for in
 * $RINGSIDE_LIB, beside the program and in the installed share directory, each time there, in hv/ and in
 * guests/. The error lists the images that there are. */
enum rs_status images_find(const char *name, char path[IMAGE_PATH_MAX], struct rs_error *err);
/* "build/guests/hello.elf" is "hello". */
void images_name(const char *path, char name[RS_NAME_MAX]);

/* A scenario: the file itself, or the one of that name among the scenarios that come with the program. */
enum rs_status images_scenario(const char *name, char path[IMAGE_PATH_MAX], struct rs_error *err);

#endif
