/* Any bytes as a PNG and as an array of pictures, as they are and brought to a size: what is taken has the
 * size that it says. */
#include "cli/pictures.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static volatile uint8_t last_byte;

static void load(const char *path, picture_size size) {
    picture_set set = {0};
    vecna_error err;
    if (load_pictures(path, size, &set, &err) != VECNA_OK)
        return;
    if (set.all.count == 0 ||
        (size.height && (set.all.height != size.height || set.all.width != size.width)))
        abort();
    for (size_t i = 0; i < set.all.count * set.all.height * set.all.width * set.all.channels; i++)
        last_byte = set.memory[i]; /* every byte is there */
    free_pictures(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const kinds[] = {"png", "npy"};
    for (size_t i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof path, "/tmp/vecna_fuzz_picture_%ld.%s", (long)getpid(), kinds[i]);
        FILE *file = fopen(path, "wb");
        if (file == NULL)
            return 0;
        fwrite(data, 1, bytes, file);
        fclose(file);
        load(path, (picture_size){0});
        load(path, (picture_size){8, 8, 3});
        load(path, (picture_size){5, 9, 1});
        unlink(path);
    }
    return 0;
}
