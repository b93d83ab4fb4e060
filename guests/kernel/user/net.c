/* net - the network interfaces: their addresses, drivers and counters; or gives one an address.
 *
 *     net                                       all, and the neighbours that are known
 *     net INTERFACE ADDRESS[/PREFIX] [GATEWAY]  e.g. net net0 10.0.0.1/24 */
#include "user.h"

static const char *const counts[] = {
#define N(name, text) text,
#include "kernel/net_counts.def"
#undef N
};

static void show(const struct net_info *info)
{
    const struct net_setting *t = &info->setting;

    print("%s: %s in slot %u, %s, %s, link %s\n", info->name, info->driver, info->slot, mac_text(info->mac),
          info->interrupts, info->up ? "up" : "down");
    print("    %s/%u", address_text(t->address), t->prefix);
    if (t->gateway)
        print(" gateway %s", address_text(t->gateway));
    print("\n");
    for (unsigned i = 0; i < NET_COUNTS; i++)
        if (info->count[i] || i <= NET_tx_bytes)
            print("    %lu %s\n", info->count[i], counts[i]);
}

static int show_all(void)
{
    struct net_neighbour neighbour_i;
    struct net_info info;
    unsigned n = 0;

    for (; netinfo(n, &info) == 0; n++)
        show(&info);
    for (unsigned i = 0; neighbour(i, &neighbour_i) == 0; i++)
        print("%s is at %s on net%u\n", address_text(neighbour_i.address), mac_text(neighbour_i.mac),
              neighbour_i.interface);
    if (n == 0)
        print("net: there is no network interface\n");
    return n == 0;
}

/* Cuts "/24" off. */
static int parse_prefix(char *address, uint32_t *prefix)
{
    char *slash = address;

    while (*slash && *slash != '/')
        slash++;
    if (*slash) {
        *slash = 0;
        *prefix = (uint32_t)number_of(slash + 1, 33);
    }
    return *prefix <= 32;
}

static int set(const char *name, char *address, const char *gateway)
{
    struct net_setting setting = {.prefix = 24};
    struct net_info info;
    unsigned i = 0;

    while (netinfo(i, &info) == 0 && !same(info.name, name))
        i++;
    if (netinfo(i, &info) < 0) {
        print("net: there is no interface '%s'\n", name);
        return 1;
    }
    if (!parse_prefix(address, &setting.prefix) || !(setting.address = parse_address(address)) ||
        (gateway && !(setting.gateway = parse_address(gateway)))) {
        print("net: an address is four numbers, such as 10.0.0.1, or 10.0.0.1/24\n");
        return 2;
    }
    return netset(i, &setting) < 0;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return show_all();
    if (argc == 3 || argc == 4)
        return set(argv[1], argv[2], argc == 4 ? argv[3] : NULL);
    print("usage: net [INTERFACE ADDRESS[/PREFIX] [GATEWAY]]\n");
    return 2;
}
