/* query.c - the packets that ask, q and Q: what is understood, threads, target description, monitor commands.
 *
 * gdb's manual, "Remote Protocol", "General Query Packets"; Qqemu.PhyMemMode is QEMU's. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lua/scenario.h"
#include "session.h"

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void supported(struct gdb *g, const char *text)
{
    char reply[256];
    g->knows_swbreak = strstr(text, "swbreak+") != NULL;
    g->knows_hwbreak = strstr(text, "hwbreak+") != NULL;
    snprintf(reply, sizeof reply,
             "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;qXfer:threads:read+;ReverseStep+;"
             "ReverseContinue+;swbreak+;hwbreak+;vContSupported+",
             PACKET_MAX);
    session_reply(g, reply);
}

static void no_acks(struct gdb *g, const char *text)
{
    (void)text;
    session_reply(g, "OK");
    g->no_acks = true;
}

/* ---- cores as threads ---- */

static void current_thread(struct gdb *g, const char *text)
{
    char reply[16];
    (void)text;
    snprintf(reply, sizeof reply, "QC%x", g->core + 1);
    session_reply(g, reply);
}

static void first_threads(struct gdb *g, const char *text)
{
    struct bytes b = {NULL, 0, 0};
    (void)text;
    for (uint32_t core = 0; core < rs_cores(g->m); core++)
        bytes_addf(&b, "%c%x", core ? ',' : 'm', core + 1);
    session_reply_bytes(g, &b);
    bytes_free(&b);
}

static void more_threads(struct gdb *g, const char *text)
{
    (void)text;
    session_reply(g, "l");
}

/* "core 1: vm1, non-root, ring 0" */
static void describe_core(const struct gdb *g, uint32_t core, char *text, size_t size)
{
    struct scenario_vm vm;
    bool guest = rs_guest_mode(g->m, core);
    bool named = guest && scenario_vm_at(NULL, g->m, rs_current_vmcs(g->m, core), &vm);
    const char *rests = core_rests(g, core);
    snprintf(text, size, "core %u: %s%s%s, ring %u%s%s", core + 1, named ? vm.name : "", named ? ", " : "",
             guest ? "non-root" : "root", rs_cpl(g->m, core), *rests ? ", " : "", rests);
}

static void thread_extra(struct gdb *g, const char *text)
{
    const char *at = strchr(text, ',') + 1;
    char words[96];
    uint64_t n;
    struct bytes hex = {NULL, 0, 0};
    if (!hex_number(&at, &n) || n < 1 || n > rs_cores(g->m)) {
        session_reply(g, "E16");
        return;
    }
    describe_core(g, (uint32_t)n - 1, words, sizeof words);
    bytes_add_hex(&hex, words, strlen(words));
    session_reply_bytes(g, &hex);
    bytes_free(&hex);
}

/* ---- documents ---- */

static void describe_threads(struct gdb *g, struct bytes *xml)
{
    char words[96];
    bytes_addf(xml, "<?xml version=\"1.0\"?>\n<threads>\n");
    for (uint32_t core = 0; core < rs_cores(g->m); core++) {
        describe_core(g, core, words, sizeof words);
        bytes_addf(xml, "<thread id=\"%x\" core=\"%u\" name=\"core %u\">%s</thread>\n", core + 1, core,
                   core + 1, words);
    }
    bytes_addf(xml, "</threads>\n");
}

/* "OFFSET,LENGTH" of a document: l and the rest, or m and what fits. */
static void send_part(struct gdb *g, const struct bytes *xml, const char *at)
{
    uint64_t from, n;
    struct bytes part = {NULL, 0, 0};
    if (!hex_number(&at, &from) || *at++ != ',' || !hex_number(&at, &n) || from > xml->n) {
        session_reply(g, "E16");
        return;
    }
    uint64_t left = xml->n - from, most = n < PACKET_MAX / 2 ? n : PACKET_MAX / 2;
    bytes_add(&part, left <= most ? "l" : "m", 1);
    bytes_add(&part, xml->at + from, (size_t)(left <= most ? left : most));
    session_reply_bytes(g, &part);
    bytes_free(&part);
}

static void document(struct gdb *g, const char *text)
{
    static const char features[] = "qXfer:features:read:target.xml:", threads[] = "qXfer:threads:read::";
    struct bytes xml = {NULL, 0, 0};
    if (begins(text, features)) {
        registers_describe(&xml);
        send_part(g, &xml, text + sizeof features - 1);
    } else if (begins(text, threads)) {
        describe_threads(g, &xml);
        send_part(g, &xml, text + sizeof threads - 1);
    } else {
        session_reply(g, begins(text, "qXfer:features:") ? "E00" : "");
    }
    bytes_free(&xml);
}

/* ---- the rest ---- */

static void attached(struct gdb *g, const char *text)
{
    (void)text;
    session_reply(g, "1"); /* the machine is not gdb's: on quitting it detaches */
}

static void symbols(struct gdb *g, const char *text)
{
    (void)text;
    session_reply(g, "OK"); /* none are asked for */
}

static void physical_mode(struct gdb *g, const char *text)
{
    if (text[0] == 'q') {
        session_reply(g, g->physical ? "1" : "0");
        return;
    }
    const char *value = strchr(text, ':') + 1;
    bool good = strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
    if (good)
        g->physical = *value == '1';
    session_reply(g, good ? "OK" : "E16");
}

static void qemu_supported(struct gdb *g, const char *text)
{
    (void)text;
    session_reply(g, "PhyMemMode");
}

static void command(struct gdb *g, const char *text)
{
    uint8_t line[PACKET_MAX / 2 + 1];
    size_t n;
    if (!hex_bytes(strchr(text, ',') + 1, line, sizeof line - 1, &n)) {
        session_reply(g, "E16");
        return;
    }
    line[n] = 0;
    monitor_command(g, (const char *)line);
}

static const struct {
    const char *name; /* how the packet begins; with '$' at its end that is all of it */
    void (*answer)(struct gdb *g, const char *text);
} queries[] = {
    {"qSupported", supported},
    {"QStartNoAckMode$", no_acks},
    {"qC$", current_thread},
    {"qfThreadInfo$", first_threads},
    {"qsThreadInfo$", more_threads},
    {"qThreadExtraInfo,", thread_extra},
    {"qXfer:", document},
    {"qAttached", attached},
    {"qSymbol:", symbols},
    {"qqemu.PhyMemMode$", physical_mode},
    {"Qqemu.PhyMemMode:", physical_mode},
    {"qqemu.Supported", qemu_supported},
    {"qRcmd,", command},
};

static bool is(const char *text, const char *name)
{
    size_t n = strlen(name);
    return name[n - 1] == '$' ? strlen(text) == n - 1 && strncmp(text, name, n - 1) == 0 : begins(text, name);
}

void session_query(struct gdb *g, const char *text)
{
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        if (is(text, queries[i].name)) {
            queries[i].answer(g, text);
            return;
        }
    session_reply(g, "");
}
