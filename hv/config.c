#include "config.h"

#include "page.h"
#include "print.h"
#include "text.h"

#define STRING_MAX  512
#define RAM_DEFAULT (UINT64_C(8) << 20)
#define RAM_MIN     (UINT64_C(2) << 20)
#define RAM_MAX     (UINT64_C(2) << 30)
#define TABLES_MIN  24

struct why {
    char *text;
    size_t size;
};

static bool parse_image(struct vm_config *c, const char *value)
{
    return *value && text_copy(c->image, value, sizeof c->image);
}

static bool parse_ram(struct vm_config *c, const char *value)
{
    return text_number(value, &c->ram_bytes) && c->ram_bytes % PAGE_BYTES == 0 && c->ram_bytes >= RAM_MIN &&
           c->ram_bytes <= RAM_MAX;
}

static bool parse_mmu(struct vm_config *c, const char *value)
{
    c->pager = pager_find(value);
    return c->pager != NULL;
}

static bool parse_page(struct vm_config *c, const char *value)
{
    c->page_bytes = text_equal(value, "2m") ? LARGE_BYTES : PAGE_BYTES;
    return text_equal(value, "2m") || text_equal(value, "4k");
}

static bool parse_yes_no(bool *flag, const char *value)
{
    *flag = text_equal(value, "yes");
    return *flag || text_equal(value, "no");
}

static bool parse_start(struct vm_config *c, const char *value)
{
    return parse_yes_no(&c->start, value);
}

static bool parse_lazy(struct vm_config *c, const char *value)
{
    return parse_yes_no(&c->lazy, value);
}

/* Shadow tables are kept by page faults. */
static bool faults_possible(const struct vm_config *c, struct why why)
{
    if (!c->pager->shadow || !c->faults_guest)
        return true;
    format_text(why.text, why.size, "faults=guest: with mmu=shadow the hypervisor always has them");
    return false;
}

static bool tables_possible(const struct vm_config *c, struct why why)
{
    if (c->pager->shadow || !c->tables)
        return true;
    format_text(why.text, why.size, "tables=%lu: only mmu=shadow has shadow tables", c->tables);
    return false;
}

static bool parse_edu(struct vm_config *c, const char *value)
{
    c->passed[PHYSICAL_EDU].wanted = text_equal(value, "passthrough");
    if (c->passed[PHYSICAL_EDU].wanted)
        return true;
    return parse_yes_no(&c->edu, value);
}

static bool parse_nic(struct vm_config *c, const char *value)
{
    c->nic = text_equal(value, "e1000") ? NIC_E1000 : text_equal(value, "virtio") ? NIC_VIRTIO : NIC_NONE;
    c->passed[PHYSICAL_NIC].wanted = text_equal(value, "passthrough");
    return c->nic || c->passed[PHYSICAL_NIC].wanted || text_equal(value, "none");
}

static bool parse_disk(struct vm_config *c, const char *value)
{
    c->disk_virtio = text_equal(value, "virtio");
    c->passed[PHYSICAL_DISK].wanted = text_equal(value, "passthrough");
    return c->disk_virtio || c->passed[PHYSICAL_DISK].wanted || text_equal(value, "none");
}

static bool parse_disk_first(struct vm_config *c, const char *value)
{
    return text_number(value, &c->disk_first);
}

static bool parse_disk_sectors(struct vm_config *c, const char *value)
{
    return text_number(value, &c->disk_sectors) && c->disk_sectors > 0;
}

static bool parse_disk_filter(struct vm_config *c, const char *value)
{
    return disk_filters_parse(&c->disk_filters, value);
}

