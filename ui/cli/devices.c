/* devices.c - see devices.h. */
#include "cli/devices.h"

#include <stdio.h>
#include <string.h>

#include "lua/names.h"

/* ------------------------------------------------------------------ words behind commas */

enum word { WORD_NONE, WORD_BAD, WORD_TAKEN };

/* The value of `word` if it is NAME=VALUE. */
static const char *value_of(const char *word, const char *name)
{
    size_t n = strlen(name);
    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static enum word take_slot(const char *value, struct rs_device *d, struct rs_error *err)
{
    if (names_number(value, &d->slot) && d->slot >= 1 && d->slot <= 31)
        return WORD_TAKEN;
    rs_fail(err, "slot=%.100s: slots are 1 to 31", value);
    return WORD_BAD;
}

static enum word disk_word(const char *word, struct rs_device *d, struct rs_error *err)
{
    const char *value;
    if (strcmp(word, "ro") == 0) {
        d->readonly = true;
    } else if ((value = value_of(word, "overlay")) != NULL) {
        d->overlay = value;
        if (!*value) {
            rs_fail(err, "overlay= wants a file");
            return WORD_BAD;
        }
    } else if ((value = value_of(word, "slot")) != NULL) {
        return take_slot(value, d, err);
    } else {
        return WORD_NONE;
    }
    return WORD_TAKEN;
}

static enum word nic_word(const char *word, struct rs_device *d, struct rs_error *err)
{
    const char *mac = value_of(word, "mac"), *slot = value_of(word, "slot");
    if (slot)
        return take_slot(slot, d, err);
    if (!mac)
        return WORD_NONE;
    if (names_mac(mac, d->mac))
        return WORD_TAKEN;
    rs_fail(err, "mac=%.100s: an address is six bytes such as 52:54:00:00:00:01", mac);
    return WORD_BAD;
}

/* Takes known words off the end, so that a file's name may have commas. */
static enum rs_status take_words(char *text, struct rs_device *d,
                                 enum word take(const char *, struct rs_device *, struct rs_error *),
                                 struct rs_error *err)
{
    enum word word = WORD_TAKEN;
    for (char *comma; word == WORD_TAKEN && (comma = strrchr(text, ',')) != NULL;) {
        word = take(comma + 1, d, err);
        if (word == WORD_TAKEN)
            *comma = '\0';
    }
    return word == WORD_BAD ? RS_FAILED : RS_OK;
}

/* ------------------------------------------------------------------ devices */

static enum rs_status read_disk(char *text, struct rs_device *d, struct rs_error *err)
{
    *d = (struct rs_device){.kind = "virtio-blk", .file = text};
    if (take_words(text, d, disk_word, err) != RS_OK)
        return RS_FAILED;
    if (!*text)
        return rs_fail(err, "a file is wanted: --disk FILE, or FILE,ro to read it only");
    return RS_OK;
}

static enum rs_status read_nic(char *text, struct rs_device *d, struct rs_error *err)
{
    *d = (struct rs_device){.kind = text};
    if (take_words(text, d, nic_word, err) != RS_OK)
        return RS_FAILED;
    if (strcmp(text, "e1000") != 0 && strcmp(text, "virtio-net") != 0)
        return rs_fail(err, "'%.300s' is no NIC: --nic e1000 or virtio-net, then ,mac=ADDRESS and ,slot=N",
                       text);
    return RS_OK;
}

enum rs_status devices_blame(const struct cli_device *option, const struct rs_error *why,
                             struct rs_error *err)
{
    return rs_fail(err, "%s '%.300s': %.600s", option->nic ? "--nic" : "--disk", option->text, why->text);
}

static enum rs_status read_device(const struct cli_device *from, char text[DEVICE_TEXT_MAX],
                                  struct rs_device *d, struct rs_error *err)
{
    struct rs_error why;
    if (snprintf(text, DEVICE_TEXT_MAX, "%s", from->text) >= DEVICE_TEXT_MAX)
        return rs_fail(err, "%s '%.60s...' is too long", from->nic ? "--nic" : "--disk", from->text);
    if ((from->nic ? read_nic : read_disk)(text, d, &why) == RS_OK)
        return RS_OK;
    return devices_blame(from, &why, err);
}

static enum rs_status read_pcap(const char *text, const struct cli *cli, struct cli_pcap *p,
                                struct rs_error *err)
{
    char *comma;
    *p = (struct cli_pcap){.nic = 1};
    if (snprintf(p->path, sizeof p->path, "%s", text) >= (int)sizeof p->path)
        return rs_fail(err, "--pcap '%.60s...' is too long", text);
    const char *nic = (comma = strrchr(p->path, ',')) ? value_of(comma + 1, "nic") : NULL;
    if (nic && (!names_number(nic, &p->nic) || p->nic < 1 || p->nic > cli->nics))
        return rs_fail(err, "--pcap '%.300s': there are NICs 1 to %zu", text, cli->nics);
    if (nic)
        *comma = '\0';
    return *p->path ? RS_OK : rs_fail(err, "--pcap '%.300s': a file is wanted: --pcap FILE", text);
}

enum rs_status devices_read(const struct cli *cli, struct cli_devices *d, struct rs_error *err)
{
    for (; d->count < cli->devices; d->count++)
        if (read_device(&cli->device[d->count], d->text[d->count], &d->device[d->count], err) != RS_OK)
            return RS_FAILED;
    for (; d->pcaps < cli->pcaps; d->pcaps++)
        if (read_pcap(cli->pcap[d->pcaps], cli, &d->pcap[d->pcaps], err) != RS_OK)
            return RS_FAILED;
    return RS_OK;
}

/* ------------------------------------------------------------------ files */

static enum rs_status use_disk(const struct rs_device *d, rs_world *w, struct rs_error *err)
{
    bool written = !d->readonly;
    if (!d->file)
        return RS_OK;
    if (rs_use_file(w, written && !d->overlay ? RS_FILE_DISK : RS_FILE_DISK_READ, d->file, err) != RS_OK)
        return RS_FAILED;
    return d->overlay ? rs_use_file(w, written ? RS_FILE_DISK : RS_FILE_DISK_READ, d->overlay, err) : RS_OK;
}

enum rs_status devices_use(const struct cli_devices *d, rs_world *w, struct rs_error *err)
{
    for (size_t i = 0; i < d->count; i++)
        if (use_disk(&d->device[i], w, err) != RS_OK)
            return RS_FAILED;
    for (size_t i = 0; i < d->pcaps; i++) {
        for (size_t j = 0; j < i; j++)
            if (rs_same_file(d->pcap[i].path, d->pcap[j].path))
                return rs_fail(err,
                               "--pcap %.300s is given twice: each NIC's frames need a file of their own",
                               d->pcap[i].path);
        if (rs_use_file(w, RS_FILE_PCAP, d->pcap[i].path, err) != RS_OK)
            return RS_FAILED;
    }
    return RS_OK;
}

/* ------------------------------------------------------------------ the machine's */

/* "N,M"; joined: a bit for each NIC that has its link. */
static enum rs_status join(const char *text, rs_machine *m, uint64_t *joined, struct rs_error *err)
{
    char first[24];
    uint64_t a, b;
    struct rs_link link;
    size_t n = strcspn(text, ","), nics = rs_nics(m);
    snprintf(first, sizeof first, "%.*s", (int)(n < sizeof first ? n : sizeof first - 1), text);
    if (!text[n] || !names_number(first, &a) || !names_number(text + n + 1, &b) || a < 1 || a > nics ||
        b < 1 || b > nics || a == b)
        return rs_fail(err, "--link %.100s: two NICs of 1 to %zu are wanted: --link 1,2", text, nics);
    uint64_t both = 1ull << a | 1ull << b;
    if (*joined & both)
        return rs_fail(err, "--link %.100s: NIC %d is linked by another --link already", text,
                       (int)(*joined & 1ull << a ? a : b));
    *joined |= both;
    rs_link_init(&link);
    return rs_link(m, (size_t)a - 1, m, (size_t)b - 1, &link, err);
}

enum rs_status devices_open(const struct cli *cli, struct cli_devices *d, rs_world *w, rs_machine *m,
                            struct rs_error *err)
{
    uint64_t joined = 0;
    for (size_t i = 0; i < cli->links; i++)
        if (join(cli->link[i], m, &joined, err) != RS_OK)
            return RS_FAILED;
    for (size_t i = 0; i < d->pcaps; i++) {
        d->pcap[i].file = pcap_open(w, m, (size_t)d->pcap[i].nic - 1, d->pcap[i].path, err);
        if (!d->pcap[i].file)
            return RS_FAILED;
    }
    return RS_OK;
}

enum rs_status devices_begin(struct cli_devices *d, struct rs_error *err)
{
    for (size_t i = 0; i < d->pcaps; i++)
        if (pcap_begin(d->pcap[i].file, err) != RS_OK)
            return RS_FAILED;
    return RS_OK;
}

enum rs_status devices_end(struct cli_devices *d, struct rs_error *err)
{
    enum rs_status status = RS_OK;
    for (size_t i = 0; i < d->pcaps; i++) {
        if (d->pcap[i].file && pcap_end(d->pcap[i].file, err) != RS_OK)
            status = RS_FAILED;
        d->pcap[i].file = NULL;
    }
    return status;
}
