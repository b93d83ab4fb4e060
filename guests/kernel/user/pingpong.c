/* pingpong [N] - a byte goes to another process and back, N times: two pipes, and two switches of address
 * spaces a turn. */
#include "user.h"

static int ball[2], back[2];

/* Returns each byte, one more, until there is nobody who sends. */
static int other_side(void)
{
    uint8_t byte;

    close(ball[1]);
    close(back[0]);
    while (read(ball[0], &byte, 1) == 1) {
        byte++;
        write(back[1], &byte, 1);
    }
    return 0;
}

static uint64_t play(uint64_t n)
{
    uint64_t surprises = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)i;

        write(ball[1], &byte, 1);
        surprises += read(back[0], &byte, 1) != 1 || byte != (uint8_t)(i + 1);
    }
    return surprises;
}

int main(int argc, char **argv)
{
    uint64_t n = number(argc, argv, 1, 1000), surprises;
    int status;

    if (pipe(ball) < 0 || pipe(back) < 0)
        return 1;
    if (fork() == 0)
        leave(other_side());
    surprises = play(1); /* both have what they need before the first mark */
    mark(1, 106, n);
    surprises += play(n);
    mark(2, 106, n);
    close(ball[1]);
    wait(&status);
    print("pingpong: %lu times, %lu surprises, status %d\n", n, surprises, status);
    return status != 0 || surprises != 0;
}
