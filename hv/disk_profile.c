/* disk_profile.c - what a VM's disk is used for: how much is read and written, in requests of which sizes,
 * one after the other or here and there, and where most. */
#include "disk_filter.h"

#define HOTTEST 4

/* ---- counting ---- */

static unsigned size_class(uint64_t sectors)
{
    unsigned class = 0;

    while (class < DISK_SIZES - 1 && sectors > UINT64_C(1) << class)
        class ++;
    return class;
}

/* The first sector of a zone; of zone DISK_ZONES: the end of the disk. */
static uint64_t zone_begins(const struct disk_profile *p, unsigned zone)
{
    return p->sectors / DISK_ZONES * zone + p->sectors % DISK_ZONES * zone / DISK_ZONES;
}

static void count_zones(const struct disk_profile *p, struct disk_use *u, uint64_t sector, uint64_t sectors)
{
    for (unsigned zone = 0; zone < DISK_ZONES; zone++) {
        uint64_t begin = zone_begins(p, zone), end = zone_begins(p, zone + 1);

        begin = begin > sector ? begin : sector;
        end = end < sector + sectors ? end : sector + sectors;
        u->zone[zone] += end > begin ? end - begin : 0;
    }
}

void disk_profile_count(struct disk_profile *p, enum disk_verb verb, uint64_t sector, uint64_t sectors)
{
    struct disk_use *u = verb == DISK_READ ? &p->reads : &p->writes;

    if (verb == DISK_FLUSH) {
        p->flushes++;
        return;
    }
    u->sequential += u->requests > 0 && sector == u->next;
    u->requests++;
    u->sectors += sectors;
    u->next = sector + sectors;
    u->size[size_class(sectors)]++;
    count_zones(p, u, sector, sectors);
}

/* ---- showing ---- */

static void show_use(const char *name, const struct disk_use *u, stats_line *line)
{
    line("%s=%lu sectors=%lu sequential=%lu random=%lu", name, u->requests, u->sectors, u->sequential,
         u->requests - u->sequential);
}

static uint64_t heat(const struct disk_profile *p, unsigned zone)
{
    return p->reads.zone[zone] + p->writes.zone[zone];
}

/* Those that most sectors have gone to and from, the hottest first; of equals the first. */
static void show_hottest(const struct disk_profile *p, stats_line *line)
{
    uint64_t shown = 0;

    for (unsigned n = 0; n < HOTTEST; n++) {
        unsigned best = DISK_ZONES;

        for (unsigned zone = 0; zone < DISK_ZONES; zone++)
            if (!(shown >> zone & 1) && heat(p, zone) &&
                (best == DISK_ZONES || heat(p, zone) > heat(p, best)))
                best = zone;
        if (best == DISK_ZONES)
            return;
        shown |= UINT64_C(1) << best;
        line("hot from=%lu to=%lu read=%lu written=%lu", zone_begins(p, best), zone_begins(p, best + 1) - 1,
             p->reads.zone[best], p->writes.zone[best]);
    }
}

void disk_profile_show(const struct disk_profile *p, stats_line *line)
{
    show_use("reads", &p->reads, line);
    show_use("writes", &p->writes, line);
    line("flushes=%lu", p->flushes);
    for (unsigned i = 0; i < DISK_SIZES; i++)
        if (p->reads.size[i] || p->writes.size[i])
            line("size%s=%u reads=%lu writes=%lu", i < DISK_SIZES - 1 ? "" : "_above",
                 1u << (i < DISK_SIZES - 1 ? i : i - 1), p->reads.size[i], p->writes.size[i]);
    show_hottest(p, line);
}