/* 0 to 15; 16: no hexadecimal digit */
static unsigned digit_of(char c)
{
    return c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool parse_disk_key(struct vm_config *c, const char *value)
{
    c->disk_has_key = true;
    if (text_length(value) != 2 * sizeof c->disk_key)
        return false;
    for (unsigned i = 0; i < sizeof c->disk_key; i++) {
        unsigned high = digit_of(value[2 * i]), low = digit_of(value[2 * i + 1]);

        if (high > 15 || low > 15)
            return false;
        c->disk_key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool disk_possible(const struct vm_config *c, struct why why)
{
    bool encrypts = c->disk_filters & DISK_FILTER_ENCRYPT;

    if (!c->disk_virtio && (c->disk_first || c->disk_sectors || c->disk_filters || c->disk_has_key))
        format_text(why.text, why.size,
                    "disk_first, disk_sectors, disk_filter and disk_key are for disk=virtio");
    else if (encrypts != c->disk_has_key)
        format_text(why.text, why.size,
                    encrypts ? "disk_filter=encrypt: disk_key is missing"
                             : "disk_key: nothing is encrypted without disk_filter=encrypt");
    else
        return true;
    return false;
}

/* "4" or "4,5,7" */
static bool parse_slots(uint32_t *slots, const char *value)
{
    char copy[STRING_MAX], *at = copy;

    *slots = 0;
    if (!text_copy(copy, value, sizeof copy))
        return false;
    for (bool more = true; more;) {
        char *word = at;
        uint64_t slot;

        while (*at && *at != ',')
            at++;
        more = *at;
        *at++ = 0;
        if (!text_number(word, &slot) || slot < 1 || slot > 31)
            return false;
        *slots |= 1u << slot;
    }
    return true;
}

static bool parse_nic_slot(struct vm_config *c, const char *value)
{
    return parse_slots(&c->passed[PHYSICAL_NIC].slots, value);
}

static bool parse_disk_slot(struct vm_config *c, const char *value)
{
    return parse_slots(&c->passed[PHYSICAL_DISK].slots, value);
}

static bool parse_posted(struct vm_config *c, const char *value)
{
    return parse_yes_no(&c->posted, value);
}

static bool parse_unsafe(struct vm_config *c, const char *value)
{
    return parse_yes_no(&c->unsafe, value);
}

/* An access port's, or all: a trunk, on which what has no tag is in the default one. */
static bool parse_vlan(struct vm_config *c, const char *value)
{
    uint64_t vlan = VLAN_DEFAULT;

    c->trunk = text_equal(value, "trunk");
    if (!c->trunk && (!text_number(value, &vlan) || vlan < 1 || vlan > VLAN_MOST))
        return false;
    c->vlan = (uint16_t)vlan;
    return true;
}

/* One access may need tables for six addresses: instruction, source and destination, each across two pages.
 */
static bool parse_tables(struct vm_config *c, const char *value)
{
    return text_number(value, &c->tables) && c->tables >= TABLES_MIN && c->tables < SHADOW_SLOTS;
}

static bool parse_faults(struct vm_config *c, const char *value)
{
    c->faults_exit = text_equal(value, "hypervisor");
    c->faults_guest = text_equal(value, "guest");
    return c->faults_exit || c->faults_guest;
}

static bool parse_weight(struct vm_config *c, const char *value)
{
    uint64_t weight;

    if (!text_number(value, &weight) || weight < 1 || weight > WEIGHT_MAX)
        return false;
    c->weight = weight;
    return true;
}

static bool parse_vcpus(struct vm_config *c, const char *value)
{
    return text_number(value, &c->vcpus) && c->vcpus >= 1 && c->vcpus <= VMDIR_VCPUS;
}

static const struct key {
    const char *name;
    bool (*parse)(struct vm_config *c, const char *value);
    const char *possible;
    bool for_life; /* it cannot be changed */
} keys[] = {
    {"image=", parse_image, "the name of an image, up to 31 characters", true},
    {"ram=", parse_ram, "2M to 2G, a multiple of 4K", true},
    {"mmu=", parse_mmu, "nested or shadow", true},
    {"page=", parse_page, "4k or 2m", true},
    {"start=", parse_start, "yes or no", true},
    {"lazy=", parse_lazy, "yes or no", true},
    {"faults=", parse_faults, "guest or hypervisor", false},
    {"tables=", parse_tables, "24 to 2047 shadow tables", true},
    {"weight=", parse_weight, "1 to 100", false},
    {"vcpus=", parse_vcpus, "1 to 8", true},
    {"edu=", parse_edu, "yes, no or passthrough", true},
    {"nic=", parse_nic, "none, e1000, virtio or passthrough", true},
    {"nic_slot=", parse_nic_slot, "a slot of the machine's bus, 1 to 31, or several: 4,5", true},
    {"disk=", parse_disk, "none, virtio or passthrough", true},
    {"disk_slot=", parse_disk_slot, "a slot of the machine's bus, 1 to 31, or several: 4,5", true},
    {"disk_first=", parse_disk_first, "the number of a sector", true},
    {"disk_sectors=", parse_disk_sectors, "a number of sectors, 1 or more", true},
    {"disk_filter=", parse_disk_filter, "none, profile, encrypt, or profile,encrypt", true},
    {"disk_key=", parse_disk_key, "64 hexadecimal digits", true},
    {"posted=", parse_posted, "yes or no", true},
    {"unsafe=", parse_unsafe, "yes or no", true},
    {"vlan=", parse_vlan, "1 to 4094, or trunk", false},
};
#define KEYS (sizeof keys / sizeof keys[0])
_Static_assert(KEYS <= 32, "a bit for each");

/* A bit for each key that the string has had. */
static bool is_new(unsigned i, uint32_t *had)
{
    bool is = !(*had >> i & 1);

    *had |= UINT32_C(1) << i;
    return is;
}

static bool parse_option(struct vm_config *c, const char *word, uint32_t *had, struct why why)
{
    for (unsigned i = 0; i < KEYS; i++) {
        if (!text_starts(word, keys[i].name))
            continue;
        if (!is_new(i, had)) {
            format_text(why.text, why.size, "%s: %s is there already", word, keys[i].name);
            return false;
        }
        if (keys[i].parse(c, word + text_length(keys[i].name)))
            return true;
        format_text(why.text, why.size, "%s: possible is %s", word, keys[i].possible);
        return false;
    }
    format_text(
        why.text, why.size,
        "unknown option %s; known are image= ram= mmu= page= start= lazy= faults= tables= weight= "
        "vcpus= edu= nic= nic_slot= disk= disk_slot= disk_first= disk_sectors= disk_filter= disk_key= "
        "posted= unsafe= vlan=",
        word);
    return false;
}

static bool is_key(const struct key *k, const char *name)
{
    size_t n = text_length(name);

    return n > 0 && text_starts(k->name, name) && text_equal(k->name + n, "=");
}

bool config_set(struct vm_config *c, const char *name, const char *value, char *why, size_t size)
{
    struct vm_config changed = *c;

    for (unsigned i = 0; i < KEYS; i++) {
        if (!is_key(&keys[i], name) || keys[i].for_life)
            continue;
        if (!keys[i].parse(&changed, value)) {
            format_text(why, size, "%s: possible is %s", name, keys[i].possible);
            return false;
        }
        if (!faults_possible(&changed, (struct why){why, size}))
            return false;
        *c = changed;
        return true;
    }
    format_text(why, size, "%s%s; known are faults, weight and vlan",
                *name ? "unknown key " : "KEY is missing", name);
    return false;
}

static bool parse_options(struct vm_config *c, char **rest, struct why why)
{
    uint32_t had = 0;

    for (;;) {
        const char *word = text_word(rest);

        if (*word == 0 || text_equal(word, "--"))
            return faults_possible(c, why) && tables_possible(c, why) && disk_possible(c, why);
        if (!parse_option(c, word, &had, why))
            return false;
    }
}

static void set_defaults(struct vm_config *c)
{
    *c = (struct vm_config){.ram_bytes = RAM_DEFAULT,
                            .page_bytes = PAGE_BYTES,
                            .weight = 1,
                            .vcpus = 1,
                            .vlan = VLAN_DEFAULT,
                            .pager = &pager_nested,
                            .start = true};
}

bool config_parse(struct vm_config *c, const char *string, char *why, size_t size)
{
    char copy[STRING_MAX], *rest = copy, name[VMDIR_NAME];

    set_defaults(c);
    if (!text_copy(copy, string, sizeof copy)) {
        format_text(why, size, "a module's string may have up to %u characters", STRING_MAX - 1);
        return false;
    }
    if (!text_copy(c->name, text_word(&rest), sizeof c->name) || !c->name[0]) {
        format_text(why, size, "a VM's name has 1 to %u characters", VMDIR_NAME - 1);
        return false;
    }
    text_copy(name, c->name, sizeof name);
    text_copy(c->image, name, sizeof c->image);
    if (!parse_options(c, &rest, (struct why){why, size})) {
        set_defaults(c);
        text_copy(c->name, name, sizeof c->name);
        return false;
    }
    format_text(c->cmdline, sizeof c->cmdline, "%s%s%s", c->image, *rest ? " " : "", rest);
    return true;
}
