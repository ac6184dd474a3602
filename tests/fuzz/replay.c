/* SPDX-License-Identifier: Apache-2.0
 * replay.c - runs a fuzz target on the files of the folders given, without libFuzzer: seeds and old findings. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The whole file, in a block of its very size, so that a sanitizer sees a read past its end. */
static uint8_t *slurp(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return NULL;
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    *ret_size = bytes != NULL && size > 0 ? fread(bytes, 1, (size_t)size, file) : 0;
    (void)fclose(file);
    return bytes;
}

/* How many files of the folder were run; -1 if one could not be read. A folder that is not there has none. */
static int replay(const char *folder)
{
    int count = 0;
    DIR *directory = opendir(folder);
    if (directory == NULL)
        return 0;
    for (struct dirent *entry; count >= 0 && (entry = readdir(directory)) != NULL;) {
        char path[4096];
        size_t size = 0;
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        uint8_t *bytes = slurp(path, &size);
        if (bytes != NULL)
            (void)LLVMFuzzerTestOneInput(bytes, size);
        count = bytes != NULL ? count + 1 : -1;
        free(bytes);
    }
    (void)closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int count = replay(argv[i]);
        if (count < 0) {
            (void)fprintf(stderr, "replay: cannot read %s\n", argv[i]);
            return 1;
        }
        total += count;
    }
    (void)printf("%d inputs\n", total);
    return total > 0 ? 0 : 1; /* no corpus at all shows nothing */
}
