/* Pictures to the size that a tower takes. A new pixel is the mean of the area that it covers, parts of
 * old pixels by their part: nothing is skipped when a picture shrinks, and an enlarged one shows its old
 * pixels as they were. */
#include "vecna/image.h"

#include <string.h>

/* The mean over [top, bottom) x [left, right) of one channel. */
static double mean_of(const vecna_pictures *from, const double area[4], size_t channel) {
    double sum = 0, whole = 0;
    for (size_t y = (size_t)area[0]; y < from->height && (double)y < area[1]; y++) {
        const double above = (double)y > area[0] ? (double)y : area[0];
        const double under = (double)(y + 1) < area[1] ? (double)(y + 1) : area[1];
        for (size_t x = (size_t)area[2]; x < from->width && (double)x < area[3]; x++) {
            const double left = (double)x > area[2] ? (double)x : area[2];
            const double right = (double)(x + 1) < area[3] ? (double)(x + 1) : area[3];
            const double share = (under - above) * (right - left);
            sum += share * from->data[(y * from->width + x) * from->channels + channel];
            whole += share;
        }
    }
    return whole > 0 ? sum / whole : 0;
}

static uint8_t level_of(double mean) {
    return mean >= 254.5 ? 255 : (uint8_t)(mean + 0.5);
}

vecna_status vecna_image_resize(const vecna_pictures *from, size_t height, size_t width,
                                size_t channels, uint8_t *out, vecna_error *err) {
    if (from->height == 0 || from->width == 0 || height == 0 || width == 0 ||
        (from->channels != 1 && from->channels != 3) || (channels != 1 && channels != 3))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "a picture of %zu x %zu x %zu cannot become %zu x %zu x %zu",
                               from->height, from->width, from->channels, height, width, channels);
    if (from->height == height && from->width == width && from->channels == channels) {
        memcpy(out, from->data, height * width * channels);
        return VECNA_OK;
    }
    const double high = (double)from->height / (double)height;
    const double wide = (double)from->width / (double)width;
    for (size_t i = 0; i < height * width; i++) {
        const double y = (double)(i / width), x = (double)(i % width);
        const double area[4] = {y * high, (y + 1) * high, x * wide, (x + 1) * wide};
        double mean[3];
        for (size_t c = 0; c < 3; c++)
            mean[c] = c < from->channels ? mean_of(from, area, c) : mean[0];
        if (channels == 1 && from->channels == 3)
            mean[0] = 0.299 * mean[0] + 0.587 * mean[1] + 0.114 * mean[2];
        for (size_t c = 0; c < channels; c++)
            out[i * channels + c] = level_of(mean[c]);
    }
    return VECNA_OK;
}
